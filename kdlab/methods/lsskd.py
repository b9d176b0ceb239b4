"""LSSKD: a network that teaches its own layers, without a teacher.

It uses rotations, branches and its own past.
"""

from typing import Literal

from torch import Tensor

from .. import losses
from ..core.arithmetic import total
from ..core.hyper import Count, Positive, Share
from ..data import Batch
from ..models import BranchOutput, Features
from .common.layered import ROTATIONS, Layered, behind_the_last
from .common.past import Snapshot, Tables


class LSSKD(Layered):
    """The network learns from itself three times.

    It learns from its predictions an epoch ago, and, layer by layer, from its deepest branch and from its own features.

        loss = ce + joint + kl + 0.1 feature

        ce       -sum of q log softmax(z), mean over B upright images, q = (1 - a) onehot(y) + a past (equations 1, 4)
        joint    the same for a branch's joint logits and joint labels, mean over 4B rows, sum over branches (2, 3, 5)
        kl       T^2 KL(softmax(deepest / T) || softmax(other / T)), mean over 4B rows, sum over other branches (7)
        feature  (h - f)^2, mean over 4B rows and features, sum over branches (8)

    with the classifier's logits z (B, K), a branch's joint logits (4B, 4 K) and pooled features h (4B, C), and the
    network's pooled features f (4B, C). What serves as target or reference gets no gradient.

    "A Layered Self-Supervised Knowledge Distillation Framework for Efficient Multimodal Learning on the Edge", 2025.
    The available text strips the symbols and constants, so weights, temperatures, schedules and the following options
    are a *reconstruction*:

    - `alpha`: the weight of the past, a = alpha (t + 1) / E in epoch t = 0 .. E - 1, or always ("constant" `schedule`);
    - `past`: a "table" remembers, image by image, what was said of the view of the epoch before, the `keep` largest
      probabilities of each row; a "snapshot" of the network then is asked about the current view; both at `past_T`;
    - `soften_branches=False`: the branches keep hard joint labels;
    - `kl_from`: the other branches learn from the deepest one ("deepest") or each from the next deeper one ("next");
      "class" is "deepest", and the deepest branch learns the classes from z;
    - `feature_to`: f is the network's pooled features ("network") or those of the deepest branch ("branch");
    - `last`: branches behind the last so many stages only; None: behind every stage.

    Equation 5 as a sum over rotations, not a mean, is `weights={"joint": 4}`. With alpha, `kl` and `feature` 0 the
    method is `hsakd_teacher`. CutMix mixes the soft targets and writes nothing to the tables.
    """

    paper = "LSSKD, preprint 2025"
    learns_from = "own deepest branch and past"
    instead = "hp past=snapshot predicts anew what the tables remember"
    weights = {"ce": 1.0, "joint": 1.0, "kl": 1.0, "feature": 0.1}
    frozen = ("past",)

    def build(
        self,
        *,
        alpha: Share = 0.8,
        schedule: Literal["linear", "constant"] = "linear",
        T: Positive = 3.0,
        kl_from: Literal["deepest", "next", "class"] = "deepest",
        feature_to: Literal["network", "branch"] = "network",
        soften_branches: bool = True,
        past: Literal["table", "snapshot"] = "table",
        past_T: Positive = 1.0,
        keep: Count = 64,
        last: Count | None = None,
    ) -> None:
        super().build()
        self.branches = behind_the_last(self.branches, last)
        self.alpha, self.schedule, self.soften_branches, self.past_T = alpha, schedule, soften_branches, past_T
        self.T, self.kl_from, self.feature_to = T, kl_from, feature_to
        rows = [1, *[ROTATIONS] * len(self.branches)]  # the classifier's table, then the branches'
        tables = Tables(self.samples if alpha and past == "table" else 0, self.model.num_classes, rows, keep)
        self.past = tables if past == "table" else Snapshot(self, past_T)

    def weight_of_past(self, progress: float) -> float:
        """alpha of the epoch: alpha (t + 1) / E, or constant."""
        return self.alpha * ((self.epoch(progress) + 1) / self.epochs if self.schedule == "linear" else 1.0)

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        features, outs = self.see_rotations(batch.x[0])
        terms = self.hard_terms(batch, features, outs)
        if self.alpha:
            terms |= self.soft_terms(batch, features, outs, self.weight_of_past(progress))
        return terms | {"kl": self.between_branches(features, outs), "feature": self.between_features(features, outs)}

    def soft_terms(self, batch: Batch, seen: Features, outs: list[BranchOutput], alpha: float) -> dict[str, Tensor]:
        """Equations 1 to 5: cross-entropies with labels that the past softens."""
        logits = [seen.logits[::ROTATIONS], *(out.logits for out in outs)]
        labels = [batch.y, *[losses.joint_labels(batch.y, ROTATIONS)] * len(outs)]
        ce, *joint = self.past.soft_cross_entropies(batch, logits, labels, alpha, self.past_T)
        return {"ce": ce, "joint": total(joint)} if self.soften_branches else {"ce": ce}

    def between_branches(self, seen: Features, outs: list[BranchOutput]) -> Tensor:
        """Equation 7: KL from deeper branches to the others."""
        *others, deepest = [out.logits for out in outs]
        teachers = [*others[1:], deepest] if self.kl_from == "next" else [deepest] * len(others)
        kl = total(losses.kd(z, teacher, self.T) for z, teacher in zip(others, teachers, strict=True))
        if self.kl_from == "class":
            kl = kl + losses.kd(losses.class_log_probabilities(deepest, ROTATIONS), seen.logits, self.T)
        return kl

    def between_features(self, seen: Features, outs: list[BranchOutput]) -> Tensor:
        """Compute equation 8: squared distances of pooled features to a common reference.

        The features are the branches'.
        """
        *others, deepest = outs
        pupils, reference = (outs, seen) if self.feature_to == "network" else (others, deepest)
        return total(losses.feature_mse(pupil.pooled, reference.pooled) for pupil in pupils)

    def after_step(self, progress: float) -> None:
        self.past.after_step()

    def after_epoch(self, progress: float) -> None:
        self.past.after_epoch(self)

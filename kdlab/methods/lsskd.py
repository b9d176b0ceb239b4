"""LSSKD: a network that teaches its own layers, with rotations, branches and its own past; no teacher."""

from typing import Annotated, Literal

from .. import losses
from . import recipes
from .base import Positive, Share
from .layered import ROTATIONS, Layered
from .past import Snapshot, Tables, mixed


class LSSKD(Layered):
    """Hard labels softened by the predictions of the epoch before, for the classifier (equation 4) and for every branch's
    joint labels (5); KL from the deepest branch to the others (7); squared distance of the branches' pooled features to
    the network's (8). Targets and references carry no gradient.

    "A Layered Self-Supervised Knowledge Distillation Framework for Efficient Multimodal Learning on the Edge", 2025.
    The available text strips the symbols and constants, so weights, temperatures and schedules are a *reconstruction*:
    the past weighs `alpha`, reached linearly (or constant); stored at temperature `past_T` in tables keyed by image, of
    the `keep` largest probabilities a row, or recomputed on the current view from a snapshot of the epoch before;
    `kl_from` the deepest branch, the next one, or with "class" also z for the deepest; `feature_to` the network's pooled
    feature or the deepest branch's. Summing equation 5 over rotations instead of averaging is `weights={"joint": 4}`.
    With alpha, `kl` and `feature` 0 it is `hsakd_teacher`. CutMix mixes the soft targets and writes nothing to the tables.
    """

    paper = "LSSKD, preprint 2025"
    transfers = "own deepest branch and past"
    weights = {"ce": 1.0, "joint": 1.0, "kl": 1.0, "feature": 0.1}
    presets = {"paper": {**recipes.HSAKD, "nesterov": False, "model": "wrn_16_2", "milestones": (150 / 240, 210 / 240)}}

    frozen = ("past",)

    def build(
        self, *, alpha: Annotated[float, Share] = 0.8, schedule: Literal["linear", "constant"] = "linear",
        T: Annotated[float, Positive] = 3.0, kl_from: Literal["deepest", "next", "class"] = "deepest",
        feature_to: Literal["network", "branch"] = "network", soften_branches: bool = True,
        past: Literal["table", "snapshot"] = "table", past_T: Annotated[float, Positive] = 1.0,
        keep: Annotated[int, Positive] = 64,
    ):  # fmt: skip
        super().build()
        self.T, self.alpha, self.past_T, self.soften_branches = T, alpha, past_T, soften_branches
        self.schedule, self.kl_from, self.feature_to = schedule, kl_from, feature_to
        if past == "snapshot":
            self.past = Snapshot(self, past_T)
        else:
            joint, classes = [ROTATIONS] * len(self.branches), self.model.num_classes
            sizes = [classes, *(classes * r for r in joint)]
            self.past = Tables(self.samples if alpha else 0, [1, *joint], sizes, keep)

    def weight_of_past(self, progress: float) -> float:
        """alpha of the epoch: alpha (t + 1) / E, or constant."""
        return self.alpha * ((self.epoch(progress) + 1) / self.epochs if self.schedule == "linear" else 1.0)

    def soft_terms(self, batch, logits, alpha):
        """Equations 1 to 5: cross-entropies with labels that the past softens."""
        y, joint = batch.y, losses.joint_labels(batch.y, ROTATIONS)
        labels = (y, *[joint] * len(logits[1:]))
        hard = [losses.smooth(label, z.shape[1], eps=0.0) for z, label in zip(logits, labels, strict=True)]
        softened = []
        for z, own, past in zip(logits, hard, self.past.recall(batch, hard), strict=True):
            target = (1 - alpha) * mixed(own, batch, len(z) // len(y)) + alpha * past
            softened.append(losses.soft_cross_entropy(z, target))
        self.past.note(batch, [(z.detach() / self.past_T).softmax(1) for z in logits])
        return {"ce": softened[0]} | ({"joint": sum(softened[1:])} if self.soften_branches else {})

    def terms(self, batch, progress):
        seen, outs = self.look(batch.x[0])
        logits = [seen.logits[::ROTATIONS], *(out.logits for out in outs)]
        terms = self.hard_terms(batch, seen, outs)
        if self.alpha:
            terms |= self.soft_terms(batch, logits, self.weight_of_past(progress))
        *shallow, deepest = logits[1:]
        teachers = logits[2:] if self.kl_from == "next" else [deepest] * len(shallow)
        terms["kl"] = sum(losses.kd(a, b, self.T) for a, b in zip(shallow, teachers, strict=True))
        if self.kl_from == "class":
            marginal = losses.class_log_probabilities(deepest, ROTATIONS)
            terms["kl"] = terms["kl"] + losses.kd(marginal, seen.logits, self.T)
        to, compared = (seen.pooled, outs) if self.feature_to == "network" else (outs[-1].pooled, outs[:-1])
        return terms | {"feature": sum(losses.feature_mse(out.pooled, to) for out in compared)}

    def after_step(self, progress):
        self.past.after_step()

    def after_epoch(self, progress):
        self.past.after_epoch(self)

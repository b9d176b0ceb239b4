"""LiteNet-SSD: a compact student of a self-supervised teacher, with few labels."""

from typing import Literal

from torch import Tensor, cat

from .. import losses
from ..core.arithmetic import total
from ..core.hyper import Count, Positive, Share
from ..core.schedules import sigmoid_ramp
from ..data import Batch
from .base import Distill
from .common.adapters import FEATURE_LOSSES, stage_adapters
from .common.selfsupervised import follow, momentum_copy

# The second and third stage: 128 x 16 x 16 and 256 x 8 x 8 in LiteNet-DSC and ResNet-18 alike
STAGES = {"both": (1, 2), "second": (1,), "third": (2,)}


class LiteNetSSD(Distill):
    """The student learns the teacher's answers for all images, labelled or not.

    It should say the same of an image however it is distorted.

        loss = ce + kd + feature + r(t) (0.5 consistency + pseudo)

    A batch is `batch` labelled images and `ratio` times as many unlabelled ones.

    - `ce`, `kd` (T = 4) and `feature` see weak views of all of them. `feature` compares maps of the second and third
      stage, or of one of them (`feature_stages`): by cosine or MSE (usual weight 100) after a 1 x 1 adapter, or by
      attention maps (usual weight 1000), which need none.
    - `consistency` and `pseudo` see strong views of the unlabelled images, those of pre-training (crop, jitter, grey,
      blur), which learn from the weak views: from the student's own prediction (KL or MSE), and from the class that is
      predicted with probability `threshold` or more by the teacher, the student, or an average of the student with
      momentum `ema`. r(t) rises from e^-5 to 1 over the share `ramp` of training.

    "Self-supervised Distillation Method for Lightweight Convolutional Networks", ICCEIC 2025. Its abstract names these
    parts and no constants: weights, temperatures and adapters are a *reconstruction*. Preset "cifar10": 10,000
    labelled, 35,000 unlabelled and 5,000 validation images, as published; "mnist": 1,000, 54,000 and 5,000, a choice of
    ours, with images resized from 28 to 32 pixels.
    """

    paper = "LiteNet-SSD, ICCEIC 2025"
    learns_from = "logits, features, pseudo-labels"
    views = ("weak", "strong")
    sampling = "labelled+unlabelled"
    mixes = False
    weights = {"ce": 1.0, "kd": 1.0, "feature": 1.0, "consistency": 0.5, "pseudo": 1.0}

    def build(
        self,
        *,
        T: Positive = 4.0,
        threshold: Share = 0.95,
        ramp: Share = 0.2,
        ratio: Count = 3,
        ema: Share = 0.999,
        pseudo_from: Literal["teacher", "student", "ema"] = "teacher",
        consistency_as: Literal["kl", "mse"] = "kl",
        feature_as: Literal["cosine", "mse", "at"] = "cosine",
        feature_stages: Literal["both", "second", "third"] = "both",
    ) -> None:
        self.T, self.threshold, self.ramp, self.ratio, self.ema = T, threshold, ramp, ratio, ema
        self.pseudo_from, self.consistency_as, self.feature_as = pseudo_from, consistency_as, feature_as
        self.stages = STAGES[feature_stages] if self.uses("feature") else ()
        self.adapters = stage_adapters(self.model, self.teacher, self.stages, plain=feature_as == "at")
        if pseudo_from == "ema":
            self.average = momentum_copy(self.model)
            self.frozen = ("average",)

    def factors(self, progress: float) -> dict[str, float]:
        return dict.fromkeys(("consistency", "pseudo"), sigmoid_ramp(progress, self.ramp))

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        weak, labelled = batch.x[0], len(batch.y) // (1 + self.ratio)  # the labelled images come first
        needed = self.uses("consistency") or self.uses("pseudo")
        strong = batch.x[1, labelled:] if needed else weak[:0]  # or none
        student, teacher = self.model.features(cat([weak, strong])), self.ask_teacher(weak)
        of_weak, of_strong = student.logits.split([len(weak), len(strong)])
        terms = {"ce": losses.cross_entropy(of_weak, batch.y), "kd": losses.kd(of_weak, teacher.logits, self.T)}
        if self.uses("feature"):
            terms["feature"] = total(
                FEATURE_LOSSES[self.feature_as](adapter(student.maps[s][: len(weak)]), teacher.maps[s])
                for s, adapter in zip(self.stages, self.adapters, strict=True)
            )
        if len(strong):
            student_logits = self.average(weak) if self.pseudo_from == "ema" else of_weak
            guesses = teacher.logits if self.pseudo_from == "teacher" else student_logits
            terms["consistency"] = losses.consistency(of_strong, of_weak[labelled:], self.consistency_as)
            terms["pseudo"] = losses.pseudo_label(of_strong, guesses[labelled:], self.threshold)
        return terms

    def after_step(self, progress: float) -> None:
        if self.pseudo_from == "ema":
            follow(self.average, self.model, self.ema, buffers=True)

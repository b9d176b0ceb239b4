"""LiteNet-SSD: a compact student taught by a self-supervised teacher, with few labels and many images."""

from typing import Annotated, Literal

from torch import cat

from .. import losses
from ..schedules import sigmoid_ramp
from . import recipes
from .adapters import stage_adapters
from .base import Distill, Positive, Share
from .momentum import follow, momentum_copy

STAGES = (1, 2)  # the second and third stage: 128 x 16 x 16 and 256 x 8 x 8 in LiteNet-DSC and ResNet-18 alike
FEATURE_LOSSES = {"cosine": losses.feature_cosine, "mse": losses.feature_mse, "at": lambda s, t: losses.at([s], [t])}


class LiteNetSSD(Distill):
    """Logits, two feature stages, consistency and pseudo-labels, the last two ramped up at the start of training.

    "Self-supervised Distillation Method for Lightweight Convolutional Networks", ICCEIC 2025. Its abstract names these
    parts and no constants: weights, temperatures and adapters are a *reconstruction*.

    A batch is `batch` labelled images and `ratio` times as many unlabelled ones. Weak views of all of them feed CE, KD
    and the feature transfer; strong views of the unlabelled ones learn from their weak views, from the student's own
    predictions (`consistency`, KL or MSE) and from confident ones (`pseudo`): the teacher's, the student's, or those of
    an average of the student with momentum `ema`. The feature loss is cosine or MSE (usual weight 100) after a 1 x 1
    adapter, or AT (usual weight 1000), which needs none. Preset "cifar10": 10,000 labelled, 35,000 unlabelled and 5,000
    validation images, as published; "mnist": 1,000, 54,000 and 5,000, a choice of ours, with images resized from 28 to
    32 pixels. Strong views are those of pre-training (crop, jitter, grey, blur).
    """

    paper = "LiteNet-SSD, ICCEIC 2025"
    transfers = "logits, features, pseudo-labels"
    views, draw, mixes = ("weak", "strong"), "mixed", False
    weights = {"ce": 1.0, "kd": 1.0, "feature": 1.0, "consistency": 0.5, "pseudo": 1.0}
    presets = {
        "paper": recipes.litenet("cifar10", labels=10_000, validation=0.1),
        "cifar10": recipes.litenet("cifar10", labels=10_000, validation=0.1),
        "mnist": recipes.litenet("mnist", labels=1_000, validation=1 / 12),
    }

    def build(
        self, *, T: Annotated[float, Positive] = 4.0, threshold: Annotated[float, Share] = 0.95,
        ramp: Annotated[float, Share] = 0.2, ratio: Annotated[int, Positive] = 3,
        pseudo_from: Literal["teacher", "student", "ema"] = "teacher", ema: Annotated[float, Share] = 0.999,
        consistency_as: Literal["kl", "mse"] = "kl", feature_as: Literal["cosine", "mse", "at"] = "cosine",
    ):  # fmt: skip
        self.T, self.threshold, self.ramp, self.ema = T, threshold, ramp, ema
        self.pseudo_from, self.consistency_as = pseudo_from, consistency_as
        self.feature_loss = FEATURE_LOSSES[feature_as]
        self.adapters = stage_adapters(self.model, self.teacher, STAGES, plain=feature_as == "at")
        if pseudo_from == "ema":
            self.average, self.frozen = momentum_copy(self.model), ("average",)

    def factors(self, progress):
        return dict.fromkeys(("consistency", "pseudo"), sigmoid_ramp(progress, self.ramp))

    def terms(self, batch, progress):
        weak, unlabelled = batch.x[0], batch.y < 0
        strong = batch.x[1, unlabelled] if self.uses("consistency") or self.uses("pseudo") else weak[:0]
        student, teacher = self.model.features(cat([weak, strong])), self.teach(weak)
        of_weak, of_strong = student.logits.split([len(weak), len(strong)])
        terms = {
            "ce": losses.cross_entropy(of_weak, batch.y),
            "kd": losses.kd(of_weak, teacher.logits, self.T),
            "feature": sum(
                self.feature_loss(adapter(student.maps[s][: len(weak)]), teacher.maps[s])
                for s, adapter in zip(STAGES, self.adapters, strict=True)
            ),
        }
        if len(strong):
            source = {"teacher": teacher.logits, "student": of_weak}.get(self.pseudo_from)
            source = self.average(weak) if source is None else source
            terms["consistency"] = losses.consistency(of_strong, of_weak[unlabelled], self.consistency_as)
            terms["pseudo"] = losses.pseudo_label(of_strong, source[unlabelled], self.threshold)
        return terms

    def after_step(self, progress):
        if self.pseudo_from == "ema":
            follow(self.average, self.model, self.ema, buffers=True)

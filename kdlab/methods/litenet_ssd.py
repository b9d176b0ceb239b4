"""LiteNet-SSD: a compact student taught by a self-supervised teacher, with few labels and many images."""

from typing import Annotated

from torch import cat, nn

from .. import losses
from ..errors import Error
from ..schedules import sigmoid_ramp
from .base import Distill, Positive, Share

STAGES = (1, 2)  # the second and third stage: 128 x 16 x 16 and 256 x 8 x 8 in LiteNet-DSC and ResNet-18 alike


class LiteNetSSD(Distill):
    """Logits, two feature stages, consistency and pseudo-labels, the last two ramped up at the start of training.

    The abstract names these parts and no constants: weights, temperatures and adapters are a *reconstruction*. A batch
    is `batch` labelled images and `ratio` times as many unlabelled ones. Weak views of all of them feed CE, KD and the
    feature transfer; strong views of the unlabelled ones learn from their weak views, from the student's own
    predictions (`consistency`) and from the teacher's confident ones (`pseudo`).
    """

    paper = "Self-supervised Distillation Method for Lightweight Convolutional Networks, ICCEIC 2025"
    views, draw = ("weak", "strong"), "mixed"
    weights = {"ce": 1.0, "kd": 1.0, "feature": 1.0, "consistency": 0.5, "pseudo": 1.0}
    presets = {
        "paper": {
            "epochs": 200, "batch": 64, "optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "nesterov": True,
            "weight_decay": 5e-4, "schedule": "cosine", "warmup": 0.0,
        }
    }  # fmt: skip

    def build(
        self, *, T: Annotated[float, Positive] = 4.0, threshold: Annotated[float, Share] = 0.95,
        ramp: Annotated[float, Share] = 0.2, ratio: Annotated[int, Positive] = 3,
    ):  # fmt: skip
        self.T, self.threshold, self.ramp = T, threshold, ramp
        student, teacher = self.model.widths, self.teacher.widths
        if min(len(student), len(teacher)) <= max(STAGES):
            raise Error(
                f"litenet_ssd aligns the second and third stage: it needs three, student and teacher have {len(student)} "
                f"and {len(teacher)}"
            )
        self.adapters = nn.ModuleList(
            nn.Sequential(nn.Conv2d(student[s], teacher[s], 1, bias=False), nn.BatchNorm2d(teacher[s])) for s in STAGES
        )

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
                losses.feature_cosine(adapter(student.maps[s][: len(weak)]), teacher.maps[s])
                for s, adapter in zip(STAGES, self.adapters, strict=True)
            ),
        }
        if len(strong):
            terms["consistency"] = losses.consistency(of_strong, of_weak[unlabelled])
            terms["pseudo"] = losses.pseudo_label(of_strong, teacher.logits[unlabelled], self.threshold)
        return terms

"""SemCKD: every student stage learns from the teacher stages that attention finds closest in meaning."""

from typing import Annotated

import torch
from torch import nn

from .. import losses
from ..errors import Error
from ..losses.features import pool_to_match
from . import recipes
from .base import Distill, Positive


class SemCKD(Distill):
    """Attention over all pairs of stages, from the similarity matrices of the batch, weighs squared differences.

    Queries and keys are perceptrons on rows of the B x B matrices, so every batch must have the same size. Weights are
    the authors' for CIFAR-100: CE 1, KD 1 at T = 4, 400.
    """

    paper = "Chen et al., AAAI 2021"
    transfers = "features across stages"
    mixes, weights = True, {"ce": 1.0, "kd": 1.0, "semckd": 400.0}
    presets = {"paper": recipes.CRD_PAIR}

    def build(self, *, T: Annotated[float, Positive] = 4.0):
        self.T, B = T, self.batch
        if B < 4:
            raise Error(f"semckd compares the similarities of a whole batch: batch={B} is less than 4")
        half = B // 4
        mlp = lambda: nn.Sequential(nn.Linear(B, 2 * half), nn.ReLU(), nn.Linear(2 * half, half))
        conv = lambda i, o, k: nn.Conv2d(i, o, k, padding=k // 2, bias=False)
        self.queries = nn.ModuleList(mlp() for _ in self.model.widths)
        self.keys = nn.ModuleList(mlp() for _ in self.teacher.widths)
        self.regressors = nn.ModuleList(
            nn.ModuleList(
                nn.Sequential(conv(s, 2 * t, 1), nn.BatchNorm2d(2 * t), nn.ReLU(), conv(2 * t, 2 * t, 3),
                              nn.BatchNorm2d(2 * t), nn.ReLU(), conv(2 * t, t, 1))
                for t in self.teacher.widths
            )
            for s in self.model.widths
        )  # fmt: skip

    def compare(self, student, teacher, batch):
        embedded = [
            torch.stack([mlp(losses.gram(m)) for mlp, m in zip(mlps, maps, strict=True)], 1)
            for mlps, maps in ((self.queries, student.maps), (self.keys, teacher.maps))
        ]
        projected = [
            [regress(pool_to_match(s, t)[0]) for regress, t in zip(row, teacher.maps, strict=True)]
            for row, s in zip(self.regressors, student.maps, strict=True)
        ]
        return {
            "kd": losses.kd(student.logits, teacher.logits, self.T),
            "semckd": losses.semckd(losses.semckd_attention(*embedded), projected, teacher.maps),
        }

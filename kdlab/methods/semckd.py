"""SemCKD: attention chooses teacher stages that each student stage learns from."""

import torch
from torch import Tensor, nn

from .. import losses
from ..core.errors import Error
from ..core.hyper import Positive
from ..data import Batch
from ..losses import pool_to_match
from ..models import Features
from .base import Distill
from .common.adapters import mlp


class SemCKD(Distill):
    """Attention weighs all pairs of student and teacher stages.

    So which teacher stage suits a student stage is learnt.

        semckd = mean over images and student stages i of  sum over teacher stages j of a_ij e_ij
        a_ij = softmax over j of cos(q_i, k_j),    e_ij = mean over elements of (r_ij(F_i) - F_j)^2

    with maps F and three trained convolutions r_ij for each pair. Queries q and keys k come from the inner products of
    the flattened maps of all pairs of images: a perceptron turns an image's row of that B x B matrix into B / 4
    numbers, so every batch must have the same size. Weights are the authors' for CIFAR-100: ce 1, kd 1 at T = 4, semckd
    400.
    """

    paper = "Chen et al., AAAI 2021"
    learns_from = "features across stages"
    weights = {"ce": 1.0, "kd": 1.0, "semckd": 400.0}

    def build(self, *, T: Positive = 4.0) -> None:
        if self.batch < 4:
            raise Error(f"semckd compares the similarities of a whole batch: batch={self.batch} is less than 4")
        self.T, dim = T, self.batch // 4
        self.queries = nn.ModuleList(mlp(self.batch, 2 * dim, dim, norm="none") for _ in self.model.widths)
        self.keys = nn.ModuleList(mlp(self.batch, 2 * dim, dim, norm="none") for _ in self.teacher.widths)
        self.regressors = nn.ModuleList(
            nn.ModuleList(bottleneck(s, t) for t in self.teacher.widths) for s in self.model.widths
        )

    def compare(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        attention = losses.semckd_attention(embed(self.queries, student.maps), embed(self.keys, teacher.maps))
        projected = [
            [regress(pool_to_match(s, t)[0]) for regress, t in zip(row.children(), teacher.maps, strict=True)]
            for row, s in zip(self.regressors, student.maps, strict=True)
        ]
        return {
            "kd": losses.kd(student.logits, teacher.logits, self.T),
            "semckd": losses.semckd(attention, projected, teacher.maps),
        }


def embed(perceptrons: nn.ModuleList, maps: tuple[Tensor, ...]) -> Tensor:
    """Return queries or keys (B, stages, B / 4).

    A perceptron a stage reads each image's similarities to the batch.
    """
    return torch.stack([read(losses.gram(m)) for read, m in zip(perceptrons, maps, strict=True)], 1)


def bottleneck(inp: int, out: int) -> nn.Sequential:
    """Build 1 x 1, 3 x 3 and 1 x 1 convolutions with batch norm and ReLU between.

    They have no bias.
    """
    wide = 2 * out
    return nn.Sequential(
        nn.Conv2d(inp, wide, 1, bias=False),
        nn.BatchNorm2d(wide),
        nn.ReLU(),
        nn.Conv2d(wide, wide, 3, padding=1, bias=False),
        nn.BatchNorm2d(wide),
        nn.ReLU(),
        nn.Conv2d(wide, out, 1, bias=False),
    )

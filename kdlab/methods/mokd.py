"""MOKD, in brief: two networks learn without labels, from momentum copies.

Each learns from its own copy and the other's.
"""

import torch
from torch import Tensor, nn

from ..core.arithmetic import total
from ..core.hyper import Count, Positive, PositiveShare
from ..core.schedules import cosine_between
from ..data import Batch
from ..losses import soft_cross_entropy
from ..models import fresh_copy
from .common.adapters import mlp
from .common.selfsupervised import SelfSupervised, follow, momentum_copy


class MOKD(SelfSupervised):
    """Two networks sort images into groups; views of one image should share a group.

    A network's own slow copy gives the target of `own`, the other network's that of `cross`.

        own = h(1, 1) + h(2, 2),    cross = h(1, 2) + h(2, 1)
        h(i, j) = cross-entropy of softmax(s_i / T) with softmax((t_j - c_j) / T_teacher), mean over images and views

    Student s_i and teacher t_j (B, dim) always see different views. Teachers are momentum copies (`tau` rises to 1
    along a cosine); their outputs are centred by a running mean c (momentum 0.9) and sharpened (0.04 against the
    student's 0.1). Both weights are 1.

    This is DINO's loss within each of two networks and across them, a *reconstruction* of the idea alone: the paper
    pairs a CNN with a ViT, eight local crops, and attention heads for the exchange; here are two networks of one kind
    (other weights), two views, and plain heads.
    """

    paper = "Song et al., CVPR 2023 (cross-model DINO only)"
    learns_from = "two networks without labels"
    weights = {"own": 1.0, "cross": 1.0}
    centre: Tensor  # (2, dim), the running means of the teachers' outputs

    def build(
        self,
        *,
        dim: Count = 1024,
        T: Positive = 0.1,
        T_teacher: Positive = 0.04,
        tau: PositiveShare = 0.996,
    ) -> None:
        self.T, self.T_teacher, self.tau = T, T_teacher, tau
        width = self.model.feature_width
        self.partner = fresh_copy(self.model)
        self.projector, self.partner_projector = mlp(width, width, dim), mlp(width, width, dim)
        self.students = [(self.model, self.projector), (self.partner, self.partner_projector)]  # lists hide them
        self.teachers = [(momentum_copy(net), momentum_copy(head)) for net, head in self.students]
        self.targets = nn.ModuleList(map(nn.ModuleList, self.teachers))
        self.register_buffer("centre", torch.zeros(2, dim))

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        x = batch.x.flatten(0, 1)
        students = [head(net.features(x).pooled).chunk(2) for net, head in self.students]
        with torch.no_grad():
            teachers = torch.stack([head(net.features(x).pooled) for net, head in self.teachers])
            self.mean = teachers.mean(1).float()
            soft = [((z - c) / self.T_teacher).softmax(1).chunk(2) for z, c in zip(teachers, self.centre, strict=True)]

        def across(student: int, teacher: int) -> Tensor:
            return total(soft_cross_entropy(students[student][v] / self.T, soft[teacher][1 - v]) for v in (0, 1)) / 2

        return {"own": across(0, 0) + across(1, 1), "cross": across(0, 1) + across(1, 0)}

    @torch.no_grad()
    def after_step(self, progress: float) -> None:
        self.centre.lerp_(self.mean, 0.1)
        tau = cosine_between(progress, self.tau, 1.0)
        for pair, target in zip(self.students, self.teachers, strict=True):
            for module, copy in zip(pair, target, strict=True):
                follow(copy, module, tau)

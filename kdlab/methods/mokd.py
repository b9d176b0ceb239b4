"""MOKD, in brief: two networks learn without labels, each from its own and the other's moving average."""

from typing import Annotated

import torch

from ..losses import soft_cross_entropy
from ..models import fresh_copy
from ..schedules import cosine_between
from . import recipes
from .base import Positive, Share
from .momentum import follow, momentum_copy
from .selfsupervised import SelfSupervised, mlp


class MOKD(SelfSupervised):
    """DINO's loss within each of two networks, and across them with weight 1: a *reconstruction* of the idea alone.

    The paper pairs a CNN with a ViT, eight local crops, and attention heads for the exchange; here are two networks of
    one kind (other weights), two views, and plain heads. Teachers are momentum copies; their outputs are centred by a
    running mean and sharpened (0.04 against the student's 0.1). The same view is never compared with itself.
    """

    paper = "Song et al., CVPR 2023 (cross-model DINO only)"
    transfers = "two networks without labels"
    weights = {"own": 1.0, "cross": 1.0}
    presets = {"short": recipes.LIGHTLY, "paper": recipes.LIGHTLY}

    def build(
        self, *, dim: Annotated[int, Positive] = 1024, T: Annotated[float, Positive] = 0.1,
        T_teacher: Annotated[float, Positive] = 0.04, tau: Annotated[float, Positive, Share] = 0.996,
    ):  # fmt: skip
        self.T, self.T_teacher, self.tau, width = T, T_teacher, tau, self.model.feature_width
        self.partner = fresh_copy(self.model)
        self.projector, self.partner_projector = mlp(width, width, dim), mlp(width, width, dim)
        self.students = [(self.model, self.projector), (self.partner, self.partner_projector)]  # a list hides them
        self.targets = torch.nn.ModuleList(torch.nn.ModuleList(map(momentum_copy, pair)) for pair in self.students)
        self.register_buffer("centre", torch.zeros(2, dim))

    def terms(self, batch, progress):
        x = batch.x.flatten(0, 1)
        said = [head(net.features(x).pooled).chunk(2) for net, head in self.students]
        with torch.no_grad():
            taught = torch.stack([head(net.features(x).pooled) for net, head in self.targets])
            self.mean = taught.mean(1).float()
            soft = [((z - c) / self.T_teacher).softmax(1).chunk(2) for z, c in zip(taught, self.centre, strict=True)]

        def across(student: int, teacher: int):
            return sum(soft_cross_entropy(said[student][v] / self.T, soft[teacher][1 - v]) for v in (0, 1)) / 2

        return {"own": across(0, 0) + across(1, 1), "cross": across(0, 1) + across(1, 0)}

    @torch.no_grad()
    def after_step(self, progress):
        self.centre.lerp_(self.mean, 0.1)
        for pair, target in zip(self.students, self.targets, strict=True):
            for module, copy in zip(pair, target, strict=True):
                follow(copy, module, cosine_between(progress, self.tau, 1.0))

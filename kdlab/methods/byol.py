"""BYOL: predict how a slowly moving copy of the network embeds the other view."""

import torch
from torch import Tensor

from .. import losses
from ..core.hyper import Count, PositiveShare
from ..core.schedules import cosine_between
from ..data import Batch
from .common.adapters import HeadNorm, mlp
from .common.selfsupervised import SelfSupervised, follow, momentum_copy


class BYOL(SelfSupervised):
    """From one view the network predicts a slow copy's embedding of the other view.

    That slow copy is called the target.

        byol = l(p_1, t_2) + l(p_2, t_1),    l(p, t) = mean over images of 2 - 2 cos(p, t)

    p_v (B, dim) is the predictor on the projector on the network's features of view v, t_v the target's projection,
    which gets no gradient: the paper's equation 2 and its mirror image. No negatives, so the batch may be small.
    Projector and predictor have one hidden layer with batch norm, twice as wide as the features by default.

    The target (network and projector, no predictor) is a momentum copy in train mode:

        target <- tau target + (1 - tau) network    after each step, tau rising from `tau` to `tau_end` along a cosine

    Preset "paper" is solo-learn's CIFAR recipe (published online probe: 92.58 % on CIFAR-10), "short" lightly's, whose
    loss is a quarter of this one: the average of the directions, of minus the cosine.
    """

    paper = "Grill et al., NeurIPS 2020"
    weights = {"byol": 1.0}

    def build(
        self,
        *,
        dim: Count = 128,
        hidden: Count | None = None,
        tau: PositiveShare = 0.99,
        tau_end: PositiveShare = 1.0,
        norm: HeadNorm = "hidden",
    ) -> None:
        self.tau, self.tau_end = tau, tau_end
        width, hidden = self.model.feature_width, hidden or 2 * self.model.feature_width
        self.projector, self.predictor = mlp(width, hidden, dim, norm), mlp(dim, hidden, dim, norm)
        self.target_model, self.target_projector = momentum_copy(self.model), momentum_copy(self.projector)

    @torch.no_grad()
    def target(self, x: Tensor) -> Tensor:
        """Return the target's embeddings (B, D) of one view."""
        return self.target_projector(self.target_model.features(x).pooled)

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        first, second = batch.x
        return {
            "byol": losses.byol(self.predictor(self.embed(first)), self.target(second))
            + losses.byol(self.predictor(self.embed(second)), self.target(first))
        }

    def after_step(self, progress: float) -> None:
        tau = cosine_between(progress, self.tau, self.tau_end)
        follow(self.target_model, self.model, tau)
        follow(self.target_projector, self.projector, tau)

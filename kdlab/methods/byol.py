"""BYOL: predict the embedding that a slowly moving copy of the network gives to the other view."""

from typing import Annotated

import torch

from .. import losses
from ..schedules import cosine_between
from . import recipes
from .base import Positive, Share
from .momentum import follow, momentum_copy
from .selfsupervised import SelfSupervised, mlp


class BYOL(SelfSupervised):
    """Predict each view's target embedding from the other view; no negatives, so the batch may be small.

    Projector and predictor have one hidden layer with batch norm, twice as wide as the features by default. The target
    (network and projector, no predictor) is a momentum copy in train mode that gets no gradient; its momentum `tau`
    rises to `tau_end` along a cosine, step by step. Both directions are summed (the paper's equation 2 and its mirror
    image). Preset "paper" is solo-learn's CIFAR recipe (published online probe: 92.58 % on CIFAR-10), "short"
    lightly's, whose loss is a quarter of this one: the average of the directions, of minus the cosine.
    """

    paper = "Grill et al., NeurIPS 2020"
    weights = {"byol": 1.0}
    presets = {
        "short": recipes.LIGHTLY_BYOL,
        "paper": {**recipes.SOLO_LEARN, "lr": 1.0, "weight_decay": 1e-5, "augment": "byol",
                  "hp": {"hidden": 4096, "dim": 256}},
    }  # fmt: skip

    def build(
        self, *, dim: Annotated[int, Positive] = 128, hidden: Annotated[int, Positive] | None = None,
        tau: Annotated[float, Positive, Share] = 0.99, tau_end: Annotated[float, Positive, Share] = 1.0,
    ):  # fmt: skip
        self.tau, self.tau_end = tau, tau_end
        width, hidden = self.model.feature_width, hidden or 2 * self.model.feature_width
        self.projector, self.predictor = mlp(width, hidden, dim), mlp(dim, hidden, dim)
        self.target_model, self.target_projector = momentum_copy(self.model), momentum_copy(self.projector)

    @torch.no_grad()
    def target(self, x):
        """The target's embeddings (B, D) of one view."""
        return self.target_projector(self.target_model.features(x).pooled)

    def terms(self, batch, progress):
        first, second = batch.x
        return {
            "byol": losses.byol(self.predictor(self.embed(first)), self.target(second))
            + losses.byol(self.predictor(self.embed(second)), self.target(first))
        }

    def after_step(self, progress):
        tau = cosine_between(progress, self.tau, self.tau_end)
        follow(self.target_model, self.model, tau)
        follow(self.target_projector, self.projector, tau)

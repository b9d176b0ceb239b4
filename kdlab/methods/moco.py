"""MoCo v2: contrast each image with a long queue of embeddings from a slowly moving copy of the network."""

from typing import Annotated

import torch
from torch.nn.functional import normalize

from ..errors import Error
from ..losses import info_nce
from ..schedules import cosine_between
from . import recipes
from .base import Positive, Share
from .momentum import follow, momentum_copy
from .selfsupervised import SelfSupervised, mlp
from .split_norm import split_batch_norm


class MoCo(SelfSupervised):
    """Match a view to the key of the image's other view, among a queue of keys of earlier batches.

    The key encoder is a momentum copy that runs in train mode and keeps batch statistics of its own. On one device all
    images of a batch would share batch statistics, which tell a query its key; so batch norm works on `splits` parts of
    the batch, and the keys are shuffled among them. `symmetric` adds the term with the views exchanged and queues both
    keys, as in MoCo's CIFAR demonstration. `momentum` rises to `momentum_end` along a cosine. In preset "paper",
    solo-learn's recipe for MoCo v2+ (published online probe: 92.94 % on CIFAR-10), the two terms are averaged; it has
    two queues there, one here.
    """

    paper = "He et al., CVPR 2020; Chen et al. 2020 (v2)"
    weights = {"info_nce": 1.0}
    presets = {
        "short": recipes.LIGHTLY | {"hp": {"splits": 8}},
        "paper": {**recipes.SOLO_LEARN, "optimizer": "sgd", "lr": 0.3, "augment": "moco", "weights": {"info_nce": 0.5},
                  "hp": {"T": 0.2, "hidden": 2048, "dim": 256, "queue": 32768, "momentum_end": 0.999, "splits": 8,
                         "symmetric": True}},
    }  # fmt: skip

    def build(
        self, *, T: Annotated[float, Positive] = 0.1, dim: Annotated[int, Positive] = 128,
        hidden: Annotated[int, Positive] | None = None, queue: Annotated[int, Positive] = 4096,
        momentum: Annotated[float, Share] = 0.99, momentum_end: Annotated[float, Share] | None = None,
        splits: Annotated[int, Positive] = 4, symmetric: bool = False,
    ):  # fmt: skip
        if queue % max(1, step := self.batch * (2 if symmetric else 1)):
            raise Error(f"queue={queue} is no multiple of {step}: the queue moves on by the keys of a whole step")
        if self.batch % splits or 0 < self.batch < 2 * splits:
            raise Error(
                f"batch={self.batch} cannot be split into splits={splits} parts of 2 and more: give a divisor of it"
            )
        self.T, self.symmetric = T, symmetric
        self.momentum = momentum, momentum if momentum_end is None else momentum_end
        split_batch_norm(self.model, splits)
        self.projector = mlp(self.model.feature_width, hidden or self.model.feature_width, dim, norm=False)
        self.key_model, self.key_projector = momentum_copy(self.model), momentum_copy(self.projector)
        self.register_buffer("queue", normalize(torch.randn(dim, queue), dim=0))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def keys(self, x):
        """Embeddings of x (B, D) from the key encoder, which sees the images in random order."""
        order = torch.randperm(len(x), device=x.device)
        return normalize(self.key_projector(self.key_model.features(x[order]).pooled), dim=1)[order.argsort()]

    def terms(self, batch, progress):
        pairs = [(0, 1), (1, 0)] if self.symmetric else [(0, 1)]
        keys = [self.keys(batch.x[key]) for _, key in pairs]
        terms = [info_nce(self.embed(batch.x[q]), k, self.queue, self.T) for (q, _), k in zip(pairs, keys, strict=True)]
        self.new_keys = torch.cat(keys)
        return {"info_nce": sum(terms)}

    @torch.no_grad()
    def after_step(self, progress):
        size = self.queue.shape[1]
        places = (self.pointer + torch.arange(len(self.new_keys), device=self.queue.device)) % size
        self.queue.index_copy_(1, places, self.new_keys.T.to(self.queue.dtype))
        self.pointer.add_(len(self.new_keys)).remainder_(size)
        momentum = cosine_between(progress, *self.momentum)
        for key, query in ((self.key_model, self.model), (self.key_projector, self.projector)):
            follow(key, query, momentum)

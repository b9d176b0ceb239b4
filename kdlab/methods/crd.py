"""CRD: contrast each sample's embedding with the other network's memory of samples of other classes."""

from typing import Annotated

import torch
from torch import nn
from torch.nn.functional import normalize

from .. import losses
from . import recipes
from .base import Distill, Positive, Share
from .negatives import OtherClasses
from .past import last_of_each


class CRD(Distill):
    """Noise-contrastive loss in both directions, against memories of the student's and the teacher's embeddings.

    A positive is the sample's own row of the other network's memory; `negatives` rows come from labelled images of
    other classes, without repetition as long as there are enough. Both embeddings (linear, unit length) are trained.
    After each step the rows of the batch move by 1 - `momentum` towards the new embeddings; those of mixed images
    do not. The paper has 16,384 negatives. `half` keeps the memories in half precision: 26 MB at 50,000 images.
    """

    paper = "Tian et al., ICLR 2020"
    transfers = "contrasts of samples"
    weights = {"ce": 1.0, "crd": 0.8, "kd": 0.0}
    presets = {"paper": {**recipes.CRD_PAIR, "hp": {"negatives": 16_384}}}

    def build(
        self, *, dim: Annotated[int, Positive] = 128, negatives: Annotated[int, Positive] = 4096,
        T: Annotated[float, Positive] = 0.07, momentum: Annotated[float, Share] = 0.5, half: bool = False,
    ):  # fmt: skip
        self.T, self.momentum, self.negatives, self.pending = T, momentum, negatives, None
        self.embed_s, self.embed_t = (nn.Linear(net.feature_width, dim) for net in (self.model, self.teacher))
        edge = (dim / 3) ** -0.5
        memories = torch.empty(2, self.samples, dim).uniform_(-edge, edge)
        self.register_buffer("memory", memories.half() if half else memories)  # of student and teacher
        self.register_buffer("constant", torch.zeros(2))  # set by the first batch
        self.others = OtherClasses(self.labels)

    def compare(self, student, teacher, batch):
        ours, theirs = (normalize(e, dim=1) for e in (self.embed_s(student.pooled), self.embed_t(teacher.pooled)))
        rows = torch.cat([batch.index[:, None], self.others.draw(batch.y, self.negatives)], 1)
        scores = [
            losses.crd_scores(v, m, rows, self.T) for v, m in zip((ours, theirs), self.memory.flip(0), strict=True)
        ]
        fresh = torch.stack([losses.crd_constant(s, self.samples) for s in scores])
        constants = torch.where(self.constant > 0, self.constant, fresh)
        self.pending = batch, torch.stack([ours.detach(), theirs.detach()]), constants
        return {"crd": sum(losses.crd(s / Z, self.samples) for s, Z in zip(scores, constants, strict=True))}

    @torch.no_grad()
    def after_step(self, progress):
        batch, new, constants = self.pending
        self.constant.copy_(constants)
        if batch.kept is None or batch.kept == 1:
            last = last_of_each(batch.index)
            rows = batch.index[last]
            moved = normalize(self.momentum * self.memory[:, rows].float() + (1 - self.momentum) * new[:, last], dim=2)
            self.memory[:, rows] = moved.to(self.memory.dtype)

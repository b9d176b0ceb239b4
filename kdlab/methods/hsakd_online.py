"""HSAKD online: two networks of one kind teach each other from scratch."""

from typing import Annotated

from ..augment import ops
from ..losses import kd
from ..models import branches, fresh_copy
from . import recipes
from .base import Positive
from .hsakd_teacher import HSAKDTeacher
from .layered import ROTATIONS, through


class HSAKDOnline(HSAKDTeacher):
    """Both networks learn labels and joint labels, and every classifier of one from its counterpart, both ways.

    KL carries T^2 and no gradient to the side that teaches. The partner starts from other weights; the first network
    is the one that is evaluated and kept.
    """

    paper = "Yang et al., TNNLS 2022 (HSSAKD, online)"
    transfers = "joint labels, two networks"
    weights = {"ce": 1.0, "joint": 1.0, "kd": 1.0, "branches": 1.0}
    presets = {"paper": {**recipes.HSAKD, "model": "wrn_16_2"}}

    def build(self, *, T: Annotated[float, Positive] = 3.0):
        super().build()
        self.T, self.partner = T, fresh_copy(self.model)
        self.partner_branches = branches(self.partner, ROTATIONS * self.partner.num_classes)

    def terms(self, batch, progress):
        mine, my_outs = self.look(batch.x[0])
        theirs = self.partner.features(ops.rotations(batch.x[0]))
        their_outs = through(self.partner_branches, theirs)
        hard, other = self.hard_terms(batch, mine, my_outs), self.hard_terms(batch, theirs, their_outs)
        pairs = [(a.logits, b.logits) for a, b in zip(my_outs, their_outs, strict=True)]
        return {name: hard[name] + other[name] for name in hard} | {
            "kd": self.mutual(mine.logits, theirs.logits),
            "branches": sum(self.mutual(a, b) for a, b in pairs),
        }

    def mutual(self, a, b):
        """KL both ways, each without gradient to its teacher."""
        return kd(a, b, self.T) + kd(b, a, self.T)

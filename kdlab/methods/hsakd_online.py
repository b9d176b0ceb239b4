"""HSAKD online: two networks of one kind teach each other from scratch."""

from torch import Tensor

from ..core.arithmetic import total
from ..core.hyper import Positive
from ..data import Batch
from ..data.augment import ops
from ..losses import kd
from ..models import branches, fresh_copy
from .common.layered import ROTATIONS, through
from .hsakd_teacher import HSAKDTeacher


class HSAKDOnline(HSAKDTeacher):
    """Two networks learn the labels at the same time, and every classifier of one from its counterpart, both ways.

        loss = ce + joint + kd + branches,    kd = m(z_1, z_2),    branches = sum over branches of m(a_1, a_2)
        m(a, b) = T^2 KL(softmax(b / T) || softmax(a / T)) + T^2 KL(softmax(a / T) || softmax(b / T))

    `ce` and `joint` are those of `hsakd_teacher`, added for both networks; z (4B, K) are the classifiers' logits, a
    (4B, 4 K) the branches'. The side that teaches gets no gradient. The partner starts from other weights; the first
    network is the one that is evaluated and kept. T = 3 and all weights 1 are the authors'.
    """

    paper = "Yang et al., TNNLS 2022 (HSSAKD, online)"
    learns_from = "joint labels, two networks"
    weights = {"ce": 1.0, "joint": 1.0, "kd": 1.0, "branches": 1.0}

    def build(self, *, T: Positive = 3.0) -> None:
        super().build()
        self.T = T
        self.partner = fresh_copy(self.model)
        self.partner_branches = branches(self.partner, ROTATIONS * self.partner.num_classes)

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        mine, my_outs = self.see_rotations(batch.x[0])
        theirs = self.partner.features(ops.rotations(batch.x[0]))
        their_outs = through(self.partner_branches, theirs)
        my_terms, their_terms = self.hard_terms(batch, mine, my_outs), self.hard_terms(batch, theirs, their_outs)
        return {
            "ce": my_terms["ce"] + their_terms["ce"],
            "joint": my_terms["joint"] + their_terms["joint"],
            "kd": self.mutual(mine.logits, theirs.logits),
            "branches": total(self.mutual(a.logits, b.logits) for a, b in zip(my_outs, their_outs, strict=True)),
        }

    def mutual(self, a: Tensor, b: Tensor) -> Tensor:
        """KL both ways, each without gradient to its teacher."""
        return kd(a, b, self.T) + kd(b, a, self.T)

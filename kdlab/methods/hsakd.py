"""HSAKD: every branch of the student learns from the teacher's branch at the same stage."""

from typing import Annotated

import torch

from ..augment import ops
from ..errors import Error
from ..losses import kd
from . import recipes
from .base import Distill, Positive
from .hsakd_teacher import HSAKDTeacher
from .layered import ROTATIONS, Layered, through


class HSAKD(Distill, Layered):
    """CE on upright images + KL of the joint distributions, branch by branch, + KL of the class distributions.

    Teacher: a run of `hsakd_teacher` (trained jointly) or `hsakd_branches` (frozen network). The KL terms cover all four
    rotations and carry T^2; the student's branches see no hard label. All weights are 1.
    """

    paper = "Yang et al., IJCAI 2021"
    transfers = "joint distributions, by branch"
    needs_parts = ("branches",)
    weights = {"ce": 1.0, "branches": 1.0, "kd": 1.0}
    presets = {"paper": {**recipes.HSAKD, "model": "wrn_16_2", "teacher": HSAKDTeacher.presets["paper"]}}

    def build(self, *, T: Annotated[float, Positive] = 3.0):
        super().build()
        self.T = T
        if len(self.branches) != len(self.teacher_parts["branches"]):
            raise Error(
                f"hsakd pairs branches one to one: the student has {len(self.branches)} stages, "
                f"the teacher {len(self.teacher_parts['branches'])}"
            )

    @torch.no_grad()
    def teach(self, x):
        seen = self.teacher.features(x)
        return seen, through(self.teacher_parts["branches"], seen)

    def terms(self, batch, progress):
        x = batch.x[0]
        (student, ours), (teacher, theirs) = self.look(x), self.teach(ops.rotations(x))
        return {
            "ce": self.ce(student.logits[::ROTATIONS], batch),
            "branches": sum(kd(s.logits, t.logits, self.T) for s, t in zip(ours, theirs, strict=True)),
            "kd": kd(student.logits, teacher.logits, self.T),
        }

"""HSAKD: every branch of the student learns from the teacher's branch at the same stage."""

from torch import Tensor

from ..core.arithmetic import total
from ..core.errors import Error
from ..core.hyper import Positive
from ..data import Batch
from ..data.augment import ops
from ..losses import kd
from .base import Distill
from .common.layered import ROTATIONS, Layered, through


class HSAKD(Distill, Layered):
    """At every stage the student imitates what the teacher says there about class and rotation at once.

        loss = ce + branches + kd

    `branches` is the sum over branches of T^2 KL(softmax(a_t / T) || softmax(a_s / T)) with joint logits a (4B, 4 K),
    `kd` the same of the classifiers' logits (4B, K): means over all four rotations of an image, where `ce` covers the
    upright images only. The student's branches see no hard label. T = 3 and all weights 1 are the authors'.

    The teacher is a run of `hsakd_branches` (frozen network; preset "paper") or `hsakd_teacher` (trained jointly;
    preset "joint", the rows HSAKD* of the tables).
    """

    paper = "Yang et al., IJCAI 2021"
    learns_from = "joint distributions, by branch"
    weights = {"ce": 1.0, "branches": 1.0, "kd": 1.0}
    needs_parts = ("branches",)

    def build(self, *, T: Positive = 3.0) -> None:
        super().build()
        self.T = T
        theirs = list(self.teacher_parts["branches"].children())
        if len(self.branches) != len(theirs):
            raise Error(
                f"hsakd pairs branches one to one: the student has {len(self.branches)} stages, "
                f"the teacher {len(theirs)}"
            )

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        student, ours = self.see_rotations(batch.x[0])
        teacher = self.ask_teacher(ops.rotations(batch.x[0]))
        theirs = through(self.teacher_parts["branches"], teacher)
        return {
            "ce": self.ce(student.logits[::ROTATIONS], batch),
            "branches": total(kd(s.logits, t.logits, self.T) for s, t in zip(ours, theirs, strict=True)),
            "kd": kd(student.logits, teacher.logits, self.T),
        }

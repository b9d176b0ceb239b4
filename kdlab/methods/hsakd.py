"""HSAKD: branches classify class and rotation jointly, and teach branches.

A teacher with branches, its student, and two networks online.
"""

from torch import Tensor

from ..core.arithmetic import total
from ..core.errors import Error
from ..core.hyper import Positive
from ..data import Batch
from ..data.augment import ops
from ..losses import kd
from ..models import branches, fresh_copy
from .base import Distill
from .common.layered import ROTATIONS, Layered, through


class HSAKDTeacher(Layered):
    """Network and branches learn together from scratch.

    The network learns classes, each branch classes and rotations.

        loss = ce + joint,    joint = sum over branches of the cross-entropy with joint labels

    `ce` is the mean over the B upright images, `joint` over all 4B rotated ones, with 4 K labels (class and rotation)
    instead of K.
    """

    paper = "Yang et al., IJCAI 2021 (joint teacher)"
    learns_from = "joint labels"
    weights = {"ce": 1.0, "joint": 1.0}

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        return self.hard_terms(batch, *self.see_rotations(batch.x[0]))


class HSAKDBranches(HSAKDTeacher):
    """Branches are added to a network that is already trained.

    Its loss is the cross-entropy with joint labels (`joint`) alone.

    The network of `init` stays as it is, batch statistics included. The 100 epochs of preset "paper" are the authors'.
    """

    paper = "Yang et al., IJCAI 2021 (frozen teacher)"
    weights = {"joint": 1.0}
    needs_init = True
    frozen = ("model",)

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        return {"joint": super().terms(batch, progress)["joint"]}


class HSAKD(Distill, Layered):
    """At every stage the student imitates the teacher's joint distribution.

    It covers class and rotation at once.

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
        teacher_branches = list(self.teacher_parts["branches"].children())
        if len(self.branches) != len(teacher_branches):
            raise Error(
                f"hsakd pairs branches one to one: the student has {len(self.branches)} stages, "
                f"the teacher {len(teacher_branches)}"
            )

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        student, student_outs = self.see_rotations(batch.x[0])
        teacher = self.ask_teacher(ops.rotations(batch.x[0]))
        teacher_outs = through(self.teacher_parts["branches"], teacher)
        return {
            "ce": self.ce(student.logits[::ROTATIONS], batch),
            "branches": total(kd(s.logits, t.logits, self.T) for s, t in zip(student_outs, teacher_outs, strict=True)),
            "kd": kd(student.logits, teacher.logits, self.T),
        }


class HSAKDOnline(HSAKDTeacher):
    """Two networks learn the labels at the same time, and from each other.

    Every classifier of one learns from its counterpart, both ways.

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
        first, first_outs = self.see_rotations(batch.x[0])
        second = self.partner.features(ops.rotations(batch.x[0]))
        second_outs = through(self.partner_branches, second)
        first_terms, second_terms = (
            self.hard_terms(batch, first, first_outs),
            self.hard_terms(batch, second, second_outs),
        )
        return {
            "ce": first_terms["ce"] + second_terms["ce"],
            "joint": first_terms["joint"] + second_terms["joint"],
            "kd": self.mutual(first.logits, second.logits),
            "branches": total(self.mutual(a.logits, b.logits) for a, b in zip(first_outs, second_outs, strict=True)),
        }

    def mutual(self, a: Tensor, b: Tensor) -> Tensor:
        """KL both ways, each without gradient to its teacher."""
        return kd(a, b, self.T) + kd(b, a, self.T)

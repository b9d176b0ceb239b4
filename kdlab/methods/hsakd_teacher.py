"""HSAKD's teacher phase: branches that recognise class and rotation, with the network or on top of a frozen one."""

from torch import Tensor

from ..data import Batch
from .common.layered import Layered


class HSAKDTeacher(Layered):
    """Network and branches learn together from scratch: the network learns classes, each branch classes and rotations.

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
    """Branches are added to a network that is already trained: the cross-entropy with joint labels (`joint`) alone.

    The network of `init` stays as it is, batch statistics included. The 100 epochs of preset "paper" are the authors'.
    """

    paper = "Yang et al., IJCAI 2021 (frozen teacher)"
    weights = {"joint": 1.0}
    needs_init = True
    frozen = ("model",)

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        return {"joint": super().terms(batch, progress)["joint"]}

"""Small modules that methods train beside a network, and checks that shapes fit.

The modules serve training only.
"""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor, nn

from ... import losses
from ...core.errors import Error
from ...models import Network

Shape = tuple[int, int, int]  # channels, height, width


HeadNorm = Literal["none", "hidden", "all"]


def mlp(inp: int, hidden: int, out: int, norm: HeadNorm = "hidden") -> nn.Sequential:
    """Build a perceptron with one hidden layer: linear, batch norm, ReLU, linear.

    `norm`: batch norm behind "none" of the linear layers, the "hidden" one, or "all", the last too (He et al. 2020 have
    none, Grill et al. 2020 the hidden one, lightly's SimCLR all). A linear layer before batch norm has no bias.
    """
    between = [nn.BatchNorm1d(hidden)] if norm != "none" else []
    behind = [nn.BatchNorm1d(out)] if norm == "all" else []
    first, last = nn.Linear(inp, hidden, bias=not between), nn.Linear(hidden, out, bias=not behind)
    return nn.Sequential(first, *between, nn.ReLU(), last, *behind)


def stage_adapters(student: Network, teacher: Network, stages: Sequence[int], plain: bool = False) -> nn.ModuleList:
    """Build an adapter for each of `stages`, from student width to teacher width.

    An adapter is a 1 x 1 convolution without bias and batch norm.

    `plain` gives identities, for losses that compare maps of any number of channels ("at"). Networks without these
    stages raise an `Error`.
    """
    counts = len(student.widths), len(teacher.widths)
    if min(counts) <= max(stages, default=-1):
        names = ", ".join(str(s + 1) for s in stages)
        raise Error(
            f"stages {names} are to be aligned: student and teacher have only {counts[0]} and {counts[1]} stages"
        )
    pairs = [(student.widths[s], teacher.widths[s]) for s in stages]
    return nn.ModuleList(
        nn.Identity() if plain else nn.Sequential(nn.Conv2d(s, t, 1, bias=False), nn.BatchNorm2d(t)) for s, t in pairs
    )


def attention(student: Tensor, teacher: Tensor) -> Tensor:
    """Attention transfer of one stage."""
    return losses.at([student], [teacher])


# Distances of two maps (B, C, H, W), the student's behind its adapter
FEATURE_LOSSES = {"cosine": losses.feature_cosine, "mse": losses.feature_mse, "at": attention}


def regressor(student: Shape, teacher: Shape, relu: bool = True) -> nn.Sequential:
    """Build a regressor that brings a student's map to a teacher's shape.

    It is a convolution with bias, batch norm, and ReLU unless `relu=False`.

    FitNet's regressor as in RepDistiller. It halves a map of twice the size (3 x 3, stride 2), doubles one of half the
    size (transposed 4 x 4, stride 2) and otherwise shrinks without padding. A smaller map of any other size keeps its
    own size, and the loss pools the teacher's.
    """
    (inp, size, _), (out, goal, _) = student, teacher
    if size == 2 * goal:
        conv = nn.Conv2d(inp, out, 3, stride=2, padding=1)
    elif 2 * size == goal:
        conv = nn.ConvTranspose2d(inp, out, 4, stride=2, padding=1)
    else:
        conv = nn.Conv2d(inp, out, 1 + max(0, size - goal))
    return nn.Sequential(conv, nn.BatchNorm2d(out), *([nn.ReLU()] if relu else []))


def square(name: str, shape: Shape) -> None:
    """Refuse images that do not keep their shape when they are turned by 90 degrees."""
    if shape[1] != shape[2]:
        raise Error(f"{name} turns its images, which must be square: these are {shape[1]} x {shape[2]}, give a size")


def equal_stages(name: str, student: Network, teacher: Network) -> None:
    """Refuse two networks with different numbers of stages."""
    counts = len(student.widths), len(teacher.widths)
    if counts[0] != counts[1]:
        raise Error(
            f"{name} pairs stages one to one: the student has {counts[0]}, the teacher {counts[1]}, "
            "choose networks with equally many"
        )


def equal_channels(name: str, student: Network, teacher: Network) -> None:
    """Refuse two networks whose stem and stages differ in channels."""
    channels = [(net.stem_width, *net.widths) for net in (student, teacher)]
    if channels[0] != channels[1]:
        raise Error(
            f"{name} needs equal channels in stem and stages: the student has {', '.join(map(str, channels[0]))}, "
            f"the teacher {', '.join(map(str, channels[1]))}"
        )

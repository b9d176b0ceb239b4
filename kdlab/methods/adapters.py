"""Modules that bring a student's maps to a teacher's channels; they are used in training only."""

from collections.abc import Sequence

from torch import nn

from ..errors import Error
from ..models import Network


def stage_adapters(student: Network, teacher: Network, stages: Sequence[int], plain: bool = False) -> nn.ModuleList:
    """A 1 x 1 convolution without bias and batch norm for each of `stages`, from the student's to the teacher's width.

    `plain` gives identities, for losses that compare maps of any number of channels. Networks without these stages
    raise an `Error`.
    """
    counts = len(student.widths), len(teacher.widths)
    if min(counts) <= max(stages):
        names = ", ".join(str(s + 1) for s in stages)
        raise Error(
            f"stages {names} are to be aligned: student and teacher have only {counts[0]} and {counts[1]} stages"
        )
    pairs = [(student.widths[s], teacher.widths[s]) for s in stages]
    return nn.ModuleList(
        nn.Identity() if plain else nn.Sequential(nn.Conv2d(s, t, 1, bias=False), nn.BatchNorm2d(t)) for s, t in pairs
    )

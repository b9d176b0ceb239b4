"""Draw a digit by mouse, touch or keyboard: two networks read it meanwhile."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anywidget
import matplotlib.pyplot as plt
import torch
import traitlets
from torch import Tensor

from ..core.errors import Error
from ..data import Normalise
from ..data.images import resize
from ..engine.result import Result
from ..plots.explorers import plot_readings
from .frame import Explorer, explore, in_gallery

PREDICT = "Draw a 7, then a bar through its middle. Who changes its mind first, the teacher or the student?"
SIDE = 8  # the built-in digits have so many pixels a side, each a mean over ink


class Field(anywidget.AnyWidget):
    """A square to draw in; `value` has its pixels, 0 (white) to 255, row by row."""

    _esm = Path(__file__).with_name("field.js")
    side = traitlets.Int(SIDE).tag(sync=True)
    value = traitlets.List(traitlets.Int()).tag(sync=True)


@dataclass(frozen=True)
class Ink:
    """What is drawn: the value of a `Field`."""

    start: Sequence[int]
    label: str = ""

    def widget(self, label: str) -> Any:
        """Return the field."""
        return Field(value=list(self.start))

    def check(self, name: str, value: Any) -> None:
        """Refuse what is no picture."""
        if not isinstance(value, list | tuple) or len(value) != SIDE**2 or not all(0 <= v <= 255 for v in value):
            raise Error(f"{name}: give {SIDE**2} numbers from 0 to 255")


@in_gallery("draw a digit", "00_tour", "teacher", "student")
def draw_digit(teacher: Result, student: Result, ink: Sequence[int] | None = None) -> Explorer:
    """Show what two networks of the digits read in a drawing, first in a test image."""
    results = {"teacher": teacher, "student": student}
    for role, result in results.items():
        if result.config.dataset != "digits":
            raise Error(
                f"the {role} was trained on {result.config.dataset}: drawings are read by networks of the digits"
            )
    nets = {role: result.network() for role, result in results.items()}
    inputs = {role: (results[role].images, Normalise(net.mean, net.std)) for role, net in nets.items()}
    start = resize(teacher.images.test_x[:1], (SIDE, SIDE)).flatten().tolist()

    @torch.no_grad()
    def draw(ink: list[int]) -> plt.Figure:
        image = torch.tensor(ink, dtype=torch.uint8).view(1, 1, SIDE, SIDE)
        logits: dict[str, Tensor] = {}
        for role, (images, normalise) in inputs.items():
            resized = resize(image, images.test_x.shape[-2:])
            logits[role] = nets[role](normalise(resized))[0]
        return plot_readings(image[0], logits, teacher.images.classes)

    call = "kdlab.widgets.draw_digit(teacher, student, {})"
    return explore(draw, call, PREDICT, ink=Ink(start if ink is None else ink))

"""The frame of every explorer: controls, a picture that is redrawn, its state as code, a still where nothing moves."""

import base64
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ipywidgets
import matplotlib.pyplot as plt

from ..errors import Error, known

DPI = 80
Draw = Callable[..., plt.Figure]


@dataclass(frozen=True)
class Slider:
    """A number between two ends: whole if all are, in equal ratios where it is `log`."""

    start: float
    low: float
    high: float
    step: float | None = None
    log: bool = False
    label: str = ""

    def widget(self, name: str) -> Any:
        """The ipywidgets control; its description is what a screen reader says."""
        common = {"description": self.label or name, "style": {"description_width": "initial"}}
        if self.log:
            low, high = math.log10(self.low), math.log10(self.high)
            return ipywidgets.FloatLogSlider(self.start, min=low, max=high, step=(high - low) / 40, **common)
        whole = all(isinstance(v, int) for v in (self.start, self.low, self.high, self.step or 1))
        kind = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
        step = self.step or (1 if whole else (self.high - self.low) / 40)
        return kind(self.start, min=self.low, max=self.high, step=step, **common)

    def check(self, name: str, value: Any) -> None:
        """Refuse a value that the slider cannot have."""
        if not isinstance(value, int | float) or not self.low <= value <= self.high:
            raise Error(f"{name}={value!r}: give a number from {self.low:g} to {self.high:g}")


@dataclass(frozen=True)
class Choice:
    """One of several values, shown by name; of True and False, a box to tick."""

    start: Any
    options: Mapping[str, Any] | Sequence[Any] = (False, True)
    label: str = ""

    @property
    def named(self) -> dict[str, Any]:
        """The values by what is shown of them."""
        return dict(self.options) if isinstance(self.options, Mapping) else {str(o): o for o in self.options}

    def widget(self, name: str) -> Any:
        """The ipywidgets control."""
        common = {"description": self.label or name, "style": {"description_width": "initial"}}
        if all(isinstance(value, bool) for value in self.named.values()):
            return ipywidgets.Checkbox(self.start, indent=False, **common)
        return ipywidgets.Dropdown(options=list(self.named.items()), value=self.start, **common)

    def check(self, name: str, value: Any) -> None:
        """Refuse a value that is not offered."""
        if value not in self.named.values():
            raise Error(f"{name}={value!r}: choose from {', '.join(map(repr, self.named.values()))}")


class Explorer(ipywidgets.VBox):
    """A picture that `draw(**values)` makes, with a control for each value.

    `values` is what the controls say, `set(T=2.0)` moves them, `code` is the line that brings this state back, `png`
    the picture, which stands in the widget's place where a notebook is only read: in print, on GitHub, under papermill.
    """

    def __init__(self, draw: Draw, controls: Mapping[str, Slider | Choice], call: str, predict: str) -> None:
        self.draw, self.call, self.kinds = draw, call, controls
        self.controls = {name: control.widget(name) for name, control in controls.items()}
        self.image, self.told = ipywidgets.Image(format="png"), ipywidgets.HTML()
        self.line = ipywidgets.Text(description="state", layout={"width": "98%"})
        for control in self.controls.values():
            control.observe(self.redraw, "value")
        predicted = [ipywidgets.HTML(f"<b>Try this.</b> {predict}")] if predict else []
        moved = ipywidgets.Box(list(self.controls.values()), layout={"flex_flow": "row wrap"})
        super().__init__([*predicted, moved, self.image, self.told, self.line])
        self.redraw()

    @property
    def values(self) -> dict[str, Any]:
        """What the controls say."""
        return {name: control.value for name, control in self.controls.items()}

    @property
    def code(self) -> str:
        """The line of code that makes an explorer in this state."""
        plain = {n: float(f"{v:.4g}") if isinstance(v, float) else v for n, v in self.values.items()}
        return self.call.format(", ".join(f"{name}={value!r}" for name, value in plain.items()))

    @property
    def png(self) -> bytes:
        """The picture."""
        return bytes(self.image.value)

    def set(self, **values: Any) -> "Explorer":
        """Move controls; where one of the values is out of range nothing moves."""
        for name, value in values.items():
            self.kinds[known("control", name, self.kinds)].check(name, value)
        for name, value in values.items():
            self.controls[name].value = value
        return self

    def redraw(self, change: Any = None) -> None:
        """Draw for the controls as they are; what cannot be drawn is said below the last picture."""
        self.line.value = self.code
        try:
            figure = self.draw(**self.values)
        except Error as error:
            self.told.value = f"<i>{error}</i>"
            return
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
        plt.close(figure)
        self.image.value, self.told.value = buffer.getvalue(), ""

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """The widget where there is a kernel, else the picture."""
        still = {"text/plain": self.code, "image/png": base64.b64encode(self.png).decode()}
        return {**(super()._repr_mimebundle_(**options) or {}), **still}


def explore(draw: Draw, /, call: str = "explore(draw, {})", predict: str = "", **controls: Slider | Choice) -> Explorer:
    """An explorer of your own: a function that draws a figure from values, and a control for each value.

    `call` is the code that makes it, with {} for its state; `predict` asks for a prediction before anything is moved.
    """
    return Explorer(draw, controls, call, predict)

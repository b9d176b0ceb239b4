"""The frame of every explorer: controls, a picture that is redrawn, its state as code, a still where nothing moves."""

import base64
import io
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

import ipywidgets
import matplotlib.pyplot as plt
from matplotlib.text import Text

from ..core.errors import Error, known
from ..core.hyper import plain
from ..plots.texts import visible
from .controls import Control
from .keys import ROOT, Keys

DPI = 80
LETTER = 9  # pixels that a letter has at least
LINE, LINES = 40, 5  # characters of code in a line where a notebook has half a screen; more lines scroll
NOTE = "white-space: pre-wrap; word-break: normal"  # a long line breaks between words
Draw = Callable[..., plt.Figure | tuple[plt.Figure, str]]  # with a text, which stands below the picture


class Shown(ipywidgets.VBox):
    """A widget with a picture, `image`, which stands in its place where a notebook is only read."""

    image: ipywidgets.Image

    def __init__(self, children: Sequence[ipywidgets.Widget]) -> None:
        super().__init__([*children, Keys()])
        self.add_class(ROOT)

    @property
    def code(self) -> str:
        """The line of code that makes it, in the state that it is in."""
        raise NotImplementedError

    @property
    def png(self) -> bytes:
        """The picture."""
        return bytes(self.image.value)

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """The widget where there is a kernel, else the picture: in print, on GitHub, under papermill.

        With KDLAB_WIDGETS=0 it is the picture alone, where a notebook runs that nobody touches.
        """
        still = {"text/plain": self.code, "image/png": base64.b64encode(self.png).decode()}
        moving = {} if os.environ.get("KDLAB_WIDGETS") == "0" else super()._repr_mimebundle_(**options) or {}
        return {**moving, **still}


class Explorer(Shown):
    """A picture that `draw(**values)` makes, with a control for each value.

    `state` is what the controls say, `set(T=2.0)` moves them, `code` is the line that brings this state back, and
    `png` the picture.
    """

    def __init__(self, draw: Draw, controls: Mapping[str, Control], call: str, predict: str) -> None:
        for name, control in controls.items():
            control.check(name, control.start)
        self.draw, self.call, self.kinds = draw, call, controls
        self.controls = {name: control.widget(name) for name, control in controls.items()}
        self.image, self.told = picture_of(), ipywidgets.HTML()
        self.line = ipywidgets.Textarea(description="state", layout={"width": "98%"})
        for control in self.controls.values():
            control.observe(self.redraw, "value")
        predicted = [ipywidgets.HTML(f"<b>Try this.</b> {predict}")] if predict else []
        moved = ipywidgets.Box(list(self.controls.values()))
        moved.add_class("kdlab-controls")
        super().__init__([*predicted, moved, self.image, self.told, self.line])
        self.redraw()

    @property
    def state(self) -> dict[str, Any]:
        """What the controls say."""
        return {name: self.kinds[name].read(control.value) for name, control in self.controls.items()}

    @property
    def code(self) -> str:
        """The line of code that makes an explorer in this state."""
        plain = {n: float(f"{v:.4g}") if isinstance(v, float) else v for n, v in self.state.items()}
        return self.call.format(", ".join(f"{name}={value!r}" for name, value in plain.items()))

    def stands_on(self, subject: str) -> None:
        """Write `subject` for the variables, such as `result`, that `code` gives to the function that makes it."""
        function, _, rest = self.call.partition("(")
        self.call = f"{function}({subject.replace('{', '{{').replace('}', '}}')}{rest[rest.index(', {}') :]}"
        self._say()

    def set(self, **values: Any) -> "Explorer":
        """Move controls; where one of the values is out of range nothing moves."""
        values = plain(values)
        for name, value in values.items():
            self.kinds[known("control", name, self.kinds)].check(name, value)
        for name, value in values.items():
            self.controls[name].value = value
        return self

    def _say(self) -> None:
        self.line.value, self.line.rows = self.code, min(LINES, 1 + len(self.code) // LINE)

    def redraw(self, change: Any = None) -> None:
        """Draw for the controls as they are; what cannot be drawn is said below the last picture."""
        self._say()
        try:
            drawn = self.draw(**self.state)
        except Error as error:
            self.told.value = f"<i>{escape(visible(str(error)))}</i>"
            return
        figure, note = drawn if isinstance(drawn, tuple) else (drawn, "")
        show(figure, self.image)
        self.told.value = f"<pre style='{NOTE}'>{escape(visible(note, lines=True))}</pre>" if note else ""


def picture_of() -> ipywidgets.Image:
    """Where a picture goes, in its own size and no wider than the page."""
    return ipywidgets.Image(format="png", layout={"max_width": "100%", "align_self": "flex-start"})


def show(figure: plt.Figure, image: ipywidgets.Image) -> None:
    """Put a figure into its place, which is never so narrow that letters could not be read; it is closed."""
    image.value = png_of(figure)
    sizes = [float(text.get_fontsize()) for text in _texts(figure) if text.get_visible() and text.get_text()]
    smallest = min(sizes, default=11.0) * DPI / 72  # pixels
    image.layout.min_width = f"{figure.get_figwidth() * DPI * min(1.0, LETTER / smallest):.0f}px"


def _texts(figure: plt.Figure) -> Iterator[Text]:
    """The texts of a figure; of axes that are switched off not those of ticks, which would be made for that."""
    yield from figure.texts
    for axes in figure.axes:
        yield from (axes.title, *axes.texts)
        if (legend := axes.get_legend()) is not None:
            yield from legend.get_texts()
        if axes.axison:
            yield from (axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels(), *axes.get_yticklabels())


def png_of(figure: plt.Figure) -> bytes:
    """A figure as a picture; it is closed."""
    buffer = io.BytesIO()
    fast = {"compress_level": 1}  # a tenth larger
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None}, pil_kwargs=fast)
    plt.close(figure)
    return buffer.getvalue()


def explore(draw: Draw, /, call: str = "explore(draw, {})", predict: str = "", **controls: Control) -> Explorer:
    """An explorer of your own: a function that draws a figure from values, and a control for each value.

    `call` is the code that makes it, with {} for its state; `predict` asks for a prediction before anything is moved.
    """
    return Explorer(draw, controls, call, predict)

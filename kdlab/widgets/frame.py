"""The frame of every explorer: controls, a picture, its state as code, a still."""

import base64
import io
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import anywidget
import ipywidgets
import matplotlib.pyplot as plt

from ..core.errors import Error, known
from ..core.hyper import plain
from ..core.places import explorers_move
from ..plots.style import NAME, cut, visible

ROOT = "kdlab-explorer"  # the class of what keys are kept within, and styles
DPI = 80
LETTER = 9  # pixels that a letter has at least
LINE, LINES = 40, 5  # characters of code in a line where a notebook has half a screen; more lines scroll
NOTE = "white-space: pre-wrap; word-break: normal"  # a long line breaks between words
# A picture has its own size, and is no wider than the page
PICTURE: dict[str, Any] = {"format": "png", "layout": {"max_width": "100%", "align_self": "flex-start"}}
Draw = Callable[..., plt.Figure | tuple[plt.Figure, str]]  # with a text, which stands below the picture


@dataclass(frozen=True)
class Slider:
    """A number between two ends: whole if all are, in equal ratios where it is `log`."""

    start: float
    low: float
    high: float
    step: float | None = None
    log: bool = False
    label: str = ""

    def __post_init__(self) -> None:
        for name in ("start", "low", "high", "step"):
            object.__setattr__(self, name, plain(getattr(self, name)))

    @property
    def whole(self) -> bool:
        """Whether all its numbers are whole."""
        return all(isinstance(v, int) for v in (self.start, self.low, self.high, self.step or 1))

    def widget(self, label: str) -> Any:
        """Return the slider of ipywidgets."""
        common = _common(label)
        if self.log:
            low, start, high = (math.log10(v) for v in (self.low, self.start, self.high))
            step = (high - low) / 40
            below, above = (math.floor(abs(end - start) / step) * step for end in (low, high))
            # a browser moves it on the grid of its steps: the start has to lie on it
            common |= {"readout_format": ".0f"} if self.whole else {}
            return ipywidgets.FloatLogSlider(self.start, min=start - below, max=start + above, step=step, **common)
        step = self.step or (1 if self.whole else (self.high - self.low) / 40)
        digits = min(3, len(f"{step:g}".partition(".")[2]))  # as many as a step moves
        common |= {"min": self.low, "max": self.high, "step": step, "readout_format": f".{digits}f"}
        return (ipywidgets.IntSlider if self.whole else ipywidgets.FloatSlider)(self.start, **common)

    def check(self, name: str, value: Any) -> None:
        """Refuse a value that the slider cannot have."""
        if not isinstance(value, int | float) or not self.low <= value <= self.high:
            raise Error(f"{name}={value!r}: give a number from {self.low:g} to {self.high:g}")


@dataclass(frozen=True)
class Words:
    """A line of text."""

    start: str = ""
    label: str = ""
    hint: str = ""

    def widget(self, label: str) -> Any:
        """Return the text field of ipywidgets, which reports a line when it is finished."""
        return ipywidgets.Text(self.start, placeholder=self.hint, continuous_update=False, **_common(label))

    def check(self, name: str, value: Any) -> None:
        """Refuse what is no text."""
        if not isinstance(value, str):
            raise Error(f"{name}={value!r}: give text")


@dataclass(frozen=True)
class Choice:
    """One of several values, shown by name; of True and False, a box to tick."""

    start: Any
    options: Mapping[str, Any] | Sequence[Any] = (False, True)
    label: str = ""

    @property
    def named(self) -> dict[str, Any]:
        """The values by the names that are shown."""
        return dict(self.options) if isinstance(self.options, Mapping) else {str(o): o for o in self.options}

    def widget(self, label: str) -> Any:
        """Return the box or the list of ipywidgets."""
        if all(isinstance(value, bool) for value in self.named.values()):
            return ipywidgets.Checkbox(self.start, indent=False, **_common(label))
        options = [(cut(visible(name), NAME), value) for name, value in self.named.items()]
        return ipywidgets.Dropdown(options=options, value=self.start, **_common(label))

    def check(self, name: str, value: Any) -> None:
        """Refuse a value that is not offered."""
        if value not in self.named.values():
            raise Error(f"{name}={value!r}: choose from {', '.join(map(repr, self.named.values()))}")


def _common(label: str) -> dict[str, Any]:
    """Return the arguments of all controls: a label in full, and its layout."""
    shown = {"description": cut(visible(label), NAME), "style": {"description_width": "initial"}}
    return {**shown, "layout": {"width": "auto"}}


class Keys(anywidget.AnyWidget):
    """An invisible child that keeps keys from the notebook's shortcuts; it has styles."""

    _esm = Path(__file__).with_name("keys.js")
    _css = Path(__file__).with_name("explorer.css")


class Shown(ipywidgets.VBox):
    """A widget whose picture, `image`, replaces it where a notebook is only read."""

    image: ipywidgets.Image

    def __init__(self, children: Sequence[ipywidgets.Widget]) -> None:
        super().__init__([*children, Keys().add_class("kdlab-keys")])
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
        """Return the widget where there is a kernel, else the picture.

        With KDLAB_WIDGETS=0 it is the picture alone, where a notebook runs that nobody touches.
        """
        still = {"text/plain": self.code, "image/png": base64.b64encode(self.png).decode()}
        moving = super()._repr_mimebundle_(**options) if explorers_move() else None
        return {**(moving or {}), **still}


class Explorer(Shown):
    """A picture that `draw(**values)` makes, with a control for each value.

    `call` is the code that makes it, with {} for its state; `predict` asks for a prediction before anything is moved.
    `state` has the values of the controls, `set(T=2.0)` moves them, `code` is the line that brings this state back, and
    `png` the picture.
    """

    def __init__(self, draw: Draw, /, call: str = "explore(draw, {})", predict: str = "", **controls: Any) -> None:
        for name, kind in controls.items():
            kind.check(name, kind.start)
        self.draw, self.call, self.kinds = draw, call, controls
        self.controls = {name: kind.widget(kind.label or name) for name, kind in controls.items()}
        self.image, self.message = ipywidgets.Image(**PICTURE), ipywidgets.HTML()
        self.line = ipywidgets.Textarea(description="state", layout={"width": "98%"})
        for control in self.controls.values():
            control.observe(self.redraw, "value")
        question = [ipywidgets.HTML(f"<b>Try this.</b> {predict}")] if predict else []
        moved = ipywidgets.Box(list(self.controls.values()))
        moved.add_class("kdlab-controls")
        super().__init__([*question, moved, self.image, self.message, self.line])
        self.redraw()

    @property
    def state(self) -> dict[str, Any]:
        """The values of the controls."""
        values = {name: control.value for name, control in self.controls.items()}
        whole = {name for name, kind in self.kinds.items() if isinstance(kind, Slider) and kind.whole}
        return {name: round(value) if name in whole else value for name, value in values.items()}

    @property
    def code(self) -> str:
        """The line of code that makes an explorer in this state."""
        short = {n: float(f"{v:.4g}") if isinstance(v, float) else v for n, v in self.state.items()}
        return self.call.format(", ".join(f"{name}={value!r}" for name, value in short.items()))

    def stands_on(self, subject: str) -> None:
        """Write `subject` for the variables of `code`, such as `result`."""
        function, _, rest = self.call.partition("(")
        self.call = f"{function}({subject.replace('{', '{{').replace('}', '}}')}{rest[rest.index(', {}') :]}"
        self._write_code()

    def set(self, **values: Any) -> "Explorer":
        """Move controls; where one of the values is out of range nothing moves."""
        values = plain(values)
        for name, value in values.items():
            self.kinds[known("control", name, self.kinds)].check(name, value)
        for name, value in values.items():
            self.controls[name].value = value
        return self

    def _write_code(self) -> None:
        self.line.value, self.line.rows = self.code, min(LINES, 1 + len(self.code) // LINE)

    def redraw(self, change: Any = None) -> None:
        """Draw the state of the controls; an error is written below the last picture."""
        self._write_code()
        try:
            drawn = self.draw(**self.state)
        except Error as error:
            self.message.value = f"<i>{escape(visible(str(error)))}</i>"
            return
        figure, note = drawn if isinstance(drawn, tuple) else (drawn, "")
        show(figure, self.image)
        self.message.value = f"<pre style='{NOTE}'>{escape(visible(note, lines=True))}</pre>" if note else ""


def show(figure: plt.Figure, image: ipywidgets.Image) -> None:
    """Show a figure, never so narrow that letters could not be read, and close it."""
    buffer = io.BytesIO()
    fast = {"compress_level": 1}  # a tenth larger
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None}, pil_kwargs=fast)
    plt.close(figure)
    image.value = buffer.getvalue()
    texts = list(figure.texts)
    for axes in figure.axes:  # `figure.findobj(Text)` takes ten times as long
        legend = axes.get_legend()
        texts += [axes.title, *axes.texts, *(legend.get_texts() if legend else ())]
        if axes.axison:  # the ticks of others are not drawn
            texts += [axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels(), *axes.get_yticklabels()]
    sizes = [float(text.get_fontsize()) for text in texts if text.get_visible() and text.get_text()]
    smallest = min(sizes, default=11.0) * DPI / 72  # pixels
    image.layout.min_width = f"{figure.get_figwidth() * DPI * min(1.0, LETTER / smallest):.0f}px"


explore = Explorer  # a function that draws a figure, and a control for each of its values


Make = TypeVar("Make", bound=Callable[..., Shown])


class Entry(NamedTuple):
    """An explorer in the list: its function, its runs, the notebook with its words."""

    make: Callable[..., Shown]
    subjects: tuple[str, ...]
    chapter: str


EXPLORERS: dict[str, Entry] = {}  # by title


def in_gallery(title: str, chapter: str, *subjects: str) -> Callable[[Make], Make]:
    """List a function that makes an explorer in the gallery.

    `chapter` is the notebook that explains its words; `subjects` are what it is made of: runs by their role
    ("teacher"), or what is theirs ("teacher.images").
    """

    def register(make: Make) -> Make:
        EXPLORERS[title] = Entry(make, subjects, chapter)
        return make

    return register

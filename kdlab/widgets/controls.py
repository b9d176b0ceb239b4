"""Controls of explorers: what a value may be, and the widget that moves it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import ipywidgets

from ..core.errors import Error
from ..core.hyper import plain
from ..plots.texts import NAME, cut, visible


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
        """Whether all its numbers are."""
        return all(isinstance(v, int) for v in (self.start, self.low, self.high, self.step or 1))

    def widget(self, name: str) -> Any:
        """The ipywidgets control; its description is what a screen reader says."""
        common = _common(self.label or name)
        if self.log:
            low, start, high = (math.log10(v) for v in (self.low, self.start, self.high))
            step = (high - low) / 40
            below, above = (math.floor(abs(end - start) / step) * step for end in (low, high))
            # what is shown lies on the grid of its steps: so does the start
            common |= {"readout_format": ".0f"} if self.whole else {}
            return ipywidgets.FloatLogSlider(self.start, min=start - below, max=start + above, step=step, **common)
        step = self.step or (1 if self.whole else (self.high - self.low) / 40)
        digits = min(3, len(f"{step:g}".partition(".")[2]))  # as many as a step moves
        common |= {"min": self.low, "max": self.high, "step": step, "readout_format": f".{digits}f"}
        return (ipywidgets.IntSlider if self.whole else ipywidgets.FloatSlider)(self.start, **common)

    def read(self, value: Any) -> Any:
        """The value, as a whole number where it is one."""
        return round(value) if self.whole else value

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

    def widget(self, name: str) -> Any:
        """The ipywidgets control, which speaks when the line is done, by Enter or by leaving it."""
        common = _common(self.label or name)
        return ipywidgets.Text(self.start, placeholder=self.hint, continuous_update=False, **common)

    def read(self, value: Any) -> Any:
        """The text."""
        return value

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
        """The values by what is shown of them."""
        return dict(self.options) if isinstance(self.options, Mapping) else {str(o): o for o in self.options}

    def widget(self, name: str) -> Any:
        """The ipywidgets control."""
        common = _common(self.label or name)
        if all(isinstance(value, bool) for value in self.named.values()):
            return ipywidgets.Checkbox(self.start, indent=False, **common)
        return ipywidgets.Dropdown(
            options=[(cut(visible(name), NAME), value) for name, value in self.named.items()],
            value=self.start,
            **common,
        )

    def read(self, value: Any) -> Any:
        """The value."""
        return value

    def check(self, name: str, value: Any) -> None:
        """Refuse a value that is not offered."""
        if value not in self.named.values():
            raise Error(f"{name}={value!r}: choose from {', '.join(map(repr, self.named.values()))}")


def _common(label: str) -> dict[str, Any]:
    """A label in full, and the room that explorer.css gives to the control beside or below it."""
    shown = {"description": cut(visible(label), NAME), "style": {"description_width": "initial"}}
    return {**shown, "layout": {"width": "auto"}}


class Control(Protocol):
    """What an explorer asks of a control: its first value, its widget, what it reads there, and what it can be."""

    @property
    def start(self) -> Any: ...
    def widget(self, name: str) -> Any: ...
    def read(self, value: Any) -> Any: ...
    def check(self, name: str, value: Any) -> None: ...

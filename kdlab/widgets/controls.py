"""Controls of explorers: what a value may be, and the widget that moves it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import ipywidgets

from ..errors import Error


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
class Words:
    """A line of text."""

    start: str = ""
    label: str = ""
    hint: str = ""

    def widget(self, name: str) -> Any:
        """The ipywidgets control, which speaks when the line is done, by Enter or by leaving it."""
        return ipywidgets.Text(
            self.start, description=self.label or name, placeholder=self.hint, continuous_update=False,
            style={"description_width": "initial"},
        )  # fmt: skip

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
        common = {"description": self.label or name, "style": {"description_width": "initial"}}
        if all(isinstance(value, bool) for value in self.named.values()):
            return ipywidgets.Checkbox(self.start, indent=False, **common)
        return ipywidgets.Dropdown(options=list(self.named.items()), value=self.start, **common)

    def check(self, name: str, value: Any) -> None:
        """Refuse a value that is not offered."""
        if value not in self.named.values():
            raise Error(f"{name}={value!r}: choose from {', '.join(map(repr, self.named.values()))}")


class Control(Protocol):
    """What an explorer asks of a control: its first value, its widget, and which values it can have."""

    @property
    def start(self) -> Any: ...
    def widget(self, name: str) -> Any: ...
    def check(self, name: str, value: Any) -> None: ...

"""What figures share: a palette, a style, any name letter by letter, saving."""

import re
import sys
from collections.abc import Callable, Collection, Iterator, KeysView, Mapping, Sequence
from functools import lru_cache, wraps
from io import BytesIO
from typing import Any, ParamSpec
from weakref import WeakKeyDictionary

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from matplotlib.mathtext import MathTextParser
from matplotlib.ticker import LogFormatterSciNotation
from torch import Tensor

from ..core.output import shown, write_bytes
from ..core.places import figures_root
from ..engine.result import Result
from ..metrics import METRICS

# Load the backend now: what it sets inside the style of `styled` would be undone on leaving
plt.switch_backend(plt.get_backend())
Scored = Result | Mapping[str, Any]  # a run, or what a row of evidence says of it: x[metric] is a number
PART_NAMES = {"val": "validation", "train": "training"}
# "colorblind" of seaborn, which takes a second to load
COLOURS = ("#0173b2", "#de8f05", "#029e73", "#d55e00", "#cc78bc", "#ca9161", "#fbafe4", "#949494", "#ece133", "#56b4e9")
PALETTE = [to_rgb(colour) for colour in COLOURS]
CONTROL, GREY = "pixels", "0.35"  # what a study's control is called, and its colour in all figures
STYLE = {
    "font.size": 11,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "figure.dpi": 100,
    "savefig.dpi": 150,
    "figure.constrained_layout.use": True,
    "text.parse_math": False,  # a class may be called $a$
}
PICTURES = {**STYLE, "axes.grid": False, "axes.titlelocation": "center", "axes.titleweight": "normal"}
SAVED: WeakKeyDictionary[plt.Figure, bytes] = WeakKeyDictionary()  # as PNG
P = ParamSpec("P")
CLASS, NAME, QUESTION, SENTENCE = 28, 60, 90, 240  # characters of a class, of a system or a run, ..., of a title
LINES = 4  # of a name; of more lines line breaks are shown as such
DEFAULTS = re.compile(r"_(child|container)\d+|_nolegend_|_|")  # what matplotlib calls what nobody has named
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def show_as_saved() -> bool:
    """Let a notebook show the bytes of a saved figure, unless it has changed since.

    A figure would be drawn three times otherwise: to be saved, at the end of the cell that changed it, and to be shown.
    A figure that has been shown, as the value of its cell, is closed: the end of the cell would show it once more.
    """
    shell: Any = sys.modules["IPython"].get_ipython() if "inline" in plt.get_backend() else None
    if shell is None:
        return False
    plt.uninstall_repl_displayhook()
    formatter = shell.display_formatter.formatters["image/png"]
    try:
        usual = formatter.lookup_by_type(plt.Figure)
    except KeyError:  # they are shown in another format
        return False

    def shown(figure: plt.Figure) -> Any:
        png = (not figure.stale and SAVED.get(figure)) or usual(figure)
        plt.close(figure)
        return png

    formatter.for_type(plt.Figure, shown)
    return True


AS_SAVED = show_as_saved()


def save(figure: plt.Figure, name: str) -> None:
    """Write `name`.png, the same bytes for the same figure.

    A notebook shows these bytes: change the figure before.
    """
    path = figures_root() / f"{name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    png = BytesIO()
    figure.savefig(png, format="png", metadata={"Software": None})
    write_bytes(path, png.getvalue())
    figure.set_layout_engine("none")
    if AS_SAVED:
        SAVED[figure], figure.stale = png.getvalue(), False


def bare(axis: plt.Axes) -> None:
    """Hide an axis; `set_axis_off` alone still lays out its ticks, which takes time."""
    axis.set_axis_off()
    axis.xaxis.set_visible(False)
    axis.yaxis.set_visible(False)


def label_of(column: str) -> str:
    """Return the label of a column: "test/accuracy" -> "test accuracy, %"."""
    part, _, name = column.partition("/")
    metric = METRICS.get(name.partition("/")[0])
    words = f"{PART_NAMES.get(part, part)} {name.replace('/', ' ')}".strip()
    return f"{words}, {metric.unit}" if metric and metric.unit else words


def show_image(
    axis: plt.Axes, image: Tensor | np.ndarray, extent: tuple[float, float, float, float] | None = None
) -> None:
    """Draw a uint8 image (C, H, W), or its picture; it fills the axis or an extent."""
    pixels = image.permute(1, 2, 0).squeeze(2).numpy() if isinstance(image, Tensor) else image
    axis.imshow(pixels, cmap="gray_r", vmin=0, vmax=255, extent=extent)
    if extent is None:
        bare(axis)


def colours(names: Sequence[str]) -> dict[str, tuple]:
    """Return a colour for each name, the same for the same names in the same order."""
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(names)}


def visible(text: str, lines: bool = False) -> str:
    r"""Return `text` with what cannot be drawn or seen as escapes: \x07, \u202e.

    Line breaks stay, unless there are more of them than a name has; in a text of `lines` all stay.
    """
    return shown(text, keep="\n" if lines or text.count("\n") < LINES else "")


def cut(text: str, most: int) -> str:
    """Return `text` in at most so many characters, cut behind two thirds."""
    head = 2 * most // 3
    return text if len(text) <= most else f"{text[:head]}…{text[head + 1 - most :]}"


def styled(
    style: Mapping[str, Any], classes: int = NAME, names: int = NAME
) -> Callable[[Callable[P, plt.Figure]], Callable[P, plt.Figure]]:
    """Decorate a function of a figure: it draws in a style, and can draw any name.

    Names in lists, and the rows and columns of tables, have at most `classes` characters, keys of mappings
    `names`. Names that differ stay apart; the same one is drawn alike in all arguments.
    """

    def decorate(draw: Callable[P, plt.Figure]) -> Callable[P, plt.Figure]:
        @wraps(draw)
        def drawn(*args: P.args, **kwargs: P.kwargs) -> plt.Figure:
            limits: dict[str, int] = {}
            for value in (*args, *kwargs.values()):
                for name, most in _names(value, classes, names):
                    limits[name] = min(most, limits.get(name, most))
            drawn_as = _apart({name: cut(visible(name), most) for name, most in limits.items()})
            renamed: Any = draw
            with plt.rc_context(dict(style)):
                return renamed(
                    *(_renamed(value, drawn_as) for value in args),
                    **{name: _renamed(value, drawn_as) for name, value in kwargs.items()},
                )

        return drawn

    return decorate


def _names(value: Any, classes: int, names: int) -> Iterator[tuple[str, int]]:
    """Yield the names in an argument, each with the characters that it may have."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            if isinstance(name, str):
                yield name, names
            yield from _names(each, classes, names)
    elif isinstance(value, pd.DataFrame | pd.Series):
        frame = value.to_frame() if isinstance(value, pd.Series) else value
        yield from ((label, classes) for label in (*frame.index, *frame.columns) if isinstance(label, str))
        texts = [cell for name in frame if frame[name].dtype in ("object", "str") for cell in frame[name]]
        yield from ((cell, QUESTION) for cell in texts if isinstance(cell, str))
    elif isinstance(value, list | tuple | KeysView | pd.Index):
        for each in value:
            if isinstance(each, str):
                yield each, classes
            elif isinstance(each, Collection):
                yield from _names(each, classes, names)


def _apart(drawn_as: dict[str, str]) -> dict[str, str]:
    """Return the names that are drawn otherwise, numbered where two would look alike."""
    taken, changed = {name for name in drawn_as if drawn_as[name] == name}, {}
    for name, drawn in drawn_as.items():
        if drawn != name:
            other, number = drawn, 2
            while other in taken:
                other, number = f"{drawn} ({number})", number + 1
            taken.add(other)
            changed[name] = other
    return changed


def _renamed(value: Any, drawn_as: Mapping[str, str]) -> Any:
    """Return an argument with names as they are drawn."""
    if isinstance(value, str):
        return drawn_as[value] if value in drawn_as else cut(visible(value), SENTENCE)
    if not drawn_as:
        return value
    if isinstance(value, Mapping):
        return {drawn_as.get(name, name): _renamed(each, drawn_as) for name, each in value.items()}
    if isinstance(value, pd.DataFrame):
        texts = {
            str(name): value[name].map(lambda cell: _renamed(cell, drawn_as))
            for name in value
            if value[name].dtype in ("object", "str")
        }
        return value.assign(**texts).rename(index=drawn_as, columns=drawn_as)
    if isinstance(value, pd.Series):
        return value.rename(index=drawn_as)
    if isinstance(value, list | tuple | KeysView | pd.Index):
        renamed = [_renamed(each, drawn_as) if isinstance(each, str | Collection) else each for each in value]
        return tuple(renamed) if isinstance(value, tuple) else renamed
    return value


def name_all(owner: plt.Axes | plt.Figure, among: Collection[plt.Axes] = (), **style: Any) -> None:
    """Draw a legend of all labelled artists, those whose label begins with "_" too.

    `among` are the axes that count, without any all of the owner's.
    """
    axes = among or (owner.axes if isinstance(owner, plt.Figure) else [owner])
    drawn: list[Any] = [
        each
        for axis in axes
        for each in (*axis.get_lines(), *axis.patches, *axis.collections, *axis.containers)
        if not DEFAULTS.fullmatch(str(each.get_label()))
    ]
    if drawn:
        owner.legend(drawn, [str(each.get_label()) for each in drawn], **style)


class Powers(LogFormatterSciNotation):
    """Powers of ten for an axis, in plain letters, as texts are not read as formulas."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Return a tick's label, 10⁻⁴ say; nothing where matplotlib has none."""
        text = super().__call__(x, pos)
        text = re.sub(r"\^\{(.*?)\}", lambda power: power[1].translate(SUPERSCRIPTS), text)
        plain = text.replace(r"$\mathdefault{", "").replace("}$", "").replace(r"\times", " \N{MULTIPLICATION SIGN} ")
        return re.sub(r"^-|(?<=\s)-", "\N{MINUS SIGN}", plain)


@lru_cache(maxsize=1000)
def is_formula(text: str) -> bool:
    """Return whether a text is mathematics that matplotlib can set: $z_1$."""
    if text.count("$") < 2:
        return False
    try:
        MathTextParser("path").parse(text)
    except (ValueError, RuntimeError):
        return False
    return True

"""The control of every study: what the pixels alone are worth.

"Learned" means better than that, not better than an untrained network.
"""

from collections.abc import Iterable, Mapping

from ..core.errors import Error
from ..experiment.config import IMAGES, Config
from ..methods import METHODS
from .verdicts import Question

PIXELS = "pixels"


def pixels(config: Config) -> Config:
    """Return the control of a run: method pixels, by the same images and labels."""
    return Config(method=PIXELS, **{name: getattr(config, name) for name in IMAGES})


def is_control(config: Config) -> bool:
    """Return whether a run trains nothing and rates pixels."""
    return METHODS[config.method].network is not None


def controls_of(systems: Mapping[str, Config], names: Iterable[str]) -> list[str]:
    """Return the controls among `systems` of those named, in their order."""
    wanted = {pixels(systems[name]) for name in names}
    return [name for name, config in systems.items() if is_control(config) and config in wanted]


def against_pixels(
    systems: Mapping[str, Config], names: Iterable[str], metric: str = "test/accuracy", title: str = ""
) -> list[Question]:
    """Ask of each of the named systems whether it is better than its pixels.

    The control is the one of `systems` with a system's images and labels. `title` says by what is measured.
    """
    controls = {config: name for name, config in systems.items() if is_control(config)}
    by = f", by {title}" if title else ""
    return [
        Question(f"{name}: better than its pixels{by}?", name, controls[pixels(systems[name])], metric)
        for name in names
    ]


def check_control(study: str, systems: Mapping[str, Config], questions: Iterable[Question]) -> None:
    """Refuse a study in which a system, or every question, lacks the control."""
    controls = {config: name for name, config in systems.items() if is_control(config)}
    how = "add pixels(config) to its systems (kdlab.studies.control)"
    if alone := next((name for name, each in systems.items() if pixels(each) not in controls), None):
        raise Error(f"study {study} has no control for {alone!r}: {how}, a system that rates the same images' pixels")
    if not {name for each in questions for _, name in each.pairs} & {*controls.values()}:
        raise Error(f"study {study} does not ask whether anything is better than its pixels: add against_pixels(...)")

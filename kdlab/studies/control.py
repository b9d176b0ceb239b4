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


def control_of(systems: Mapping[str, Config], config: Config) -> str | None:
    """Return the control among `systems` of a run: the same images and labels.

    A frozen network that reads the images at a size of its own has the control of those who see them smaller.
    """
    wanted = pixels(config)
    controls = {each: name for name, each in systems.items() if is_control(each)}
    if wanted not in controls and METHODS[config.method].fits_head:
        return next((name for each, name in controls.items() if each.replace(size=wanted.size) == wanted), None)
    return controls.get(wanted)


def controls_of(systems: Mapping[str, Config], names: Iterable[str]) -> list[str]:
    """Return the controls among `systems` of those named, in their order."""
    wanted = {control_of(systems, systems[name]) for name in names}
    return [name for name in systems if name in wanted]


def against_pixels(
    systems: Mapping[str, Config], names: Iterable[str], metric: str = "test/accuracy", title: str = ""
) -> list[Question]:
    """Ask of each of the named systems whether it is better than its pixels.

    The control is the one of `systems` with a system's images and labels. `title` says by what is measured.
    """
    by = f", by {title}" if title else ""
    pairs = [(name, control_of(systems, systems[name])) for name in names]
    return [Question(f"{name}: better than its pixels{by}?", name, str(control), metric) for name, control in pairs]


def check_control(study: str, systems: Mapping[str, Config], questions: Iterable[Question]) -> None:
    """Refuse a study in which a system, or every question, lacks the control."""
    how = "add pixels(config) to its systems (kdlab.studies.control)"
    if alone := next((name for name, each in systems.items() if control_of(systems, each) is None), None):
        raise Error(f"study {study} has no control for {alone!r}: {how}, a system that rates the same images' pixels")
    if not any(is_control(systems[name]) for each in questions for _, name in each.pairs):
        raise Error(f"study {study} does not ask whether anything is better than its pixels: add against_pixels(...)")

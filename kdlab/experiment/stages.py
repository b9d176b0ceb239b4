"""Whether the runs that a Config stands on fit it: what it can only refuse, before anything is read or trained."""

from collections.abc import Iterator
from typing import Any

from ..core.errors import Error
from ..data import origin, overlap, same_images
from ..methods import METHODS, keepers

Run = Any  # a Config, whose checks these are: it cannot be named here


def check_teacher(run: Run, stage: Run) -> None:
    """A teacher must have what the method reads of it: a trained classifier, and the parts it needs."""
    method, teacher, trained = METHODS[run.method], METHODS[stage.method], stage
    while "model" in METHODS[trained.method].frozen and trained.init is not None:
        if origin(trained.init.dataset) != origin(trained.dataset):
            raise Error(
                f"the teacher's network was trained on {trained.init.dataset}, and {trained.method!r} on "
                f"{trained.dataset} trains no classifier: give it an init on {trained.dataset}"
            )
        trained = trained.init  # a head or branches were added to what that run trained
    for part in method.needs_parts:
        if part not in teacher.keeps:
            having = " or ".join(f"Config(method={name!r}, ...)" for name in keepers(part))
            raise Error(f"method {run.method!r} needs its teacher's {part}: give teacher={having}")
    for each in (stage, trained):
        if same_images(each.dataset, run.dataset) and each.size != run.size:
            told = f"the teacher was trained at size={each.size}, this run has size={run.size}"
            raise Error(f"{told}: give both the same")
    if stage.normalise != run.normalise:
        raise Error("teacher and student must see the same images: give both the same normalise")
    if not METHODS[trained.method].trains_head:
        raise Error(
            f"{trained.method!r} leaves the teacher's classifier untrained: fine-tune it first, "
            "teacher=Config(init=...)"
        )


def check_same_split(run: Run, role: str) -> None:
    """A stage on the same data must hold out the same images, or the validation set would have been trained on."""
    other = getattr(run, role)
    if other is None:
        return
    for learned in _learned(other):
        if overlap(learned, run.dataset):
            raise Error(
                f"{role} learns labels of {learned} that are those of validation images of {run.dataset}: give "
                "both the same fold"
            )
    if origin(other.dataset) != origin(run.dataset):
        return
    if not other.validation and not run.validation:
        return
    if (other.split_seed, other.validation) != (run.split_seed, run.validation):
        raise Error(
            f"{role} holds out other validation images (split {other.split_seed}, share {other.validation}) than "
            f"this run (split {run.split_seed}, share {run.validation}): give both the same split and validation"
        )


def _learned(run: Run) -> Iterator[str]:
    """The data sets whose labels a run, or one that it stands on, is trained on."""
    if METHODS[run.method].trains_head:
        yield run.dataset
    for stage in filter(None, (run.teacher, run.init)):
        yield from _learned(stage)

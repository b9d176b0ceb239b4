"""Whether what a run stands on has learned images that the run holds out, where only the files can say so."""

from contextlib import suppress

from ..core.errors import Error
from ..data import files_of, origin
from ..data.listing import Shared, shared
from ..methods import METHODS
from .config import Config


def shared_files(name: str, other: str) -> Shared | None:
    """What two data sets have in common that lie in different places; None where no files say it."""
    if origin(name) == origin(other):
        return None
    with suppress(Error, OSError):  # what is wrong with files their reader says
        if (theirs := files_of(name)) is not None and (own := files_of(other)) is not None:
            return shared(theirs, own)
    return None


def check_apart(run: Config, stage: Config, role: str) -> None:
    """Refuse a stage that learned labels of images which the run validates or tests on, however it names them."""
    common = shared_files(stage.dataset, run.dataset) if METHODS[stage.method].trains_head else None
    if common is None:
        return
    told = f"{role} learns labels of {stage.dataset} that are those of"
    if common.held:
        raise Error(f"{told} test images of {run.dataset}: give both the same data set")
    one_split = common.alike and (stage.split_seed, stage.validation) == (run.split_seed, run.validation)
    if common.labelled and (stage.validation or run.validation) and not one_split:
        raise Error(f"{told} validation images of {run.dataset}: give both the same data set, or validation=0")

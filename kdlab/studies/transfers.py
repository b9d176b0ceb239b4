"""What frozen features are worth on other data sets, as columns of the evidence."""

from collections.abc import Sequence

from ..engine.result import Result
from ..engine.transfer import transfer_scores
from ..experiment.config import Config
from ..experiment.setup import chain_images
from . import evidence


def check_there(datasets: Sequence[str]) -> None:
    """Refuse data sets that are not there, before hours of training end at them."""
    for name in datasets:
        chain_images(Config(dataset=name))


def transferred(study: str, identity: str, result: Result, datasets: Sequence[str]) -> dict[str, float]:
    """A column transfer/NAME for each of `datasets` of which the study's evidence has no number for this identity.

    How often a linear classifier of the frozen features, taught by all labelled training images of the data set at the
    size that the network was trained at, is right on its test images, in percent (`kdlab.transfer` with shots=None).
    """
    if not datasets:
        return {}
    rows = evidence.load(study)
    have = {str(column) for column, there in rows[rows.identity == identity].notna().any().items() if there}
    wanted = {column: name for name in datasets if (column := f"transfer/{name}") not in have}
    return {column: round(transfer_scores(result, name, shots=None)[0], 4) for column, name in wanted.items()}

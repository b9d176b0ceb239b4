"""Pixels without a network: the control of every comparison."""

from collections.abc import Mapping

from torch import Tensor

from ..core.errors import Error
from ..data import Batch
from ..models.pixels import PixelNetwork
from .base import Method


class Pixels(Method):
    """Train nothing, and take the normalised pixels of an image as its features.

    What was *learned* has to be better than that. Metrics rate these features as they rate any, by the run's labelled
    images: `knn` by nearest neighbours, `probe` by logistic regression. `accuracy` is that of the better of the two on
    the validation images, so that no test image chooses; kNN's where both are equally good or no image validates.

    Only fields that choose images and labels count, and the device. Others, such as model, lr or epochs, may be given,
    as in a sweep over methods, and are left out.
    """

    learns_from = "nothing"
    views = ()
    weights: Mapping[str, float] = {}
    network = PixelNetwork
    trains_head = False

    @classmethod
    def check_weights(cls, changed: Mapping[str, float]) -> dict[str, float]:
        """Return no weights: there is no loss."""
        if changed:
            raise Error(f"{cls.__name__} trains nothing, and has no loss terms: leave weights out")
        return {}

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        raise Error(f"{type(self).__name__} trains nothing, and has no loss terms")

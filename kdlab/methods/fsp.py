"""FSP: learn how the teacher's features flow between layers, then the labels."""

import torch
from torch import Tensor

from .. import losses
from ..data import Batch
from ..models import Network
from .base import Distill
from .common.adapters import equal_channels, equal_stages
from .supervised import Supervised


class FSPInit(Distill):
    """First phase: neighbouring layers should be related as the teacher's are.

    What the layers contain does not count.

        fsp = sum over neighbouring maps of the mean over images and entries of (G_s - G_t)^2

    The flow matrix G (B, C, C') of two maps (B, C, H, W) and (B, C', H, W) is the mean over positions of the products
    of their channels; the maps are stem and stages, larger ones pooled. Student and teacher need equal channels
    throughout. The classifier is not trained. 30 epochs in the benchmark; weight 50 is on RepDistiller's command line,
    but its code of this phase sums the terms unweighted.
    """

    paper = "Yim et al., CVPR 2017 (first phase)"
    learns_from = "flow between layers"
    trains_head = False
    mixes = False
    weights = {"fsp": 50.0}

    def build(self) -> None:
        equal_stages("fsp_init", self.model, self.teacher)
        equal_channels("fsp_init", self.model, self.teacher)

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        x = batch.x[0]
        students = flow_maps(self.model, x)
        with torch.no_grad():
            teachers = flow_maps(self.teacher, x)
        return {"fsp": losses.fsp(students, teachers)}


class FSP(Supervised):
    """Second phase: the labels alone.

    It starts from weights whose layers are related as the teacher's are.

    Cross-entropy, from the weights of a run of `fsp_init`; the teacher is not asked any more.
    """

    paper = "Yim et al., CVPR 2017"
    learns_from = "flow between layers"
    needs_init = True
    first_phase = "fsp_init"


def flow_maps(net: Network, x: Tensor) -> tuple[Tensor, ...]:
    """Return the maps of stem and stages."""
    stem = net.stem(x)
    return (stem, *net.features_after_stem(stem).maps)

"""AB: learn first where the teacher's neurons are active, then the labels."""

import torch
from torch import Tensor, nn

from .. import losses
from ..data import Batch
from ..models import map_shapes
from .base import Distill
from .common.adapters import equal_stages, regressor
from .supervised import Supervised


class ABInit(Distill):
    """First phase: each neuron learns whether the teacher's is active, not how much.

        ab = 3/1000 sum over stages i = 1 .. n of 2^(i - n) times the mean over images of the sum of h^2

    The squared hinge has h = max(0, 1 - s) where the teacher's neuron is active (t > 0), else max(0, 1 + s). s and t
    are the maps (B, C, H, W) of all stages before the ReLU; a connector (convolution, batch norm) leads the student's
    to the teacher's shape where it differs. Margin 1 and all factors are RepDistiller's, and so are 30 epochs for this
    phase, in which the classifier is not trained. The last map of a WRN is read behind its final batch norm, which is
    trained too; the benchmark leaves that norm as it was initialised.
    """

    paper = "Heo et al., AAAI 2019 (first phase)"
    learns_from = "activation boundaries"
    trains_head = False
    mixes = False
    weights = {"ab": 1.0}

    def build(self) -> None:
        equal_stages("ab_init", self.model, self.teacher)
        shapes = [map_shapes(net, self.shape) for net in (self.model, self.teacher)]
        self.connectors = nn.ModuleList(
            nn.Identity() if s == t else regressor(s, t, relu=False) for s, t in zip(*shapes, strict=True)
        )

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        x = batch.x[0]
        students = [connect(s) for connect, s in zip(self.connectors, self.model.preactivations(x), strict=True)]
        with torch.no_grad():
            teachers = self.teacher.preactivations(x)
        return {"ab": losses.ab(students, teachers)}


class AB(Supervised):
    """Second phase: the labels alone, from weights that know the teacher's boundaries.

    Cross-entropy, from the weights of a run of `ab_init`; the teacher is not asked any more.
    """

    paper = "Heo et al., AAAI 2019"
    learns_from = "activation boundaries"
    needs_init = True
    first_phase = "ab_init"

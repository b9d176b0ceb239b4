"""AB: the student first learns on which side of zero the teacher's neurons are, then the labels."""

from torch import nn

from .. import losses
from ..models import map_shapes
from . import recipes
from .adapters import equal_stages, regressor
from .base import Distill
from .supervised import Supervised


class ABInit(Distill):
    """First phase: squared hinge of the pre-activations of all stages, through connectors where shapes differ.

    The classifier is not trained. 30 epochs in the benchmark. The last map of a WRN is read behind its final batch
    norm, which is trained too; the benchmark leaves that norm as it was initialised.
    """

    paper = "Heo et al., AAAI 2019 (first phase)"
    transfers = "activation boundaries"
    trains_head, mixes, weights = False, False, {"ab": 1.0}
    presets = {"paper": {**recipes.CRD_PAIR, "epochs": 30, "schedule": "constant"}}

    def build(self):
        equal_stages("ab_init", self.model, self.teacher)
        shapes = [map_shapes(net, self.shape) for net in (self.model, self.teacher)]
        self.connectors = nn.ModuleList(
            nn.Identity() if s == t else regressor(s, t, relu=False) for s, t in zip(*shapes, strict=True)
        )

    def terms(self, batch, progress):
        x = batch.x[0]
        students = [c(m) for c, m in zip(self.connectors, self.model.preactivations(x), strict=True)]
        return {"ab": losses.ab(students, self.teach(x))}

    def teach(self, x):
        return self.teacher.preactivations(x)


class AB(Supervised):
    """Second phase: cross-entropy, from the weights of a run of `ab_init`."""

    paper = "Heo et al., AAAI 2019"
    transfers = "activation boundaries"
    needs_init = "ab_init"
    presets = {"paper": {**recipes.CRD_PAIR, **recipes.first_phase("ab_init")}}

"""FSP: the student first learns how the teacher's features flow from layer to layer, then the labels."""

from .. import losses
from . import recipes
from .adapters import equal_channels, equal_stages
from .base import Distill
from .supervised import Supervised


class FSPInit(Distill):
    """First phase: squared difference of the flow matrices of stem and stages, weight 50; 30 epochs in the benchmark.

    50 is the weight on RepDistiller's command line; its code of this phase sums the terms unweighted. Student and
    teacher need equal channels throughout. The classifier is not trained.
    """

    paper = "Yim et al., CVPR 2017 (first phase)"
    transfers = "flow between layers"
    trains_head, mixes, weights = False, False, {"fsp": 50.0}
    presets = {
        "paper": {**recipes.CRD_PAIR, **recipes.pair("resnet20", "resnet56"), "epochs": 30, "schedule": "constant"}
    }

    def build(self):
        equal_stages("fsp_init", self.model, self.teacher)
        equal_channels("fsp_init", self.model, self.teacher)

    def terms(self, batch, progress):
        x = batch.x[0]
        return {"fsp": losses.fsp(flow_maps(self.model, x), self.teach(x))}

    def teach(self, x):
        return flow_maps(self.teacher, x)


class FSP(Supervised):
    """Second phase: cross-entropy, from the weights of a run of `fsp_init`."""

    paper = "Yim et al., CVPR 2017"
    transfers = "flow between layers"
    needs_init = "fsp_init"
    presets = {
        "paper": {**recipes.CRD_PAIR, **recipes.pair("resnet20", "resnet56"),
                  **recipes.first_phase("fsp_init", "resnet20", "resnet56")}
    }  # fmt: skip


def flow_maps(net, x):
    """The maps of stem and stages."""
    stem = net.stem(x)
    return (stem, *net.features_after_stem(stem).maps)

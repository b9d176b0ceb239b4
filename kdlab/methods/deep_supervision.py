"""Deep supervision: classifiers on the intermediate stages, too."""

from torch import nn

from ..models import several_stages
from . import recipes
from .base import Method


class DeepSupervision(Method):
    """CE of the classifier + the sum of the CEs of linear classifiers on the pooled maps of all earlier stages."""

    paper = "Lee et al., AISTATS 2015"
    transfers = "labels, at every stage"
    mixes, weights = True, {"ce": 1.0, "deep": 1.0}
    keeps = ("heads",)
    presets = {"paper": recipes.BYOT}

    def build(self):
        several_stages(self.model)
        self.heads = nn.ModuleList(nn.Linear(width, self.model.num_classes) for width in self.model.widths[:-1])

    def terms(self, batch, progress):
        seen = self.model.features(batch.x[0])
        shallow = [head(m.mean((2, 3))) for head, m in zip(self.heads, seen.maps, strict=False)]
        return {"ce": self.ce(seen.logits, batch), "deep": sum(self.ce(logits, batch) for logits in shallow)}

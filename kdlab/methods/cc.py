"""CC: correlation congruence of embeddings."""

from typing import Annotated, Literal

from torch import nn

from .. import losses
from . import recipes
from .base import Distill, Positive


class CC(Distill):
    """Products of the differences of neighbouring samples' embeddings (`form="code"`), weight 0.02.

    That is what the benchmark runs under this name. `form="paper"` compares Gaussian correlation matrices of the pooled
    features instead, without embeddings (usual weight 100).
    """

    paper = "Peng et al., ICCV 2019"
    transfers = "correlations of samples"
    weights = {"ce": 1.0, "cc": 0.02, "kd": 0.0}
    presets = {"paper": recipes.CRD_PAIR}

    def build(self, *, dim: Annotated[int, Positive] = 128, form: Literal["code", "paper"] = "code"):
        self.form = form
        if form == "code":
            self.embed_s, self.embed_t = (nn.Linear(net.feature_width, dim) for net in (self.model, self.teacher))

    def compare(self, student, teacher, batch):
        if self.form == "paper":
            return {"cc": losses.cc_kernel(student.pooled, teacher.pooled)}
        return {"cc": losses.cc(self.embed_s(student.pooled), self.embed_t(teacher.pooled))}

"""CC: correlation congruence of embeddings."""

from typing import Literal

from torch import Tensor, nn

from .. import losses
from ..core.hyper import Count
from ..data import Batch
from ..models import Features
from .base import Distill


class CC(Distill):
    """The images of a batch should correlate in the student as in the teacher.

    There are two readings of it.

        form="code":   cc = mean over i of the sum over dimensions of |d_i| |d_(i+1)|,    d = e_s - e_t
        form="paper":  cc = mean over all B^2 entries of (C_s - C_t)^2

    "code" is what RepDistiller runs under this name: products of neighbouring rows of the batch, where e (B, dim) are
    linear embeddings of the pooled features, both of them trained; weight 0.02. "paper" compares the matrices C (B, B)
    of a Gaussian kernel on the pooled features themselves, without embeddings (usual weight 100).
    """

    paper = "Peng et al., ICCV 2019"
    learns_from = "correlations of samples"
    weights = {"ce": 1.0, "cc": 0.02, "kd": 0.0}

    def build(self, *, dim: Count = 128, form: Literal["code", "paper"] = "code") -> None:
        self.form = form
        if form == "code":
            self.embed_s, self.embed_t = (nn.Linear(net.feature_width, dim) for net in (self.model, self.teacher))

    def compare(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        if self.form == "paper":
            return {"cc": losses.cc_kernel(student.pooled, teacher.pooled)}
        return {"cc": losses.cc(self.embed_s(student.pooled), self.embed_t(teacher.pooled))}

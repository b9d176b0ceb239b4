"""VID: maximise the information in the student's maps about the teacher's."""

import math

import torch
from torch import Tensor, nn

from .. import losses
from ..core.arithmetic import total
from ..data import Batch
from ..losses import pool_to_match
from ..models import Features
from .base import Distill
from .common.adapters import equal_stages

FLOOR = 1e-5  # what `losses.vid` adds to a variance, so that it never is 0
INITIAL = 5.0  # the variance at the start, as in RepDistiller


class VID(Distill):
    """A regressor should predict the teacher's maps from the student's.

    So these should tell as much as possible about those.

        vid = sum over stages of the mean over all elements of  (log v + (m(F_s) - F_t)^2 / v) / 2

    That is the negative log-likelihood (without its constant) of the teacher's maps F_t (B, C, H, W) under a Gaussian:
    the mean m is three 1 x 1 convolutions with ReLU between them, and there is one trained variance v per channel, 5 at
    the start. Modules, start and weight 1 are RepDistiller's.
    """

    paper = "Ahn et al., CVPR 2019"
    learns_from = "features"
    weights = {"ce": 1.0, "vid": 1.0, "kd": 0.0}

    def build(self) -> None:
        equal_stages("vid", self.model, self.teacher)
        widths = list(zip(self.model.widths, self.teacher.widths, strict=True))
        self.regressors = nn.ModuleList(three_convolutions(s, t) for s, t in widths)
        raw = math.log(math.exp(INITIAL - FLOOR) - 1)  # softplus(raw) + FLOOR is the variance
        self.raw_variances = nn.ParameterList(torch.full((t,), raw) for _, t in widths)

    def compare(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        terms = []
        stages = zip(self.regressors, self.raw_variances, student.maps, teacher.maps, strict=True)
        for regress, raw, *maps in stages:
            s, t = pool_to_match(*maps)
            terms.append(losses.vid(regress(s), t, raw))
        return {"vid": total(terms)}


def three_convolutions(inp: int, out: int) -> nn.Sequential:
    """Build three 1 x 1 convolutions from `inp` to `out` channels.

    They have no bias, and ReLU between them.
    """
    return nn.Sequential(
        nn.Conv2d(inp, out, 1, bias=False),
        nn.ReLU(),
        nn.Conv2d(out, out, 1, bias=False),
        nn.ReLU(),
        nn.Conv2d(out, out, 1, bias=False),
    )

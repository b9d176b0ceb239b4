"""VID: as much information about the teacher's maps as a Gaussian regressor can find in the student's."""

import math

import torch
from torch import nn

from .. import losses
from ..losses.features import pool_to_match
from . import recipes
from .adapters import equal_stages
from .base import Distill


class VID(Distill):
    """Gaussian log-likelihood of every teacher stage, mean from three 1 x 1 convolutions, one variance a channel."""

    paper = "Ahn et al., CVPR 2019"
    transfers = "features"
    weights = {"ce": 1.0, "vid": 1.0, "kd": 0.0}
    presets = {"paper": recipes.CRD_PAIR}

    def build(self):
        equal_stages("vid", self.model, self.teacher)
        widths = list(zip(self.model.widths, self.teacher.widths, strict=True))
        conv = lambda i, o: nn.Conv2d(i, o, 1, bias=False)
        self.regressors = nn.ModuleList(
            nn.Sequential(conv(s, t), nn.ReLU(), conv(t, t), nn.ReLU(), conv(t, t)) for s, t in widths
        )
        raw = math.log(math.exp(5.0 - 1e-5) - 1)  # softplus of it + 1e-5 is a variance of 5
        self.raw_variances = nn.ParameterList(torch.full((t,), raw) for _, t in widths)

    def compare(self, student, teacher, batch):
        stages = zip(self.regressors, self.raw_variances, student.maps, teacher.maps, strict=True)
        terms = []
        for regress, raw, *maps in stages:
            s, t = pool_to_match(*maps)
            terms.append(losses.vid(regress(s), t, raw))
        return {"vid": sum(terms)}

"""Factor transfer: the student imitates a summary of the teacher's features."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from .. import losses
from ..core.errors import Error
from ..core.hyper import PositiveShare
from ..data import Batch
from ..models import Features, map_shapes
from .base import Distill, Method


class FTParaphraser(Method):
    """First phase: an autoencoder compresses the teacher's last map to a factor.

    The factor has fewer channels than the map.

        reconstruction = mean over all entries of (decoder(encoder(f)) - f)^2

    for the last map f (B, C, H, W) of the network of `init`, the later teacher, which stays as it is. Encoder and
    decoder are three 3 x 3 convolutions each with LeakyReLU (0.1); the factor has `share` C channels. No labels.
    """

    paper = "Kim et al., NeurIPS 2018 (phase 1)"
    learns_from = "its own last map"
    weights = {"reconstruction": 1.0}
    needs_init = True
    frozen = ("model",)
    keeps = ("encoder",)

    def build(self, *, share: PositiveShare = 0.5) -> None:
        width = self.model.widths[-1]
        factor = max(1, int(width * share))
        self.encoder = convolutions(nn.Conv2d, [width, width, factor, factor])
        self.decoder = convolutions(nn.ConvTranspose2d, [factor, factor, width, width])

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        with torch.no_grad():
            features = self.model.features(batch.x[0]).maps[-1]
        return {"reconstruction": losses.feature_mse(self.decoder(self.encoder(features)), features)}


class FT(Distill):
    """The student's translator should bring its last map to the teacher's factor.

    The translator is an encoder of the student's own.

        loss = ce + 200 factor,    factor = mean over images and positions of |a(translator(f_s)) - a(paraphraser(f_t))|

    with the last maps f (B, C, H, W), and a the squares averaged over channels, brought to unit length over positions
    (see `factor_transfer`; the larger map is pooled). The teacher is a run of `ft_paraphraser`, whose encoder stays as
    it is. The translator has the paraphraser's layers and batch norm besides; constants are RepDistiller's.
    """

    paper = "Kim et al., NeurIPS 2018"
    learns_from = "paraphrased last map"
    weights = {"ce": 1.0, "factor": 200.0}
    needs_parts = ("encoder",)

    def build(self) -> None:
        if min(map_shapes(net, self.shape)[-1][1] for net in (self.model, self.teacher)) == 1:
            raise Error("ft compares where the last maps are bright: for maps of 1 x 1 give larger images (size)")
        *_, last = (m for m in self.teacher_parts["encoder"].modules() if isinstance(m, nn.Conv2d))
        width, factor = self.model.widths[-1], last.out_channels
        self.translator = convolutions(nn.Conv2d, [width, width, factor, factor], norm=True)

    def compare(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        with torch.no_grad():
            factor = self.teacher_parts["encoder"](teacher.maps[-1])
        return {"factor": losses.factor_transfer(self.translator(student.maps[-1]), factor)}


def convolutions(kind: type[nn.Module], widths: list[int], norm: bool = False) -> nn.Sequential:
    """Build 3 x 3 convolutions that keep the size.

    Batch norm, if `norm`, and LeakyReLU (0.1) follow each.
    """
    layers: list[nn.Module] = []
    for inp, out in pairwise(widths):
        layers += [kind(inp, out, 3, padding=1), *([nn.BatchNorm2d(out)] if norm else []), nn.LeakyReLU(0.1)]
    return nn.Sequential(*layers)

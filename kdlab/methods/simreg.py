"""SimReg: a head on the student predicts the teacher's features."""

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from .. import losses
from ..data import Batch
from ..models import Features
from .common.features import EpochMean, FeatureDistill


class SimReg(FeatureDistill):
    """From the student's features a head should tell the direction of the teacher's.

    No label is used.

        simreg = mean over images of 2 - 2 cos(h(s), t)

    s and t are pooled features of one weakly augmented view. The head h is for training only: what is evaluated and
    kept is s. It has four linear layers, d to 2d, d, 2d and the teacher's width, with batch norm and ReLU behind the
    first and the third: a projector and a predictor. `layers=2` has two linear layers, with nothing between them in the
    released code; `as_released=False` puts batch norm and ReLU behind every layer but the last, as the paper is
    reported to say.

    Features behind a ReLU share a large mean, so that a small loss may be no learning: `train/constant_answer` is what
    one answer for all images reaches.
    """

    paper = "Navaneet et al., BMVC 2021"
    weights = {"simreg": 1.0}
    new: Tensor  # what `terms` leaves for `after_step`: the mean of the teacher's unit rows

    def build(self, *, layers: Literal[2, 4] = 4, as_released: bool = True) -> None:
        self.head = regression_head(self.model.feature_width, self.teacher.feature_width, layers, as_released)
        self.direction = EpochMean(self.teacher.feature_width)

    def embed(self, x: Tensor) -> Tensor:
        return self.head(self.model.features(x).pooled)

    def compare(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        self.new = normalize(teacher.pooled, dim=1).mean(0)
        return {"simreg": losses.simreg(self.head(student.pooled), teacher.pooled)}

    def after_step(self, progress: float) -> None:
        self.direction.add(self.new)

    def after_epoch(self, progress: float) -> None:
        self.direction.close()

    def epoch_means(self) -> dict[str, Tensor]:
        return {"constant_answer": 2 - 2 * torch.linalg.vector_norm(self.direction.mean)}


def regression_head(inp: int, out: int, layers: Literal[2, 4] = 4, as_released: bool = True) -> nn.Sequential:
    """Build a perceptron of `layers` linear layers, twice as wide behind the odd ones.

    Batch norm and ReLU follow the first and the third of four, but none of two, as in SimReg's code; or, without
    `as_released`, all but the last.
    """
    widths = [*([inp, 2 * inp] * (layers // 2)), out]
    head = nn.Sequential()
    for i, (before, after) in enumerate(pairwise(widths), start=1):
        head.append(nn.Linear(before, after))
        if i < layers and (not as_released or (layers == 4 and i % 2)):
            head.extend([nn.BatchNorm1d(after), nn.ReLU()])
    return head

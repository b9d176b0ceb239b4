"""SS-KD: the weight of distillation grows in training; with early stopping."""

from typing import Literal

from torch import Tensor

from .. import losses
from ..core.errors import Error
from ..core.hyper import Positive, Share
from ..core.schedules import ramp_up
from ..data import Batch
from ..models import Features
from .base import Distill

ROUNDING = 1e-9  # of training: shares are rounded, and 1 / 5 + 2 / 5 comes out a little above 3 / 5


class ScheduledKD(Distill):
    """The student starts with labels alone and listens to the teacher more and more.

        loss = (1 - alpha) ce + alpha kd,    kd = T^2 KL(softmax(z_t / T) || softmax(z_s / T)), mean over images

    alpha is a function of the epoch: 0 for the share `warmup` of training, then from `start` to `end` over the share
    `ramp` (linear, cosine, or a step at its end), then `end`. The defaults are the released script's: 5 and 16 of 30
    epochs, 0.1 to 0.9, T = 3. Early stopping (`patience`) waits for the end of the ramp.

    "Lightweight Self-Supervised Representation Learning with Knowledge Distillation on Compact Datasets", 2025. Preset
    "paper" is the clean form, a *reconstruction*: it normalises, trains in train mode throughout, takes all 5,000
    labels (or as many as `labels` says) in both stages, and counts the last epoch, because no labelled image is left to
    stop on. "early_stopping" trains on 4,500 and stops on 500 (2,250 and 250 in "early_stopping_2500"). The teacher
    starts from ImageNet weights.

    Preset "as_released" repeats what the script does instead. It stops on the *test* set and reports that same
    accuracy; its student trains in eval mode from the second epoch on (frozen batch statistics, no dropout), because
    evaluating switched it and nothing switched it back; images are not normalised; nothing in it is self-supervised,
    and the "student" (4.0 M parameters) is larger than the "teacher" (2.2 M). Its numbers are not estimates of
    anything.
    """

    paper = "SS-KD, preprint 2025"
    learns_from = "logits, ever more"
    weights = {"ce": 1.0, "kd": 1.0}

    def build(
        self,
        *,
        T: Positive = 3.0,
        start: Share = 0.1,
        end: Share = 0.9,
        warmup: Share = 5 / 30,
        ramp: Share = 16 / 30,
        curve: Literal["linear", "cosine", "step"] = "linear",
        as_released: bool = False,
    ) -> None:
        if warmup + ramp > 1 + ROUNDING:
            raise Error(f"warmup={warmup} and ramp={ramp} are shares of training: together they are at most 1")
        self.T, self.as_released = T, as_released
        self.ramp = {"start": start, "end": end, "warmup": warmup, "ramp": ramp, "curve": curve}
        self.settled = warmup + ramp  # the progress from which on alpha stays

    def alpha(self, progress: float) -> float:
        """Return the weight of distillation, constant within an epoch."""
        return ramp_up(self.epoch(progress) / self.epochs, **self.ramp)

    def factors(self, progress: float) -> dict[str, float]:
        alpha = self.alpha(progress)
        return {"ce": 1 - alpha, "kd": alpha}

    def may_stop(self, progress: float) -> bool:
        return self.as_released or progress >= self.settled - ROUNDING

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        if self.as_released and self.epoch(progress) > 0:
            self.model.eval()
        return super().terms(batch, progress)

    def compare(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        return {"kd": losses.kd(student.logits, teacher.logits, self.T)}

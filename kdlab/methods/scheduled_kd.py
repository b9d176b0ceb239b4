"""SS-KD: distillation whose weight grows while the student trains, with early stopping."""

from typing import Annotated, Literal

from .. import losses
from ..errors import Error
from ..schedules import ramp_up
from . import recipes
from .base import Distill, Positive, Share


class ScheduledKD(Distill):
    """alpha T^2 KL + (1 - alpha) CE, where alpha is a function of the epoch.

    "Lightweight Self-Supervised Representation Learning with Knowledge Distillation on Compact Datasets", 2025.
    alpha is 0 for the share `warmup` of training, then goes from `start` to `end` over the share `ramp` (linear, cosine,
    or a step at its end) and stays; the defaults are the released script's (5 and 16 of 30 epochs). Early stopping
    (`patience`) waits for the end of the ramp. Preset "paper" stops on validation images, normalises, and trains in
    train mode throughout: the clean form, a *reconstruction*.

    Preset "as_released" repeats what the script does instead. It stops on the *test* set and reports that same
    accuracy; its student trains in eval mode from the second epoch on (frozen batch statistics, no dropout), because
    evaluating switched it and nothing switched it back; images are not normalised; nothing in it is self-supervised,
    and the "student" (4.0 M parameters) is larger than the "teacher" (2.2 M). Its numbers are not estimates of anything.
    """

    paper = "SS-KD, preprint 2025"
    transfers = "logits, ever more"
    weights = {"ce": 1.0, "kd": 1.0}
    presets = {
        "paper": {**recipes.STL10_STUDENT, "teacher": recipes.STL10_TEACHER},
        "as_released": {
            **recipes.STL10_STUDENT, **recipes.AS_RELEASED, "select": "test", "hp": {"as_released": True},
            "teacher": {**recipes.STL10_TEACHER, **recipes.AS_RELEASED, "pretrained": True},
        },
    }  # fmt: skip

    def build(
        self, *, T: Annotated[float, Positive] = 3.0, start: Annotated[float, Share] = 0.1,
        end: Annotated[float, Share] = 0.9, warmup: Annotated[float, Share] = 5 / 30,
        ramp: Annotated[float, Share] = 16 / 30, curve: Literal["linear", "cosine", "step"] = "linear",
        as_released: bool = False,
    ):  # fmt: skip
        if warmup + ramp > 1 + 1e-9:
            raise Error(f"warmup={warmup} and ramp={ramp} are shares of training: together they are at most 1")
        self.T, self.as_released, self.settled = T, as_released, warmup + ramp
        self.ramp = {"start": start, "end": end, "warmup": warmup, "ramp": ramp, "curve": curve}

    def alpha(self, progress: float) -> float:
        """The weight of distillation, constant within an epoch."""
        return ramp_up(self.epoch(progress) / self.epochs, **self.ramp)

    def factors(self, progress):
        alpha = self.alpha(progress)
        return {"ce": 1 - alpha, "kd": alpha}

    def may_stop(self, progress):
        return self.as_released or progress >= self.settled - 1e-9

    def terms(self, batch, progress):
        if self.as_released and self.epoch(progress) > 0:
            self.model.eval()
        return super().terms(batch, progress)

    def compare(self, student, teacher, batch):
        return {"kd": losses.kd(student.logits, teacher.logits, self.T)}

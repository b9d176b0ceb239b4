"""Runs that last on any machine: their methods sleep for PACE seconds after every epoch, and numbers stay."""

import os
import time

from kdlab import METHODS, Config


class Pace:
    """What such methods have in common."""

    def after_epoch(self, progress):
        super().after_epoch(progress)
        time.sleep(float(os.getenv("PACE", "0")))


class PacedSupervised(Pace, METHODS["supervised"]):
    """A supervised run that takes its time."""


class PacedKD(Pace, METHODS["kd"]):
    """Distillation that takes its time."""


METHODS |= {"paced_supervised": PacedSupervised, "paced_kd": PacedKD}


def students(count, epochs, steps):
    """Return so many students of three teachers."""
    fields = {"labels": 20, "width": 0.125, "batch": 8, "evaluate_every": 10**6, "epochs": epochs, "steps": steps}
    teacher = Config(method="paced_supervised", model="resnet8x4", **{**fields, "width": 0.5})
    first = Config(method="paced_kd", teacher=teacher, **fields)
    return [first.replace(lr=1e-3 * (1 + i // 3)).seeded(i % 3) for i in range(count)]


ABOUT = ("seconds", "cpu_seconds", "environment", "code")


def numbers(results):
    """Return what was measured, but for times, machine and version."""
    return [{name: value for name, value in each.metrics.items() if name not in ABOUT} for each in results]

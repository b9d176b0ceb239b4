"""Feature maps of a student and its teacher, before and after the adapter."""

from typing import Any

import matplotlib.pyplot as plt
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from ..core.errors import Error
from ..engine.result import Result
from ..engine.run import watch
from ..experiment.setup import Setup
from ..plots.explorers import plot_feature_maps
from .frame import Choice, Explorer, Slider, explore, in_gallery

PREDICT = (
    "The student's own channels are in no order that the teacher knows. Will they look like the teacher's once they "
    "went through the adapter? In which stage most?"
)
COUNT, CHANNELS = 20, 8
ROWS = ("student", "through the adapter", "teacher")
Seen = dict[int, dict[str, Tensor]]  # stage -> row -> maps (images, channels, h, w)


@in_gallery("feature maps and the adapter", "03_distillation", "student")
def feature_maps(result: Result, image: int = 0, stage: int = 2, trained: bool = True) -> Explorer:
    """Show the strongest eight channels of a LiteNet-SSD teacher, and the student's.

    An adapter turns the student's channels into the teacher's, so that column stands by column; the student's own are
    shown as they are numbered. The run is looked at from inside (`kdlab.watch`); adapters are not kept otherwise.
    """
    if result.config.method != "litenet_ssd":
        raise Error(f"a run of {result.config.method!r} aligns no stages by adapters: give one of litenet_ssd")
    images = result.images
    x = images.test_x[:COUNT]
    every = watch(result.config, lambda setup: _look(setup, x))
    if not every[0]:
        raise Error("this run aligned no features: give one with a weight of the term feature")
    moments = {True: every[-1], False: every[0]}
    stages = sorted(every[0])

    def draw(image: int, stage: int, trained: bool) -> plt.Figure:
        stage_maps = {row: maps[image] for row, maps in moments[trained][stage].items()}
        strongest = stage_maps["teacher"].mean((1, 2)).topk(CHANNELS).indices
        shown = {row: stage_maps[row][strongest if row != "student" else slice(CHANNELS)] for row in ROWS}
        agree = cosine_similarity(stage_maps["through the adapter"], stage_maps["teacher"], dim=0).mean().item()
        when = "after training" if trained else "before training"
        return plot_feature_maps(x[image], shown, f"{when}, stage {stage}: cosine through the adapter {agree:.2f}")

    return explore(
        draw,
        "kdlab.widgets.feature_maps(result, {})",
        PREDICT,
        image=Slider(image, 0, len(x) - 1),
        stage=Choice(stage if stage in stages else stages[0], stages),
        trained=Choice(trained, label="trained"),
    )


def _look(setup: Setup, x: Tensor) -> Seen:
    method: Any = setup.method
    with torch.no_grad():
        inputs = setup.normalise(x.to(setup.device))
        student, teacher = (net.features(inputs).maps for net in (method.model, method.teacher))
        return {
            stage + 1: {
                name: maps.cpu()
                for name, maps in zip(ROWS, (student[stage], adapter(student[stage]), teacher[stage]), strict=True)
            }
            for stage, adapter in zip(method.stages, method.adapters, strict=True)
        }

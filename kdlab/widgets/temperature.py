"""Temperature: softened answers of teacher and student, and the gradient of KD."""

from functools import cache

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from ..core.errors import Error
from ..engine.result import Result
from ..plots.explorers import plot_temperature
from .frame import Choice, Explorer, Slider, explore, in_gallery

PREDICT = (
    "The teacher hesitates between two classes. At which temperature will a third one have a tenth of the probability? "
    "And is the gradient largest where T is smallest?"
)
COUNT, GRID = 30, torch.logspace(-0.3, 1.7, 25)


@in_gallery("temperature and soft targets", "03_distillation", "teacher", "student")
def temperature(
    teacher: Result, student: Result, image: int = 0, T: float = 1.0, standardise: bool = False
) -> Explorer:
    """Show softened answers of two networks to one of the teacher's doubtful images.

    `standardise` divides the logits of both by their standard deviation first (Sun et al. 2024).
    """
    of_student, of_teacher = (result.test_features().logits for result in (student, teacher))
    if of_student.shape != of_teacher.shape:
        raise Error(
            f"teacher and student answer with {of_teacher.shape[1]} and {of_student.shape[1]} classes: "
            "give a pair of one task"
        )
    images, others = teacher.images, student.images
    if images.classes != others.classes or not torch.equal(images.test_y, others.test_y):
        raise Error(
            f"the teacher was trained on {images.name} and the student on {others.name}, which have other classes or "
            "test images: give a pair of one task"
        )
    two = of_teacher.softmax(1).topk(2).values
    doubtful = (two[:, 0] - two[:, 1]).argsort()[:COUNT]

    @cache  # moving T moves a point on the curve and not the curve
    def answers(row: int, standardise: bool) -> tuple[Tensor, Tensor, list[float]]:
        z = torch.stack([of_teacher[row], of_student[row]])
        if standardise:
            z = (z - z.mean(1, keepdim=True)) / z.std(1, keepdim=True).clamp(min=1e-6)
        p_teacher, p_student = (z[:, None] / GRID[:, None]).softmax(2)
        # Of T² KL(p_teacher || p_student) by the student's logits: T (p_student - p_teacher)
        gradients = GRID[:, None] * (p_student - p_teacher)
        return z[0], z[1], gradients.norm(dim=1).tolist()

    def draw(image: int, T: float, standardise: bool) -> plt.Figure:
        row = int(doubtful[image])
        z_teacher, z_student, lengths = answers(row, standardise)
        truth, gradients = int(images.test_y[row]), (GRID.tolist(), lengths)
        return plot_temperature(images.test_x[row], z_teacher, z_student, T, images.classes, truth, gradients)

    return explore(
        draw,
        "kdlab.widgets.temperature(teacher, student, {})",
        PREDICT,
        image=Slider(image, 0, len(doubtful) - 1, label="image, the most doubtful first"),
        T=Slider(T, GRID[0].item(), GRID[-1].item(), log=True, label="temperature"),
        standardise=Choice(standardise, label="standardised logits"),
    )

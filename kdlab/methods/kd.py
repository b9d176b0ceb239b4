"""Knowledge distillation from a teacher's logits."""

from torch import Tensor

from .. import losses
from ..core.hyper import Positive
from ..data import Batch
from ..models import Features
from .base import Distill


class KD(Distill):
    """The student imitates the teacher's class probabilities.

    They also say what an image resembles besides its class.

        kd = T^2 KL(softmax(z_t / T) || softmax(z_s / T)),    sum over classes, mean over images

    with logits z (B, K) of teacher and student. A temperature T above 1 makes small probabilities count; T^2 keeps the
    gradient's size. The loss is 0.1 ce + 0.9 kd at T = 4, which are the weights of RepDistiller, the code of the CIFAR
    benchmark (Tian et al. 2020).
    """

    paper = "Hinton, Vinyals & Dean 2015"
    weights = {"ce": 0.1, "kd": 0.9}

    def build(self, *, T: Positive = 4.0) -> None:
        self.T = T

    def compare(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        return {"kd": losses.kd(student.logits, teacher.logits, self.T)}

"""A linear head on a frozen network, fitted on the labelled images alone."""

from torch import Tensor, nn

from ..core.hyper import Positive
from ..data import Batch
from .base import Method


class Probe(Method):
    """Logistic regression on the pooled features of a network that stays as it is.

        ce = mean over labelled images of -log softmax(W f + b)[y],    minimised together with |W|^2 / (2 C n)

    with features f (D,) of n labelled images, as they are, neither flipped nor cropped, and standardised over these n
    for the penalty. scikit-learn finds the minimum once, so that epochs, steps, learning rate and augmentation change
    nothing; epochs=0 leaves the head untrained. The network is that of `init` or has `pretrained` weights. C is fixed
    beforehand: with few labels nobody has the validation images to choose it by (Oliver et al. 2018).

    As a teacher of images at another size it answers for each image as it is in the file, whatever view the student
    sees of it: logits and pooled features, computed once and kept by image.
    """

    paper = "Alain & Bengio 2016"
    fits_head = True

    def build(self, *, C: Positive = 0.001) -> None:
        self.C = C
        self.backbone = nn.ModuleList([self.model.stem, self.model.stages, self.model.neck, self.model.dropout])
        self.frozen = ("backbone",)

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        return {"ce": self.ce(self.model(batch.x[0]), batch)}

"""PS-KD: labels are softened more and more by predictions of an epoch ago."""

from torch import Tensor

from ..core.hyper import Share
from ..data import Batch
from .base import Method
from .common.past import Tables


class PSKD(Method):
    """The network is its own teacher, an epoch later.

    Its prediction for an image an epoch ago becomes part of the image's target.

        ce = mean over images of -sum over classes of q log softmax(z),    q = (1 - a) onehot(y) + a p

    with logits z (B, K), past predictions p (B, K) and a = alpha (t + 1) / E in epoch t = 0 .. E - 1. p was made for
    another view of the same image and is a row of a table in half precision. In the first epoch it is the label, and
    the loss the plain cross-entropy. alpha = 0.8 is the authors'.
    """

    paper = "Kim et al., ICCV 2021"
    learns_from = "own predictions, an epoch ago"
    mixes = True
    weights = {"ce": 1.0}

    def build(self, *, alpha: Share = 0.8) -> None:
        self.alpha = alpha
        self.past = Tables(self.samples, self.model.num_classes, rows=[1], keep=self.model.num_classes)

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        alpha = self.alpha * (self.epoch(progress) + 1) / self.epochs
        (ce,) = self.past.soft_cross_entropies(batch, [self.model(batch.x[0])], [batch.y], alpha)
        return {"ce": ce}

    def after_step(self, progress: float) -> None:
        self.past.after_step()

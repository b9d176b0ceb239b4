"""PS-KD: the labels are softened by what the network said an epoch ago, more and more."""

from typing import Annotated

from ..losses import smooth, soft_cross_entropy
from . import recipes
from .base import Method, Share
from .past import Tables, mixed


class PSKD(Method):
    """Cross-entropy with (1 - alpha_t) of the label and alpha_t of the past prediction; alpha_t grows to `alpha`.

    alpha_t = alpha (t + 1) / E in epoch t = 0 .. E - 1. The past is the prediction for another view of the same image,
    a row of a table in half precision; in the first epoch it is the label, and the loss the plain cross-entropy.
    """

    paper = "Kim et al., ICCV 2021"
    transfers = "own predictions, an epoch ago"
    mixes, weights = True, {"ce": 1.0}
    presets = {"paper": recipes.PSKD}

    def build(self, *, alpha: Annotated[float, Share] = 0.8):
        self.alpha = alpha
        self.past = Tables(self.samples, [1], [self.model.num_classes], keep=self.model.num_classes)

    def terms(self, batch, progress):
        logits = self.model(batch.x[0])
        alpha = self.alpha * (self.epoch(progress) + 1) / self.epochs
        hard = smooth(batch.y, logits.shape[1], eps=0.0)
        (past,) = self.past.recall(batch, [hard])
        self.past.note(batch, [logits.detach().softmax(1)])
        return {"ce": soft_cross_entropy(logits, (1 - alpha) * mixed(hard, batch, 1) + alpha * past)}

    def after_step(self, progress):
        self.past.after_step()

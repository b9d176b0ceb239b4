"""Label smoothing: a little of every other class in the target."""

from typing import Literal

from torch import Tensor

from ..core.hyper import Share
from ..data import Batch
from ..losses import smooth, soft_cross_entropy
from .base import Method
from .common.cutmix import mix_targets


class LabelSmoothing(Method):
    """The target is never quite sure of the label.

    So the network need not become infinitely sure of it either.

        ce = mean over labelled images of -sum over classes of q log softmax(z)

    with logits z (B, K) and targets q (B, K) that share out `eps`, 0.1 as in the paper:

        over="all"     over all K classes (PyTorch): 1 - eps + eps / K on the label, eps / K elsewhere
        over="others"  over the K - 1 other classes (the code of Tf-KD): 1 - eps on the label, eps / (K - 1) elsewhere

    Preset "paper" is PS-KD's recipe, for comparison with it.
    """

    paper = "Szegedy et al., CVPR 2016"
    mixes = True

    def build(self, *, eps: Share = 0.1, over: Literal["all", "others"] = "all") -> None:
        self.eps, self.over = eps, over

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        target = smooth(batch.y, self.model.num_classes, self.eps, self.over)
        return {"ce": soft_cross_entropy(self.model(batch.x[0]), mix_targets(target, batch))}

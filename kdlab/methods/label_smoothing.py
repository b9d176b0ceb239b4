"""Label smoothing: a little of every other class in the target."""

from typing import Annotated, Literal

from ..losses import smooth, soft_cross_entropy
from . import recipes
from .base import Method, Share
from .past import mixed


class LabelSmoothing(Method):
    """Cross-entropy with 1 - eps on the label and eps spread over `all` classes (PyTorch) or over the `others` (Tf-KD)."""

    paper = "Szegedy et al., CVPR 2016"
    mixes = True
    presets = {"paper": recipes.PSKD}

    def build(self, *, eps: Annotated[float, Share] = 0.1, over: Literal["all", "others"] = "all"):
        self.eps, self.over = eps, over

    def terms(self, batch, progress):
        target = smooth(batch.y, self.model.num_classes, self.eps, self.over)
        return {"ce": soft_cross_entropy(self.model(batch.x[0]), mixed(target, batch, 1))}

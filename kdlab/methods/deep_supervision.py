"""Deep supervision: classifiers on the intermediate stages, too."""

from torch import Tensor, nn

from ..core.arithmetic import total
from ..data import Batch
from ..models import several_stages
from .base import Method


class DeepSupervision(Method):
    """Early stages learn from the labels directly, by classifiers of their own.

    These are used in training only.

        loss = ce + deep,    deep = sum over all earlier stages of the cross-entropy of their classifiers

    A stage's classifier is linear, on its map (B, C, H, W) averaged over space. Weights are 1; preset "paper" is BYOT's
    recipe.
    """

    paper = "Lee et al., AISTATS 2015"
    learns_from = "labels, at every stage"
    mixes = True
    weights = {"ce": 1.0, "deep": 1.0}
    keeps = ("heads",)

    def build(self) -> None:
        several_stages(self.model)
        self.heads = nn.ModuleList(nn.Linear(width, self.model.num_classes) for width in self.model.widths[:-1])

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        features = self.model.features(batch.x[0])
        shallow = [head(m.mean((2, 3))) for head, m in zip(self.heads, features.maps, strict=False)]
        return {"ce": self.ce(features.logits, batch), "deep": total(self.ce(logits, batch) for logits in shallow)}

"""BYOT: the deepest classifier teaches classifiers on earlier stages."""

from torch import Tensor, nn

from .. import losses
from ..core.arithmetic import total
from ..core.hyper import Positive
from ..data import Batch
from ..models import map_shapes, several_stages
from .base import Method


class BYOT(Method):
    """Be your own teacher: earlier stages learn from the labels and the last stage.

    Each earlier stage has a classifier for that.

        loss = (1 - a) (ce + deep) + a soft + b feature,    a = 0.1, b = 1e-6

    Sums over the earlier stages l, with logits z (B, K) and pooled features f (B, C): `deep` of their cross-entropies,
    `soft` of T^2 times the cross-entropy of z_l / T with softmax(z / T) of the last stage, `feature` of (f_l - f)^2
    where either is positive. `feature` is a sum over batch and channels, hence the small b. The last stage gets no
    gradient from `soft` and `feature`.

    Behind each earlier stage stands a bottleneck (1 x 1, strided, 1 x 1 convolutions) that brings its map to the size
    and width of the last, pooling, and a classifier. The authors published no code: constants (T = 3 too) and
    bottleneck are luanyunteng's re-implementation.
    """

    paper = "Zhang et al., ICCV 2019"
    learns_from = "own deepest layer"
    mixes = True
    weights = {"ce": 0.9, "deep": 0.9, "soft": 0.1, "feature": 1e-6}
    keeps = ("bottlenecks", "heads")

    def build(self, *, T: Positive = 3.0) -> None:
        several_stages(self.model)
        self.T = T
        *shallow, (width, size, _) = map_shapes(self.model, self.shape)
        self.bottlenecks = nn.ModuleList(bottleneck(c, width, max(1, s // size)) for c, s, _ in shallow)
        self.heads = nn.ModuleList(nn.Linear(width, self.model.num_classes) for _ in shallow)

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        features = self.model.features(batch.x[0])
        pooled = [b(m).mean((2, 3)) for b, m in zip(self.bottlenecks, features.maps, strict=False)]
        logits = [head(p) for head, p in zip(self.heads, pooled, strict=True)]
        target = (features.logits.detach() / self.T).softmax(1)
        deepest = features.maps[-1].mean((2, 3))
        return {
            "ce": self.ce(features.logits, batch),
            "deep": total(self.ce(z, batch) for z in logits),
            "soft": total(losses.soft_cross_entropy(z / self.T, target) for z in logits) * self.T**2,
            "feature": total(losses.byot_feature(p, deepest) for p in pooled),
        }


def bottleneck(inp: int, out: int, stride: int) -> nn.Sequential:
    """Build three convolutions, of which the middle one shrinks the map by `stride`.

    They have biases; batch norm and ReLU follow each.
    """
    middle = max(1, out // 4)
    convs = nn.Conv2d(inp, middle, 1), nn.Conv2d(middle, middle, stride, stride), nn.Conv2d(middle, out, 1)
    return nn.Sequential(*(layer for c in convs for layer in (c, nn.BatchNorm2d(c.out_channels), nn.ReLU())))

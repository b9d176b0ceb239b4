"""BYOT: the deepest classifier teaches classifiers on the earlier stages of the same network."""

from typing import Annotated

from torch import nn

from .. import losses
from ..models import map_shapes, several_stages
from . import recipes
from .base import Method, Positive


class BYOT(Method):
    """CE of all classifiers (weight 1 - a), soft cross-entropy with the deepest times T^2 (a), features (b); a = 0.1.

    Behind each earlier stage stands a bottleneck (1 x 1, strided, 1 x 1 convolutions) that brings its map to the size
    and width of the last, pooling, and a classifier. The feature term is a sum over batch and channels, hence
    b = 1e-6. The authors published no code: constants and bottleneck are luanyunteng's re-implementation.
    """

    paper = "Zhang et al., ICCV 2019"
    transfers = "own deepest layer"
    mixes, weights = True, {"ce": 0.9, "deep": 0.9, "soft": 0.1, "feature": 1e-6}
    keeps = ("bottlenecks", "heads")
    presets = {"paper": recipes.BYOT}

    def build(self, *, T: Annotated[float, Positive] = 3.0):
        several_stages(self.model)
        self.T = T
        *shallow, (width, size, _) = map_shapes(self.model, self.shape)
        self.bottlenecks = nn.ModuleList(bottleneck(c, width, max(1, s // size)) for c, s, _ in shallow)
        self.heads = nn.ModuleList(nn.Linear(width, self.model.num_classes) for _ in shallow)

    def terms(self, batch, progress):
        seen = self.model.features(batch.x[0])
        pooled = [b(m).mean((2, 3)) for b, m in zip(self.bottlenecks, seen.maps, strict=False)]
        logits = [head(p) for head, p in zip(self.heads, pooled, strict=True)]
        target = (seen.logits.detach() / self.T).softmax(1)
        deepest = seen.maps[-1].mean((2, 3))
        return {
            "ce": self.ce(seen.logits, batch),
            "deep": sum(self.ce(z, batch) for z in logits),
            "soft": sum(losses.soft_cross_entropy(z / self.T, target) for z in logits) * self.T**2,
            "feature": sum(losses.byot_feature(p, deepest) for p in pooled),
        }


def bottleneck(inp: int, out: int, stride: int) -> nn.Sequential:
    """Three convolutions with bias, each followed by batch norm and ReLU; the middle one shrinks the map by `stride`."""
    middle = max(1, out // 4)
    convs = nn.Conv2d(inp, middle, 1), nn.Conv2d(middle, middle, stride, stride), nn.Conv2d(middle, out, 1)
    return nn.Sequential(*(layer for c in convs for layer in (c, nn.BatchNorm2d(c.out_channels), nn.ReLU())))

"""SSKD's second phase with another pretext task than its own, or with the transformations that its paper lists."""

from collections.abc import Mapping

import torch
from torch import Tensor

from .. import losses
from ..data import Batch
from ..data.batches import View
from .common.adapters import square
from .common.pretext import Task, pretext
from .common.transforms import Transform
from .sskd import SSKDHead


class SSKDPretextHead(SSKDHead):
    """A head on a frozen network learns to answer a question about versions of an image: the cross-entropy of `task`.

        pretext = mean over the rows asked about of -log softmax(logits)[right answer]

    `contrastive`: which normal image was it made from (that is `sskd_head`); `rotation`: by which of 4 quarter turns
    was it turned; `jigsaw`: which of 24 permutations of 2 x 2 patches; `exemplar`: which of the n training images is
    it. The first and the last see versions by `transform`: `rotation` turns them as the released code does; by `paper`
    each gets one of colour dropping, a turn by 0, 90, 180 or 270 degrees, a resized crop and colour distortion, drawn
    per image; `color_drop`, `crop` and `color_jitter` give it that one. Images of one channel have no colour to lose.

    The paper compares these tasks; how they are put together, and the strengths of its transforms (crops of 20 to 100 %
    of the area; brightness, contrast and saturation by 0.4, hue by 0.1), are a *reconstruction*.
    """

    paper = "Xu et al., ECCV 2020 (phase 2, its other tasks)"
    learns_from = "versions of images"
    instead = "task=contrastive of the head keeps nothing for an image"
    weights = {"pretext": 1.0}
    keeps = ("pretext",)

    def build(self, *, task: Task = "contrastive", transform: Transform = "rotation") -> None:
        square("sskd_pretext_head", self.shape)
        self.pretext = pretext(task, transform, self.model.feature_width, self.samples, self.shape)

    def augmentations(self, family: Mapping[str, View]) -> list[View]:
        return self.pretext.augmentations(super().augmentations(family))

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        x, answers = self.pretext.show(batch)
        with torch.no_grad():
            pooled = self.model.features(x).pooled
        return {"pretext": losses.cross_entropy(self.pretext(pooled), answers)}

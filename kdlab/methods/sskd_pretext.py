"""SSKD with another pretext task, or with the transformations its paper lists.

The head, and its student.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .. import losses
from ..core.errors import Error
from ..core.hyper import Positive, Share
from ..data import Batch
from ..data.changes import View
from .common.adapters import square
from .common.pretext import Pretext, Task, Transform, pretext, split_versions, transformed
from .sskd import SSKD, SSKDHead


class SSKDPretextHead(SSKDHead):
    """A head on a frozen network answers a question about versions of an image.

    Its loss is the cross-entropy of `task`.

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
        return transformed(super().augmentations(family), self.pretext.transform)

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        x, answers = self.pretext.show(batch)
        with torch.no_grad():
            pooled = self.model.features(x).pooled
        return {"pretext": losses.cross_entropy(self.pretext(pooled), answers)}


class SSKDPretext(SSKD):
    """SSKD's student, with the task and the transform of its teacher.

    The teacher is a run of `sskd_pretext_head`.

        loss = 0.1 ce + 0.9 kd + 2.7 tf + 10 ss

    as in `sskd`: `tf` is KD on the three versions of each image that the task changes, and `ss` KD at `T_ss` between
    the two networks' answers to the task, row by row: of the rows that the teacher gets wrong the share `ratio_ss`.
    The student trains a head of its own. That weights, `T_ss` and `ratio_ss`, which are those of the contrastive task,
    serve the others is a *reconstruction*; their logits are no cosines, and can grow.
    """

    paper = "Xu et al., ECCV 2020 (its other tasks)"
    learns_from = "answers about versions of images"
    instead = SSKDPretextHead.instead
    needs_parts = ("pretext",)
    keeps = ("pretext",)

    def build(
        self,
        *,
        T: Positive = 4.0,
        T_ss: Positive = 0.5,
        ratio_tf: Share = 1.0,
        ratio_ss: Share = 0.75,
    ) -> None:
        square("sskd_pretext", self.shape)
        self.T, self.T_ss, self.ratio_tf, self.ratio_ss = T, T_ss, ratio_tf, ratio_ss
        teacher_pretext = self.teacher_parts["pretext"]
        assert isinstance(teacher_pretext, Pretext)
        if self.samples > teacher_pretext.samples:
            raise Error(
                f"the teacher's head was trained on {teacher_pretext.samples:,} images and the student has "
                f"{self.samples:,}: give both the same"
            )
        # The same task with a new head
        self.pretext = type(teacher_pretext)(
            self.model.feature_width, teacher_pretext.samples, teacher_pretext.transform
        )
        if not self.uses("ss"):
            self.pretext.head = nn.Identity()  # the images are shown all the same, for `tf`

    def augmentations(self, family: Mapping[str, View]) -> list[View]:
        return transformed(super().augmentations(family), self.pretext.transform)

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        if not (self.uses("tf") or self.uses("ss")):
            return super().terms(batch, progress)
        x, answers = self.pretext.show(batch)
        student, teacher = self.model.features(x), self.ask_teacher(x)
        s_normal, s_changed = split_versions(student.logits)
        t_normal, t_changed = split_versions(teacher.logits)
        tf = losses.select(t_changed, batch.y.repeat_interleave(3), self.ratio_tf)
        terms = {
            "ce": self.ce(s_normal, batch),
            "kd": losses.kd(s_normal, t_normal, self.T),
            "tf": losses.selective_kd(s_changed, t_changed, tf, self.T),
        }
        if self.uses("ss"):
            student_answers, teacher_answers = (
                self.pretext(student.pooled),
                self.teacher_parts["pretext"](teacher.pooled),
            )
            ss = losses.select(teacher_answers, answers, self.ratio_ss)
            terms["ss"] = losses.selective_kd(student_answers, teacher_answers, ss, self.T_ss)
        return terms

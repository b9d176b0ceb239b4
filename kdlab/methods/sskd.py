"""SSKD: the student also learns the teacher's relations of rotated images."""

import torch
from torch import Tensor, nn

from .. import losses
from ..core.hyper import Positive, Share
from ..data import Batch
from ..data.augment import ops
from ..losses import own_image, similarity
from .base import Distill, Method
from .common.adapters import mlp, square
from .common.pretext import relations, split_versions


class SSKDHead(Method):
    """The head should tell which normal image a rotated version was made from.

    The candidates are the normal images of the batch.

        own_image = mean over the 3B transformed versions i of -log softmax over the B normal images j of cos(h_i, h_j)
                    at the true j

    h are the projections (linear, ReLU, linear, all as wide as the features) of the pooled features. Four versions of
    an image share one flip; each has a crop of its own and is turned by 0, 90, 180 or 270 degrees (the released code;
    `sskd_pretext_head` has the transforms that the paper lists, and its other tasks). Only the projector trains; the
    network of `init` stays as it is, batch statistics included. No temperature divides the cosines in this phase.
    """

    paper = "Xu et al., ECCV 2020 (phase 2)"
    learns_from = "rotated images"
    views = ("crop",) * 4
    shared = "flip"
    weights = {"own_image": 1.0}
    needs_init = True
    frozen = ("model",)
    keeps = ("projector",)

    def build(self) -> None:
        square("sskd_head", self.shape)
        width = self.model.feature_width
        self.projector = mlp(width, width, width, norm="none")

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        with torch.no_grad():
            pooled = self.model.features(ops.turned(batch.x)).pooled
        normal, transformed = split_versions(self.projector(pooled))
        return {"own_image": own_image(similarity(transformed, normal))}


class SSKD(Distill):
    """The student also learns which images look related to the teacher.

    A teacher knows more than classes, and rotated images bring that to light.

        loss = 0.1 ce + 0.9 kd + 2.7 tf + 10 ss

    `ce` and `kd` (T = 4) are those of the B normal images, `tf` is KD on their 3B transformed versions, `ss` KD between
    the two networks' matrices A (3B, B), row by row at temperature `T_ss`: the cosines of the transformed with the
    normal images' projections. Transfer is selective: of the rows that the teacher gets wrong (by class in `tf`, by the
    image that a version was made from in `ss`) only the share `ratio_tf` or `ratio_ss` counts, those with the true
    answer ranked highest first.

    The teacher is a run of `sskd_head`, which trains its projection head; the student trains one of its own. Weights,
    temperatures and ratios are those of the released code (preset "as_code", which is "paper"); the paper's equation 8
    is reported to weigh `tf` by 10 and `ss` by 2.7 (preset "as_written").
    """

    paper = "Xu et al., ECCV 2020"
    learns_from = "relations of rotated images"
    views = SSKDHead.views
    shared = SSKDHead.shared
    weights = {"ce": 0.1, "kd": 0.9, "tf": 2.7, "ss": 10.0}
    needs_parts = ("projector",)
    keeps = ("projector",)

    def build(
        self,
        *,
        T: Positive = 4.0,
        T_ss: Positive = 0.5,
        ratio_tf: Share = 1.0,
        ratio_ss: Share = 0.75,
    ) -> None:
        square("sskd", self.shape)
        self.T, self.T_ss, self.ratio_tf, self.ratio_ss = T, T_ss, ratio_tf, ratio_ss
        width = self.model.feature_width
        self.projector = mlp(width, width, width, norm="none") if self.uses("ss") else nn.Identity()

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        if not (self.uses("tf") or self.uses("ss")):  # turned images that teach nothing would still change batch norms
            upright = batch.x[0]
            logits = self.model(upright)
            kd = losses.kd(logits, self.ask_teacher(upright).logits, self.T)
            return {"ce": self.ce(logits, batch), "kd": kd}
        x = ops.turned(batch.x)
        student, teacher = self.model.features(x), self.ask_teacher(x)
        s_normal, s_turned = split_versions(student.logits)
        t_normal, t_turned = split_versions(teacher.logits)
        tf = losses.select(t_turned, batch.y.repeat_interleave(3), self.ratio_tf)
        terms = {
            "ce": self.ce(s_normal, batch),
            "kd": losses.kd(s_normal, t_normal, self.T),
            "tf": losses.selective_kd(s_turned, t_turned, tf, self.T),
        }
        if self.uses("ss"):
            student_relations = relations(self.projector(student.pooled))
            teacher_relations = relations(self.teacher_parts["projector"](teacher.pooled))
            ss = losses.select(teacher_relations, losses.own_column(teacher_relations), self.ratio_ss)
            terms["ss"] = losses.selective_kd(student_relations, teacher_relations, ss, self.T_ss)
        return terms

"""SSKD: the student also learns how the teacher relates rotated images to normal ones."""

from functools import partial

from torch import Tensor, nn

from .. import losses
from ..core.ranges import Positive, Share
from ..data import Batch
from ..data.augment import ops
from ..experiment import recipes as published
from .base import Distill
from .common.adapters import mlp, square
from .sskd_head import SSKDHead, split_versions


class SSKD(Distill):
    """A teacher knows more than classes: it also knows which images look related, and rotated ones bring that to light.

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
    presets = {
        "paper": published.rotations.sskd,
        "as_code": published.rotations.sskd,
        "imagenet": published.imagenet.sskd,
        "as_written": partial(published.rotations.sskd, weights={"tf": 10.0, "ss": 2.7}),
    }

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
            "tf": losses.kd(s_turned[tf], t_turned[tf], self.T),
        }
        if self.uses("ss"):
            ours = relations(self.projector(student.pooled))
            theirs = relations(self.teacher_parts["projector"](teacher.pooled))
            ss = losses.select(theirs, losses.own_column(theirs), self.ratio_ss)
            terms["ss"] = losses.kd(ours[ss], theirs[ss], self.T_ss)
        return terms


def relations(projected: Tensor) -> Tensor:
    """Cosines (3B, B) of the transformed with the normal images, from the projections (4B, D) of both."""
    normal, transformed = split_versions(projected)
    return losses.similarity(transformed, normal)

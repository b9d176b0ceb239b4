"""SSKD: the student also learns how the teacher relates rotated images to normal ones."""

from typing import Annotated

from .. import losses
from ..augment import ops
from . import recipes
from .adapters import square
from .base import Distill, Positive, Share
from .selfsupervised import mlp
from .sskd_head import SSKDHead, split_versions


class SSKD(Distill):
    """0.1 CE + 0.9 KD on normal images, 2.7 KD on transformed ones (`tf`), 10 KL of the similarity matrices (`ss`).

    Teacher: a run of `sskd_head`, which trains its projection head. Both matrices hold the cosines of the 3B transformed
    with the B normal images' projections and are softened with `T_ss`. Transfer is selective: of the rows that the
    teacher gets wrong only the share `ratio_tf` or `ratio_ss` counts, those with the true answer ranked highest first.
    Weights, temperatures and ratios are those of the released code.
    """

    transfers = "relations of rotated images"
    paper = "Xu et al., ECCV 2020"
    views, shared, needs_parts, keeps = SSKDHead.views, SSKDHead.shared, ("projector",), ("projector",)
    weights = {"ce": 0.1, "kd": 0.9, "tf": 2.7, "ss": 10.0}
    presets = {"paper": {**recipes.CRD_PAIR, "teacher": SSKDHead.presets["paper"]}}

    def build(
        self, *, T: Annotated[float, Positive] = 4.0, T_ss: Annotated[float, Positive] = 0.5,
        ratio_tf: Annotated[float, Share] = 1.0, ratio_ss: Annotated[float, Share] = 0.75,
    ):  # fmt: skip
        self.T, self.T_ss, self.ratio_tf, self.ratio_ss = T, T_ss, ratio_tf, ratio_ss
        square("sskd", self.shape)
        width = self.model.feature_width
        self.projector = mlp(width, width, width, norm=False)

    def terms(self, batch, progress):
        x = ops.turned(batch.x)
        student, teacher = self.model.features(x), self.teach(x)
        (s_normal, s_turned), (t_normal, t_turned) = map(split_versions, (student.logits, teacher.logits))
        projected = self.projector(student.pooled), self.teacher_parts["projector"](teacher.pooled)
        ours, theirs = (losses.similarity(turned, normal) for normal, turned in map(split_versions, projected))
        tf = losses.select(t_turned, batch.y.repeat_interleave(3), self.ratio_tf)
        ss = losses.select(theirs, losses.own_column(theirs), self.ratio_ss)
        return {
            "ce": self.ce(s_normal, batch),
            "kd": losses.kd(s_normal, t_normal, self.T),
            "tf": losses.kd(s_turned[tf], t_turned[tf], self.T),
            "ss": losses.kd(ours[ss], theirs[ss], self.T_ss),
        }

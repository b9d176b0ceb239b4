"""Losses: pure functions of tensors. The names in the docstrings are those of `METHODS` and of the papers."""

from .attention import at, attention_map, factor_transfer
from .contrastive import byol, info_nce, nt_xent
from .features import ab, byot_feature, feature_cosine, feature_mse, fsp, nst, pool_to_match
from .labels import class_log_probabilities, class_logits, joint_labels, smooth, soften
from .logits import consistency, cross_entropy, dkd, kd, label_smoothing, pseudo_label, soft_cross_entropy, tfkd_reg
from .relations import cc, cc_kernel, gram, pkt, rkd_angle, rkd_distance, similarity, sp
from .sskd import own_column, own_image, select
from .trained import crd, crd_constant, crd_scores, semckd, semckd_attention, vid

__all__ = [
    "ab", "at", "attention_map", "byol", "byot_feature", "cc", "cc_kernel", "class_log_probabilities", "class_logits",
    "consistency", "crd", "crd_constant", "crd_scores", "cross_entropy", "dkd", "factor_transfer", "feature_cosine",
    "feature_mse", "fsp", "gram", "info_nce", "joint_labels", "kd", "label_smoothing", "nst", "nt_xent", "own_column",
    "own_image", "pkt", "pool_to_match", "pseudo_label", "rkd_angle", "rkd_distance", "select", "semckd",
    "semckd_attention", "similarity", "smooth", "soft_cross_entropy", "soften", "sp", "tfkd_reg", "vid",
]  # fmt: skip

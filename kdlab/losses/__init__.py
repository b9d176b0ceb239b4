"""Losses: pure functions of tensors. The names in the docstrings are those of `METHODS` and of the papers."""

from .contrastive import byol, info_nce, nt_xent
from .features import at, attention_map, feature_cosine, feature_mse, pool_to_match
from .labels import class_logits, consistency, joint_labels, pseudo_label
from .logits import cross_entropy, kd, soft_cross_entropy
from .relations import similarity
from .sskd import own_column, own_image, select

__all__ = [
    "at", "attention_map", "byol", "class_logits", "consistency", "cross_entropy", "feature_cosine", "feature_mse",
    "info_nce", "joint_labels", "kd", "nt_xent", "own_column", "own_image", "pool_to_match", "pseudo_label", "select",
    "similarity", "soft_cross_entropy",
]  # fmt: skip

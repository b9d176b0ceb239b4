"""Losses: pure functions of tensors. The names in the docstrings are those of `METHODS` and of the papers."""

from .contrastive import nt_xent
from .features import feature_cosine
from .labels import consistency, pseudo_label
from .logits import cross_entropy, kd

__all__ = ["consistency", "cross_entropy", "feature_cosine", "kd", "nt_xent", "pseudo_label"]

"""Losses: pure functions from tensors to one number.

A docstring gives the idea first, then the formula with shapes and with what is summed or averaged, then constants and
source, and values at known points last. Its letters:

    B images of a batch     K classes     T temperature, which divides logits or cosines before a softmax
    C, H, W channels, height and width of a map     D length of a vector

Labels are class numbers, and -1 marks an image without one. Logarithms are natural, so cross-entropies and
Kullback-Leibler divergences KL(target || prediction) = sum of target log(target / prediction) are in nats; the other
losses have no unit. "No gradient reaches x" says that x is detached: it teaches, and does not learn. The arithmetic is
in single precision at least, whatever the inputs (`arithmetic.full`). RepDistiller is the code of the benchmark of
Tian et al. 2020 (CRD), which most comparisons of distillation methods follow.
"""

from types import FunctionType

from .contrastive import byol, info_nce, nt_xent
from .features import (
    ab,
    at,
    attention_map,
    byot_feature,
    factor_transfer,
    feature_cosine,
    feature_mse,
    fsp,
    nst,
    pool_to_match,
)
from .labels import class_log_probabilities, class_logits, joint_labels, smooth, soften
from .logits import (
    consistency,
    cross_entropy,
    dkd,
    kd,
    pseudo_label,
    selective_kd,
    soft_cross_entropy,
    tfkd_reg,
)
from .relations import cc, cc_kernel, gram, pkt, rkd_angle, rkd_distance, similarity, sp
from .sskd import own_column, own_image, select
from .trained import crd, crd_constant, crd_scores, semckd, semckd_attention, vid
from .unlabelled import candidates, compress, entropy, seed_kd, simreg, unit

__all__ = [name for name, value in list(globals().items()) if isinstance(value, FunctionType)]

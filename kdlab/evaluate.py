"""What a trained network is worth: accuracy, kNN and linear probes of its features."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .augment import ops
from .data import Normalise
from .losses import class_logits
from .models import Features, Network, evaluating


def look(net: Network, images: Tensor, normalise: Normalise, batch: int = 512) -> Features:
    """Pooled features and logits of uint8 images (n, C, H, W), on the CPU, in eval mode; `maps` is empty."""
    with evaluating(net) as device:
        seen = [net.features(normalise(chunk.to(device)))[1:] for chunk in images.split(batch)]
    pooled, logits = (torch.cat(part).float().cpu() for part in zip(*seen, strict=True))
    return Features((), pooled, logits)


def accuracy(logits: Tensor, y: Tensor) -> float:
    """Share of rows whose largest logit is the label, in percent."""
    return 100.0 * (logits.argmax(1) == y).double().mean().item()


def branch_accuracy(
    net: Network,
    branches: nn.ModuleList,
    images: Tensor,
    y: Tensor,
    normalise: Normalise,
    read: Callable[[Tensor], Tensor] = class_logits,
    batch: int = 128,
) -> list[tuple[float, float]]:
    """What the auxiliary branches of HSAKD and LSSKD know, by depth, in percent: (all four rotations, upright only).

    `read` turns joint logits into a score per class: the sum of its four logits (Yang et al. 2021, HSAKD), or
    `class_log_probabilities`. A rotated image counts as right when its class is, whatever rotation is seen. Images are
    uint8 (n, C, H, H).
    """
    guesses = []
    with evaluating(net) as device, evaluating(branches):
        for chunk in images.split(batch):
            maps = net.features(normalise(ops.rotations(chunk).to(device))).maps
            logits = [branch(stage_map).logits for branch, stage_map in zip(branches, maps, strict=True)]
            guesses.append(torch.stack([read(z).argmax(1).view(-1, 4) for z in logits]).cpu())
    right = torch.cat(guesses, 1).eq(y[:, None]).double() * 100  # (branches, n, 4)
    return list(zip(right.mean((1, 2)).tolist(), right[:, :, 0].mean(1).tolist(), strict=True))


def knn(bank: Tensor, bank_y: Tensor, queries: Tensor, k: int = 20, T: float = 0.07) -> Tensor:
    """Predicted class of each query (n,) by weighted k-nearest neighbours on cosine similarity.

    The k nearest rows of the bank vote with weight exp(cos / T) (Wu et al. 2018; solo-learn's defaults). A bank with
    fewer rows than k votes as a whole; k=1 does not depend on T. 100 % on its own bank with k=1.
    """
    similarity = F.normalize(queries, dim=1) @ F.normalize(bank, dim=1).T
    near, rows = similarity.topk(min(k, len(bank)), dim=1)
    votes = torch.zeros(len(queries), int(bank_y.max()) + 1).scatter_add_(1, bank_y[rows], ((near - 1) / T).exp())
    return votes.argmax(1)


def collapse(a: Tensor, b: Tensor) -> dict[str, float]:
    """How far embeddings (n, D) of two views are from collapse, on unit vectors.

    `val_std`: mean over dimensions of the standard deviation, times sqrt(D): 1 for a uniform sphere, 0 for collapse
    (Chen & He 2021, SimSiam). `val_alignment`: mean squared distance of the two views, 0 is best; `val_uniformity`: log
    of the mean of exp(-2 d^2) over all pairs of different images, -4 is a uniform sphere of many dimensions, 0 is
    collapse (Wang & Isola 2020).
    """
    a, b = (F.normalize(z.float(), dim=1) for z in (a, b))
    std = torch.cat([a, b]).std(0).mean() * a.shape[1] ** 0.5
    numbers = std, (a - b).square().sum(1).mean(), torch.pdist(a).square().mul(-2).exp().mean().log()
    return dict(zip(("val_std", "val_alignment", "val_uniformity"), (round(n.item(), 4) for n in numbers), strict=True))


def linear_probe(
    train: Tensor, train_y: Tensor, val: Tensor, val_y: Tensor, strengths=(0.01, 0.1, 1.0, 10.0, 100.0)
):  # fmt: skip
    """Logistic regression on cached features, standardised; its regularisation is chosen on the validation rows.

    Returns the fitted scikit-learn pipeline. Without validation rows the strength is 1. `strengths` are scikit-learn's
    C, the inverse of the L2 penalty.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from threadpoolctl import threadpool_limits

    def fitted(C: float):
        probe = make_pipeline(StandardScaler(), LogisticRegression(C=C, max_iter=1000))
        # For few rows the threads of a linear-algebra library cost far more than they save
        with threadpool_limits(1 if train.numel() < 1e6 else None, user_api="blas"):
            return probe.fit(train.numpy(), train_y.numpy())

    if not len(val):
        return fitted(1.0)
    probes = [fitted(C) for C in strengths]
    return max(probes, key=lambda probe: probe.score(val.numpy(), val_y.numpy()))

"""Which images belong to which class."""

import torch
from torch import Tensor


def rows_by_class(labels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The labelled images sorted by class: their rows (R,), how many each class has (K,), where each class starts (K,).

    For labels (n,) with -1 = unlabelled. The images of class c are `rows[starts[c] : starts[c] + counts[c]]`, in
    ascending order; K is the largest label + 1. Without any labelled image there is one class, which is empty.
    """
    labelled = (labels >= 0).nonzero()[:, 0]
    of_labelled = labels[labelled]
    counts = torch.bincount(of_labelled, minlength=1)
    return labelled[of_labelled.argsort(stable=True)], counts, counts.cumsum(0) - counts

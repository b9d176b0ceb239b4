"""How far embeddings are from collapse, the same point for every image."""

import torch
import torch.nn.functional as F
from torch import Tensor

from ..core.moving import to_device, to_host
from ..core.seeds import generator
from ..experiment.setup import Setup
from ..methods import Method
from ..models import evaluating

IMAGES = 512  # at most so many of a part are looked at: the pairs grow with the square


def collapse(a: Tensor, b: Tensor) -> dict[str, float]:
    """Compare embeddings (n, D) of two views of the same images, at unit length.

    `std`: mean over dimensions of the standard deviation, times sqrt(D): 1 for a uniform sphere, 0 for collapse (Chen &
    He 2021, SimSiam). `alignment`: mean squared distance of the two views, 0 is best; `uniformity`: log of the mean of
    exp(-2 d^2) over all pairs of different images, -4 is a uniform sphere of many dimensions, 0 is collapse (Wang &
    Isola 2020). One image makes no pair, and has no `uniformity`.
    """
    a, b = (F.normalize(z.float(), dim=1) for z in to_host((a, b)))  # Apple's GPUs have no pdist
    std = torch.cat([a, b]).std(0).mean() * a.shape[1] ** 0.5
    numbers = {"std": std.item(), "alignment": (a - b).square().sum(1).mean().item()}
    if len(a) > 1:
        numbers["uniformity"] = torch.pdist(a).square().mul(-2).exp().mean().log().item()
    return numbers


def embeds(method: Method) -> bool:
    """Return whether the method has embeddings that its loss compares."""
    return type(method).embed is not Method.embed


def of_two_views(name: str, setup: Setup, part: str) -> float | None:
    """Return a number of `collapse` of two fixed views of a part's first images."""

    def compute() -> dict[str, float]:
        draw = generator(setup.config.seed, "diagnostics")
        images = to_device(setup.part(part)[0][:IMAGES], setup.device)
        with evaluating(setup.method):
            both = (setup.batches.views * 2)[:2]  # of a method with one view it is drawn twice
            views = [setup.method.embed(setup.normalise(view(images, draw))) for view in both]
        first, second = (view for view in views if view is not None)
        return collapse(first, second)

    return setup.once(("collapse", part), compute).get(name)

"""Accuracy of the auxiliary branches of a network, by depth."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..core.moving import to_device
from ..data import Normalise, Pixels
from ..data.augment import ops
from ..experiment.setup import Setup
from ..losses import class_log_probabilities, class_logits
from ..methods import Method
from ..models import Branch, Network, evaluating


def branch_accuracy(
    net: Network,
    branches: nn.ModuleList,
    images: Pixels,
    y: Tensor,
    normalise: Normalise,
    read: Callable[[Tensor], Tensor] = class_logits,
    batch: int = 128,
) -> list[tuple[float, float]]:
    """Measure the accuracy of each branch of HSAKD and LSSKD, by depth, in percent.

    Returns (over all four rotations, over upright images) for each branch. Images are uint8 (n, C, H, H). `read` turns
    joint logits of class and rotation into a score per class: the sum of its four logits (Yang et al. 2021, HSAKD), or
    `class_log_probabilities`. A rotated image counts as right when its class is, whatever rotation is seen.
    """
    guesses = []
    with evaluating(net) as device, evaluating(branches):
        for chunk in images.split(batch):
            maps = net.features(normalise(ops.rotations(to_device(chunk, device)))).maps
            logits = [
                branch(stage_map).logits for branch, stage_map in zip(branches, maps[-len(branches) :], strict=True)
            ]
            guesses.append(torch.stack([read(z).argmax(1).view(-1, 4) for z in logits]))
    right = torch.cat(guesses, 1).cpu().eq(y[:, None]).double() * 100  # (branches, n, 4)
    return list(zip(right.mean((1, 2)).tolist(), right[:, :, 0].mean(1).tolist(), strict=True))


def has_joint_branches(method: Method) -> bool:
    """Return whether the method keeps branches for class and rotation."""
    branches = method.parts.get("branches", nn.ModuleList()).children()
    outputs = {branch.head.out_features for branch in branches if isinstance(branch, Branch)}
    return outputs == {4 * method.model.num_classes}


def of_branches(setup: Setup, part: str) -> dict[str, float]:
    """How often each branch is right on upright images.

    Branch 1 is the shallowest; the probabilities of a class are summed over rotations.
    """
    method, (images, y) = setup.method, setup.part(part)
    branches = nn.ModuleList(method.parts["branches"].children())
    exits = branch_accuracy(method.model, branches, images, y, setup.normalise, class_log_probabilities)
    return {str(depth): upright for depth, (_, upright) in enumerate(exits, start=1)}

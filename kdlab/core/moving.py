"""Move tensors to a device without a wait of the host, and back with one."""

from typing import TypeVar

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten

ALIGNED = 16  # bytes: where a tensor of any type may begin
Tree = TypeVar("Tree")


def to_device(x: Tensor, device: torch.device | str) -> Tensor:
    """Move a tensor to a device, and let the host go on meanwhile.

    CUDA then reads page-locked memory. For Apple's GPUs the host waits: torch would let them read what is freed.
    """
    kind = torch.device(device).type
    if kind == "cuda" and x.device.type == "cpu":
        x = x.pin_memory()
    return x.to(device, non_blocking=kind != "mps")


def all_to_device(tree: Tree, device: torch.device) -> Tree:
    """Move all tensors of a tree from the host, as the bytes of one buffer.

    A tree is nested lists, tuples and mappings. On the host it stays as it is.
    """
    if device.type == "cpu":
        return tree
    leaves, form = tree_flatten(tree)
    tensors = {number: leaf.contiguous() for number, leaf in enumerate(leaves) if isinstance(leaf, Tensor)}
    sizes = [-(-each.nbytes // ALIGNED) * ALIGNED for each in tensors.values()]
    buffer = torch.empty(sum(sizes), dtype=torch.uint8, pin_memory=device.type == "cuda")
    for each, part in zip(tensors.values(), buffer.split(sizes), strict=True):
        part[: each.nbytes] = each.view(-1).view(torch.uint8)
    for (number, each), part in zip(tensors.items(), to_device(buffer, device).split(sizes), strict=True):
        leaves[number] = part[: each.nbytes].view(each.dtype).view(each.shape)
    return tree_unflatten(leaves, form)


def to_host(tree: Tree) -> Tree:
    """Copy all tensors of a tree to the host in one piece.

    A tree is nested lists, tuples and mappings. The tensors travel as the bytes of one buffer, and come with the
    strides that they had. What is on the host already stays the same tensor. No gradient reaches the copies.
    """
    away = {id(x): x for x in tree_leaves(tree) if isinstance(x, Tensor) and x.device.type != "cpu"}
    if not away:
        return tree
    # Large elements first: so each tensor begins at a multiple of the size of its own
    ordered = sorted(away.values(), key=lambda x: -x.element_size())
    dense = [x.detach().clone() for x in ordered]
    buffer = torch.cat([x.as_strided((x.numel(),), (1,)).view(torch.uint8) for x in dense]).cpu()
    pieces = buffer.split([x.nbytes for x in dense])
    copies = {
        id(x): piece.view(x.dtype).as_strided(x.shape, like.stride()).clone()
        for x, like, piece in zip(ordered, dense, pieces, strict=True)
    }
    return tree_map(lambda x: copies.get(id(x), x), tree)

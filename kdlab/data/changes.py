"""Changes of images: drawn and sorted on the host, made on the device."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from ..core.moving import all_to_device

NUMBERS = 2**19  # of the images that a processor changes at a time: its cache has room for them
FEW = 16  # images that are not worth parting


class Change(NamedTuple):
    """Operations on a batch of images, with parameters (B, ...) on the host.

    Of images (B, C, H, W) image i becomes what `ops[kind[i]](images, *parameters)` makes of it, and stays as it is
    where `kind` is len(ops). Such operations may write into their images. Without `kind` there is one, for all.
    """

    ops: tuple[Callable[..., Tensor], ...]
    parameters: tuple[Tensor, ...] = ()
    kind: Tensor | None = None

    def only(self, on: Tensor) -> "Change":
        """Leave images as they are where `on`, a bool (B,), is false."""
        kind = torch.zeros(len(on), dtype=torch.int64) if self.kind is None else self.kind
        return self._replace(kind=kind.masked_fill(~on, len(self.ops)))


class Step(NamedTuple):
    """Bring images into an `order`, then change them: `sizes[k]` by `ops[k]`."""

    order: Tensor | None
    ops: Sequence[Callable[..., Tensor]]
    sizes: Sequence[int]
    parameters: Sequence[Tensor]


class Plan(NamedTuple):
    """Steps for each `size` images of a batch."""

    size: int
    pieces: list[list[Step]]

    def carry_out(self, images: Tensor, out: Tensor) -> Tensor:
        """Write changed `images` (B, C, H, W) into `out`, and return it."""
        for piece, result, steps in zip(images.split(self.size), out.split(self.size), self.pieces, strict=False):
            with torch.inference_mode(out.device.type == "cpu"):  # an operation takes a fifth less of the host's time
                _make(steps, piece, result)
        return out


def _make(steps: Sequence[Step], x: Tensor, out: Tensor) -> None:
    for order, ops, sizes, parameters in steps[:-1]:
        if order is None:
            x = ops[0](x, *parameters)
            continue
        x = x.index_select(0, order)
        for op, part, *each in zip(ops, x.split(sizes), *(p.split(sizes) for p in parameters), strict=False):
            if len(part) and (new := op(part, *each)) is not part:
                part.copy_(new)
    if (order := steps[-1].order) is None:
        out.copy_(x)
    else:
        torch.index_select(x, 0, order, out=out)


def plan(changes: Sequence[Change], shape: Sequence[int], device: torch.device) -> Plan:
    """Plan changes of images of this shape (B, C, H, W), with all tensors on the host."""
    count, *image = shape
    most = max(FEW, NUMBERS // torch.Size(image).numel()) if device.type == "cpu" else max(1, count)
    size = -(-count // -(-count // most)) if count else 1
    return Plan(size, [_steps(changes, slice(i, min(i + size, count))) for i in range(0, count, size)])


def _steps(changes: Sequence[Change], rows: slice) -> list[Step]:
    """Sort the images `rows` by kind for each change; the last step brings them back."""
    steps, order = [], torch.arange(rows.stop - rows.start)
    natural = order
    for ops, parameters, kind in changes:
        move, sizes = None, ()
        if kind is not None:
            before, order = order, kind[rows].argsort(stable=True)
            move = order if before is natural else _inverse(before).index_select(0, order)
            sizes = torch.bincount(kind[rows], minlength=len(ops) + 1).tolist()
        parts = [each[rows] if order is natural else each[rows].index_select(0, order) for each in parameters]
        steps.append(Step(move, ops, sizes, parts))
    return [*steps, Step(None if order is natural else _inverse(order), (), (), ())]


def _inverse(order: Tensor) -> Tensor:
    return torch.empty_like(order).index_copy_(0, order, torch.arange(len(order)))


class View:
    """How images are changed for a network, drawn anew for each batch."""

    def draw(self, shape: Sequence[int], generator: torch.Generator) -> list[Change]:
        """Draw what is done to images of this shape (B, C, H, W)."""
        raise NotImplementedError

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        return changed(images, self.draw(images.shape, generator))


def changed(images: Tensor, changes: Sequence[Change]) -> Tensor:
    """Return changed images, float, on the device of `images`."""
    dtype = images.dtype if images.is_floating_point() else None
    out = torch.empty(images.shape, dtype=dtype, device=images.device)
    return all_to_device(plan(changes, images.shape, images.device), images.device).carry_out(images, out)

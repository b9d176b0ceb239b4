"""Optimisers by name. A new one is one function and one line in OPTIMIZERS.

A function takes parameter groups and the learning rate; its keyword arguments are what a Config can set: `momentum` and
`nesterov` by the fields of that name, all others by `optimizer_hp`.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch.optim import SGD, Adam, AdamW, Optimizer

from ..core.errors import known
from ..core.hyper import Positive, ShareBelow1, hyper, hyper_parameters

Groups = list[dict[str, Any]]
FIELDS = ("momentum", "nesterov")  # what Config has fields of its own for


class LARS(SGD):
    """SGD with momentum whose step is scaled, layer by layer, to the weights' norm.

    You, Gitman & Ginsburg 2017, for large batches: what solo-learn pre-trains with.

    For every parameter of two or more dimensions the gradient g, with weight decay wd, becomes
    `local * (g + wd * p)` with `local = eta * |p| / (|g| + wd * |p| + 1e-8)`; as in solo-learn's recipes `local / lr`
    is clipped at 1 (`clip_lr`), so that a layer never moves faster than plain SGD. Vectors (biases, batch norms) take
    plain SGD steps; leave weight decay off them with `decay_all=False`.
    """

    def __init__(
        self,
        groups: Groups,
        lr: float,
        *,
        momentum: ShareBelow1 = 0.9,
        nesterov: bool = False,
        eta: Positive = 0.02,
    ) -> None:
        super().__init__(groups, lr=lr, momentum=momentum, nesterov=nesterov)
        self.eta = eta

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Make one step.

        The gradients are scaled in place, and the weight decay of matrices is put into them.
        """
        decays = [group["weight_decay"] for group in self.param_groups]
        for group in self.param_groups:
            matrices = [p for p in group["params"] if p.ndim > 1 and p.grad is not None]
            if not matrices or group["lr"] == 0:
                continue
            decay, gradients = group["weight_decay"], [p.grad for p in matrices]
            of_weights, of_gradients = (torch.stack(torch._foreach_norm(ts)) for ts in (matrices, gradients))  # noqa: SLF001
            local = self.eta * of_weights / (of_gradients + decay * of_weights + 1e-8)
            local = torch.where((of_weights > 0) & (of_gradients > 0), (local / group["lr"]).clamp(max=1.0), 1.0)
            torch._foreach_add_(gradients, matrices, alpha=decay)
            torch._foreach_mul_(gradients, list(local.unbind()))
            if vectors := [p for p in group["params"] if p.ndim <= 1 and p.grad is not None]:
                torch._foreach_add_([p.grad for p in vectors], vectors, alpha=decay)
            group["weight_decay"] = 0.0  # it is in the gradients now
        try:
            return super().step(closure)
        finally:
            for group, decay in zip(self.param_groups, decays, strict=True):
                group["weight_decay"] = decay


def adamw(
    groups: Groups, lr: float, *, beta1: ShareBelow1 = 0.9, beta2: ShareBelow1 = 0.999, eps: Positive = 1e-8
) -> Optimizer:
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""
    return AdamW(groups, lr=lr, betas=(beta1, beta2), eps=eps, fused=True)


def adam(
    groups: Groups, lr: float, *, beta1: ShareBelow1 = 0.9, beta2: ShareBelow1 = 0.999, eps: Positive = 1e-8
) -> Optimizer:
    """Adam, whose weight decay is part of the gradient (Kingma & Ba 2015)."""
    return Adam(groups, lr=lr, betas=(beta1, beta2), eps=eps, fused=True)


def sgd(groups: Groups, lr: float, *, momentum: ShareBelow1 = 0.9, nesterov: bool = False) -> Optimizer:
    """Stochastic gradient descent with momentum."""
    return SGD(groups, lr=lr, momentum=momentum, nesterov=nesterov, fused=True)


OPTIMIZERS: dict[str, Callable[..., Optimizer]] = {"adamw": adamw, "adam": adam, "sgd": sgd, "lars": LARS}


def optimizer_options(name: str, chosen: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """Return the checked keyword arguments of the optimiser `name`.

    They are those of `fields` that it knows, and `chosen`.
    """
    optimizer = OPTIMIZERS[known("optimizer", name, OPTIMIZERS)]
    options = hyper(name, optimizer, chosen, apart=FIELDS)
    return options | {n: value for n, value in fields.items() if n in hyper_parameters(optimizer)}

"""Optimisers by name, from parameter groups and a Config."""

from collections.abc import Callable

import torch
from torch.optim import SGD, Adam, AdamW, Optimizer

from .config import Config


class LARS(SGD):
    """SGD with momentum whose step is scaled, layer by layer, to the norm of the weights (You, Gitman & Ginsburg 2017).

    For every parameter of two or more dimensions the gradient g, with weight decay wd, becomes
    `local * (g + wd * p)` with `local = eta * |p| / (|g| + wd * |p| + 1e-8)`; as in solo-learn's recipes `local / lr` is
    clipped at 1 (`clip_lr`), so that a layer never moves faster than plain SGD. Vectors (biases, batch norms) take plain
    SGD steps; leave weight decay off them with `decay_all=False`.
    """

    def __init__(self, groups, lr: float, momentum: float = 0.9, nesterov: bool = False, eta: float = 0.02):
        super().__init__(groups, lr=lr, momentum=momentum, nesterov=nesterov)
        self.eta = eta

    @torch.no_grad()
    def step(self, closure=None):
        decays = [group["weight_decay"] for group in self.param_groups]
        for group in self.param_groups:
            matrices = [p for p in group["params"] if p.ndim > 1 and p.grad is not None]
            if not matrices or group["lr"] == 0:
                continue
            decay, gradients = group["weight_decay"], [p.grad for p in matrices]
            of_weights, of_gradients = (torch.stack(torch._foreach_norm(ts)) for ts in (matrices, gradients))
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


def _adam(kind: type[Optimizer]) -> Callable[..., Optimizer]:
    return lambda groups, config: kind(groups, lr=config.lr, fused=True)


OPTIMIZERS: dict[str, Callable[[list[dict], Config], Optimizer]] = {
    "adamw": _adam(AdamW),
    "adam": _adam(Adam),
    "sgd": lambda groups, c: SGD(groups, lr=c.lr, momentum=c.momentum, nesterov=c.nesterov, fused=True),
    "lars": lambda groups, c: LARS(groups, c.lr, c.momentum, c.nesterov),
}

"""Points on a circle under SimCLR, MoCo and BYOL: what keeps them apart, and how they collapse.

A small network of two layers puts points of a circle on another one.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn
from torch.nn.functional import linear, normalize

from .. import losses
from ..plots.explorers import plot_circle
from .frame import Choice, Explorer, Slider, explore
from .gallery import in_gallery

IMAGES, NOISE, QUEUE = 64, 0.2, 64
PREDICT = (
    "Choose BYOL, take its predictor away and set its momentum to 0: no loss falls lower. Where will the points be "
    "after forty steps? Which of the two brings them back alone, and what does the stopped gradient do?"
)


@in_gallery("contrast and collapse on a circle", "02_ssl_pretraining")
def circle(
    method: str = "SimCLR",
    T: float = 0.5,
    batch: int = 16,
    predictor: bool = True,
    stop_gradient: bool = True,
    momentum: float = 0.99,
    step: int = 40,
) -> Explorer:
    """Pre-training in a picture: images are points on a circle, a small network puts views of them on another one."""
    return explore(
        draw,
        "kdlab.widgets.circle({})",
        PREDICT,
        method=Choice(method, ["SimCLR", "MoCo", "BYOL"]),
        T=Slider(T, 0.05, 2.0, log=True, label="temperature (SimCLR, MoCo)"),
        batch=Slider(batch, 4, 64, 4, label="batch"),
        predictor=Choice(predictor, label="predictor (BYOL)"),
        stop_gradient=Choice(stop_gradient, label="stopped gradient (BYOL, momentum 0)"),
        momentum=Slider(momentum, 0.0, 0.99, label="momentum (MoCo, BYOL)"),
        step=Slider(step, 0, 200, 10, label="steps trained"),
    )


def draw(**values: Any) -> plt.Figure:
    """The picture of a state."""
    steps = int(values.pop("step"))
    toy = _toy(**values)
    toy.train(steps)
    return plot_circle(toy.seen[steps], angles(), toy.history[: steps + 1], toy.losses[steps])


def angles() -> Tensor:
    """The angles of all images."""
    return torch.arange(IMAGES) * 2 * math.pi / IMAGES


class Toy:
    """The network, its slow copy, the predictor and the queue, after some steps.

    Weights are plain tensors and the steps of SGD are written out: modules and an optimizer took half of the time.
    """

    def __init__(
        self, method: str, T: float, batch: int, predictor: bool, stop_gradient: bool, momentum: float
    ) -> None:
        self.method, self.T, self.batch, self.stop, self.momentum = method, T, batch, stop_gradient, momentum
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            self.net, small = _weights(2, 32, 2), _weights(2, 16, 2)
            self.queue = normalize(torch.randn(2, QUEUE), dim=0)
        self.predictor = small if predictor and method == "BYOL" else []
        self.slow = [w.detach() for w in self.net]
        self.speed = [torch.zeros_like(w) for w in (*self.net, *self.predictor)]
        self.draw = torch.Generator().manual_seed(1)
        self.seen, self.history, self.losses = list[Tensor](), list[float](), [math.nan]  # after 0, 1, 2, ... steps
        self.look([self.net])

    def views(self, steps: int) -> Tensor:
        """Two views of a batch of images for each step, one below the other: points (steps, 2 batch, 2) near theirs."""
        rows, noise = [], []
        for _ in range(steps):
            rows += 2 * [torch.randperm(IMAGES, generator=self.draw)[: self.batch]]
            noise += [torch.randn(self.batch, generator=self.draw) for _ in range(2)]
        return _place((angles()[torch.stack(rows)] + NOISE * torch.stack(noise)).view(steps, -1))

    def objective(self, views: Tensor) -> Tensor:
        """The method's loss for two views (2 batch, 2)."""
        if self.method == "SimCLR":
            return losses.nt_xent(*_net(views, self.net).chunk(2), T=self.T)
        first, second = views.chunk(2)
        if self.method == "MoCo":
            keys = normalize(_net(second, self.slow), dim=1)
            loss = losses.info_nce(normalize(_net(first, self.net), dim=1), keys, self.queue, self.T)
            self.queue = torch.cat([self.queue, keys.T], 1)[:, -QUEUE:]
            return loss
        target = _net(torch.cat([second, first]), self.slow if self.momentum else self.net)
        embedded = _net(views, self.net)
        predicted = _net(embedded, self.predictor) if self.predictor else embedded
        loss = losses.byol(predicted, target)
        if not self.stop:  # `byol` gives its target no gradient: exchanged, that of the target is added, and no value
            loss = loss + (other := losses.byol(target, predicted)) - other.detach()
        return 2 * loss  # the sum of two means

    def train(self, steps: int) -> None:
        """SGD until so many steps are done; the slow copy follows after each."""
        if (more := steps + 1 - len(self.losses)) <= 0:
            return
        past, found = [], []
        for views in self.views(more):
            moved = [*self.net, *self.predictor]
            loss = self.objective(views)
            gradients = torch.autograd.grad(loss, moved)
            with torch.no_grad():
                self.speed = [g.add(v, alpha=0.9) for g, v in zip(gradients, self.speed, strict=True)]
                moved = [w.add(v, alpha=-0.1).requires_grad_() for w, v in zip(moved, self.speed, strict=True)]
                self.net, self.predictor = moved[: len(self.net)], moved[len(self.net) :]
                self.slow = [s.lerp(w, 1 - self.momentum) for s, w in zip(self.slow, self.net, strict=True)]
            past.append(self.net)
            found.append(loss.detach())
        self.losses += torch.stack(found).tolist()
        self.look(past)

    @torch.no_grad()
    def look(self, past: list[list[Tensor]]) -> None:
        """The embeddings of all images on the unit circle after each step, and 1 - the length of their mean."""
        images = _place(angles())
        each = [torch.stack(weights) for weights in zip(*past, strict=True)]
        points = normalize(torch.vmap(_net, (None, 0))(images, each), dim=2)
        self.seen += points.unbind()
        self.history += (1 - points.mean(1).norm(dim=1)).tolist()


def _weights(inputs: int, hidden: int, outputs: int) -> list[Tensor]:
    return [w for layer in (nn.Linear(inputs, hidden), nn.Linear(hidden, outputs)) for w in layer.parameters()]


def _net(x: Tensor, weights: Sequence[Tensor]) -> Tensor:
    first, first_bias, second, second_bias = weights
    return linear(torch.tanh(linear(x, first, first_bias)), second, second_bias)


def _place(at: Tensor) -> Tensor:
    return torch.stack([at.cos(), at.sin()], -1)


_toy = lru_cache(maxsize=16)(Toy)  # moving `step` alone goes on from where it was

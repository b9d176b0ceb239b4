"""Points on a circle under SimCLR, MoCo and BYOL: what keeps them apart.

A small network of two layers puts points of a circle on another one.
"""

import copy
import math
from functools import lru_cache
from typing import Any

import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from .. import losses
from ..plots.explorers import plot_circle
from .frame import Choice, Explorer, Slider, explore, in_gallery

IMAGES, NOISE, QUEUE = 64, 0.2, 64
ANGLES = torch.arange(IMAGES) * 2 * math.pi / IMAGES
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
    """Show pre-training: images are points on a circle, embeddings on another one."""
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
    """Draw a state."""
    steps = int(values.pop("step"))
    toy = _toy(**values)
    toy.train(steps)
    return plot_circle(toy.seen[steps], ANGLES, toy.history[: steps + 1], toy.losses[steps])


class Toy:
    """The network, its slow copy, the predictor and the queue, after some steps."""

    def __init__(
        self, method: str, T: float, batch: int, predictor: bool, stop_gradient: bool, momentum: float
    ) -> None:
        self.method, self.T, self.batch, self.stop, self.momentum = method, T, batch, stop_gradient, momentum
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            self.net, small = _network(32), _network(16)
            self.queue = normalize(torch.randn(2, QUEUE), dim=0)
        self.predictor = small if predictor and method == "BYOL" else nn.Identity()
        self.slow = copy.deepcopy(self.net).requires_grad_(False)
        weights = [*self.net.parameters(), *self.predictor.parameters()]
        self.optimizer = torch.optim.SGD(weights, lr=0.1, momentum=0.9)
        self.draw = torch.Generator().manual_seed(1)
        self.seen, self.history, self.losses = list[Tensor](), list[float](), [math.nan]  # after 0, 1, 2, ... steps
        self.look()

    def objective(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the method's loss for two views (batch, 2)."""
        if self.method == "SimCLR":
            return losses.nt_xent(self.net(first), self.net(second), T=self.T)
        if self.method == "MoCo":
            keys = normalize(self.slow(second), dim=1)
            loss = losses.info_nce(normalize(self.net(first), dim=1), keys, self.queue, self.T)
            self.queue = torch.cat([self.queue, keys.T], 1)[:, -QUEUE:]
            return loss
        target = (self.slow if self.momentum else self.net)(torch.cat([second, first]))
        predicted = self.predictor(self.net(torch.cat([first, second])))
        loss = losses.byol(predicted, target)
        if not self.stop:  # `byol` gives its target no gradient: exchanged, that of the target is added, and no value
            loss = loss + (other := losses.byol(target, predicted)) - other.detach()
        return 2 * loss  # the sum of two means

    def train(self, steps: int) -> None:
        """Train by SGD until so many steps are done; the slow copy follows after each."""
        while len(self.losses) <= steps:
            rows = torch.randperm(IMAGES, generator=self.draw)[: self.batch]
            # Two views of an image are points near its own
            noise = [NOISE * torch.randn(len(rows), generator=self.draw) for _ in range(2)]
            loss = self.objective(*_point(ANGLES[rows] + torch.stack(noise)))
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            with torch.no_grad():
                for slow, fast in zip(self.slow.parameters(), self.net.parameters(), strict=True):
                    slow.lerp_(fast, 1 - self.momentum)
            self.losses.append(loss.item())
            self.look()

    @torch.no_grad()
    def look(self) -> None:
        """Record the embeddings of all images, and the spread: 1 - |their mean|."""
        points = normalize(self.net(_point(ANGLES)), dim=1)
        self.seen.append(points)
        self.history.append(1 - points.mean(0).norm().item())


def _network(hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, hidden), nn.Tanh(), nn.Linear(hidden, 2))


def _point(angle: Tensor) -> Tensor:
    return torch.stack([angle.cos(), angle.sin()], -1)


_toy = lru_cache(maxsize=16)(Toy)  # moving `step` alone goes on from where it was

"""Points on a circle under SimCLR, MoCo and BYOL: what keeps them apart, and how they collapse."""

import copy
import math
from functools import lru_cache
from typing import Any

import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from .. import losses
from ..methods.momentum import follow
from ..plots.explorers import plot_circle
from .controls import Choice, Slider
from .frame import Explorer, explore

IMAGES, NOISE, QUEUE = 64, 0.2, 64
PREDICT = (
    "Choose BYOL, take its predictor away and set its momentum to 0: no loss falls lower. Where will the points be "
    "after sixty steps? Which of the two brings them back alone, and what does the stopped gradient do?"
)


def circle(
    method: str = "SimCLR", T: float = 0.5, batch: int = 16, predictor: bool = True, stop_gradient: bool = True,
    momentum: float = 0.99, step: int = 60,
) -> Explorer:  # fmt: skip
    """Pre-training in a picture: images are points on a circle, a small network puts views of them on another one."""
    return explore(
        draw, "kdlab.widgets.circle({})", PREDICT,
        method=Choice(method, ["SimCLR", "MoCo", "BYOL"]),
        T=Slider(T, 0.05, 2.0, log=True, label="temperature"),
        batch=Slider(batch, 4, 64, 4, label="batch"),
        predictor=Choice(predictor, label="predictor (BYOL)"),
        stop_gradient=Choice(stop_gradient, label="stopped gradient (BYOL)"),
        momentum=Slider(momentum, 0.0, 0.99, label="momentum (MoCo, BYOL)"),
        step=Slider(step, 0, 200, 10, label="steps trained"),
    )  # fmt: skip


def draw(**values: Any) -> plt.Figure:
    """The picture of a state."""
    steps = int(values.pop("step"))
    toy = _toy(**values)
    toy.train(steps)
    angles = torch.arange(IMAGES) * 2 * math.pi / IMAGES
    return plot_circle(toy.seen[steps], angles, toy.history[: steps + 1], toy.losses[steps])


class Toy:
    """The network, its slow copy, the predictor and the queue, after some steps."""

    def __init__(
        self, method: str, T: float, batch: int, predictor: bool, stop_gradient: bool, momentum: float
    ) -> None:
        self.method, self.T, self.batch, self.stop, self.momentum = method, T, batch, stop_gradient, momentum
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            self.net, small = _mlp(2, 32, 2), _mlp(2, 16, 2)
            self.queue = normalize(torch.randn(2, QUEUE), dim=0)
        self.predictor = small if predictor else nn.Identity()
        self.slow = copy.deepcopy(self.net)
        self.optimizer = torch.optim.SGD([*self.net.parameters(), *self.predictor.parameters()], 0.1, momentum=0.9)
        self.draw = torch.Generator().manual_seed(1)
        self.seen, self.losses = [self.points()], [math.nan]  # after 0, 1, 2, ... steps

    @property
    def history(self) -> list[float]:
        """1 - length of the mean embedding, after every step."""
        return [1 - points.mean(0).norm().item() for points in self.seen]

    def views(self) -> list[Tensor]:
        """Two views of a batch of images: points (batch, 2) near theirs."""
        angles = torch.randperm(IMAGES, generator=self.draw)[: self.batch] * 2 * math.pi / IMAGES
        return [_place(angles + NOISE * torch.randn(self.batch, generator=self.draw)) for _ in range(2)]

    def objective(self, first: Tensor, second: Tensor) -> Tensor:
        """The method's loss for two views."""
        if self.method == "SimCLR":
            return losses.nt_xent(self.net(first), self.net(second), T=self.T)
        if self.method == "MoCo":
            with torch.no_grad():
                keys = normalize(self.slow(second), dim=1)
            loss = losses.info_nce(normalize(self.net(first), dim=1), keys, self.queue, self.T)
            self.queue = torch.cat([self.queue, keys.T], 1)[:, -QUEUE:]
            return loss
        target = self.slow if self.momentum else self.net
        targets = [target(x).detach() if self.stop else target(x) for x in (second, first)]
        return sum((losses.byol(self.predictor(self.net(x)), t) for x, t in zip((first, second), targets, strict=True)),
                   torch.zeros(()))  # fmt: skip

    def train(self, steps: int) -> None:
        """SGD until so many steps are done; the slow copy follows after each."""
        while len(self.seen) <= steps:
            loss = self.objective(*self.views())
            self.optimizer.zero_grad()
            loss.backward()
            self.optimizer.step()
            follow(self.slow, self.net, self.momentum)
            self.seen.append(self.points())
            self.losses.append(loss.item())

    def points(self) -> Tensor:
        """The embeddings of all images, on the unit circle."""
        with torch.no_grad():
            return normalize(self.net(_place(torch.arange(IMAGES) * 2 * math.pi / IMAGES)), dim=1)


_toy = lru_cache(maxsize=16)(Toy)  # moving `step` alone goes on from where it was


def _mlp(inputs: int, hidden: int, outputs: int) -> nn.Module:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.Tanh(), nn.Linear(hidden, outputs))


def _place(angles: Tensor) -> Tensor:
    return torch.stack([angles.cos(), angles.sin()], 1)

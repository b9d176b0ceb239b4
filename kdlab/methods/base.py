"""The contract of a training method: a batch becomes named loss terms.

The terms are unweighted; the training loop does everything else.
"""

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from ..core.arithmetic import total
from ..core.errors import Error, known
from ..core.hyper import hyper as checked_hyper
from ..core.hyper import hyper_parameters
from ..data import Batch
from ..data.changes import View
from ..losses import cross_entropy, kd
from ..models import Features, Network

ROUNDING = 1e-6  # of an epoch: progress is a rounded quotient, and 15 / 22 * 22 comes out a little below 15


class Method(nn.Module):
    """What is trained, and how a batch becomes losses.

    A subclass is class data and two functions:

    - `build(self, *, name=default, ...)`: hyper-parameters are the keyword arguments of this signature, annotated with
      their type and range (`kdlab.core.hyper`); adapters, heads, queues and EMA copies are made here and belong to the
      method;
    - `terms(self, batch, progress) -> {name: scalar}`: the keys of `weights`, unweighted. It changes nothing but batch
      statistics: queues, tables and moving averages move on in `after_step(progress)` and `after_epoch(progress)`.

    State that must survive a kill is a parameter or a buffer. `self.model` is the network that is evaluated and kept.
    `self.teacher` is None or a frozen network in eval mode, `self.teacher_parts` what the teacher's own method kept
    beside it; they are not child modules, so they are never trained, saved or switched to train mode.

    A term with weight 0 is switched off: it is neither summed nor logged, and `uses(name)` lets `terms` skip its cost.
    """

    # Where it comes from
    paper: ClassVar[str] = ""  # author, year, venue
    learns_from: ClassVar[str] = "labels"  # in a word or two
    # Which images it sees
    views: ClassVar[tuple[str, ...]] = ("weak",)  # one augmentation role per view
    shared: ClassVar[str | None] = None  # a role that is drawn once for all views of an image, before their own
    sampling: ClassVar[str] = "labelled"  # what a batch is made of: labelled, all, labelled+unlabelled or pairs
    ratio: int = 3  # unlabelled images a labelled one, for sampling labelled+unlabelled; `build` may set it
    mixes: ClassVar[bool] = False  # whether its labelled terms know the mixed labels of CutMix
    # What it minimises
    weights: Mapping[str, float] = {"ce": 1.0}  # term -> weight; what a run changes is set on the instance
    instead: ClassVar[str] = ""  # what to choose where that which it keeps for every image is too much
    # What it stands on
    needs_teacher: ClassVar[bool] = False
    from_features: ClassVar[bool] = False  # of the teacher features alone: no trained classifier, whatever classes
    needs_parts: ClassVar[tuple[str, ...]] = ()  # parts that the teacher's method must have kept
    needs_init: ClassVar[bool] = False  # goes on from the weights of another run
    first_phase: ClassVar[str | None] = None  # key of the method of that run, for methods of two phases
    # What it trains and leaves behind
    trains_head: ClassVar[bool] = True  # False: the classifier stays untrained, the run is judged by its features
    fits_head: ClassVar[bool] = False  # the network stays as it is, and logistic regression replaces all epochs
    frozen: tuple[str, ...] = ()  # child modules that no gradient trains, in eval mode; `build` may set it
    # Of a method that trains nothing the network, made from classes and shape; None: config.model, which is trained
    network: ClassVar[Callable[[int, tuple[int, int, int]], Network] | None] = None
    keeps: ClassVar[tuple[str, ...]] = ()  # parts beside the model that are stored for other runs and for pictures

    def __init__(
        self,
        model: Network,
        teacher: Network | None = None,
        *,
        weights: Mapping[str, float] | None = None,
        teacher_parts: Mapping[str, nn.Module] | None = None,
        labels: Tensor | None = None,
        batch: int = 0,
        epochs: int = 1,
        shape: tuple[int, int, int] = (3, 32, 32),
        **hyper: Any,
    ) -> None:
        """Take everything from a run and build the method.

        That is: the network to train, a trained teacher and what its method kept, changed loss weights, the labels (n,)
        of all training images, images a batch (without partners and unlabelled ones), epochs, the shape of an image,
        and hyper-parameters.
        """
        super().__init__()
        self.weights = self.check_weights(weights or {})
        self.model, self.batch, self.epochs, self.shape = model, batch, epochs, shape
        self.labels = torch.empty(0, dtype=torch.long) if labels is None else labels  # -1: none
        self._teacher = (teacher, dict(teacher_parts or {}))  # a tuple hides them from nn.Module
        for module in filter(None, (teacher, *self.teacher_parts.values())):
            module.eval().requires_grad_(False)
        self.hp = self.check_hyper(hyper)
        self.build(**self.hp)
        for name in self.frozen:
            getattr(self, name).requires_grad_(False)

    # What a method defines

    def build(self) -> None:
        """Make what the method needs beside the model.

        The keyword arguments are the method's hyper-parameters.
        """

    def augmentations(self, family: Mapping[str, View]) -> list[View]:
        """Return one augmentation per view, from those of the roles in a `family`.

        A method whose views depend on a setting changes them here.
        """
        return [family[role] for role in self.views]

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        """Compute the unweighted loss terms of one batch, at `progress` in [0, 1]."""
        raise NotImplementedError

    def factors(self, progress: float) -> dict[str, float]:
        """Return factors on the weights at `progress`, for scheduled terms; 1 if missing."""
        return {}

    def after_step(self, progress: float) -> None:
        """Update state after an optimiser step, with the progress that `terms` had."""

    def after_epoch(self, progress: float) -> None:
        """Update state after an epoch, with the progress made by then."""

    def may_stop(self, progress: float) -> bool:
        """Whether early stopping (`patience`) may end training at `progress`."""
        return True

    def embed(self, x: Tensor) -> Tensor | None:
        """Return the embeddings (B, D) that a self-supervised loss compares, else None.

        The collapse diagnostics read them.
        """
        return None

    def epoch_means(self) -> dict[str, Tensor]:
        """Return means over the epoch that ended last which are no losses, by name.

        They are scalars on the device; diagnostics log them.
        """
        return {}

    # What it finds ready

    @property
    def samples(self) -> int:
        """How many training images there are: `batch.index` is below it."""
        return len(self.labels)

    @property
    def teacher(self) -> Network | None:
        """The frozen network to learn from; None where the method needs none."""
        return self._teacher[0]

    @property
    def teacher_parts(self) -> dict[str, nn.Module]:
        """What the teacher's own method kept beside it (heads, branches), frozen, by name."""
        return self._teacher[1]

    def ce(self, logits: Tensor, batch: Batch) -> Tensor:
        """Compute the cross-entropy with the labels of the batch, mixed ones for CutMix."""
        return cross_entropy(logits, batch.y, batch.partner, batch.kept)

    def uses(self, term: str) -> bool:
        """Whether the term's weight is not zero."""
        return term in self.weights

    def epoch(self, progress: float) -> int:
        """Return the epoch, counted from 0, at `progress`; `self.epochs` at the end."""
        return int(progress * self.epochs + ROUNDING)

    # What others ask of it

    @property
    def parts(self) -> dict[str, nn.Module]:
        """The modules of `keeps`, by name."""
        return {name: getattr(self, name) for name in self.keeps}

    @property
    def held_megabytes(self) -> float:
        """Megabytes held beside the trained network.

        That is: heads, branches, copies, queues, tables and banks.
        """
        of_model = {*self.model.parameters(), *self.model.buffers()}
        return sum(tensor.nbytes for tensor in {*self.parameters(), *self.buffers()} - of_model) / 1e6

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for name in self.frozen:
            getattr(self, name).eval()
        return self

    def forward(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weighted sum of the terms, and the terms without gradient."""
        terms = self.terms(batch, progress)
        if missing := set(self.weights) - set(terms):
            raise Error(f"{type(self).__name__}.terms gave no {', '.join(sorted(missing))}: its weights name them")
        factors = self.factors(progress)
        loss = total(weight * factors.get(name, 1.0) * terms[name] for name, weight in self.weights.items())
        # The loss is an entry of a vector: where one term has weight 1, torch.compile takes a sum and its term for one
        # tensor, copies included, and hands out both without gradient
        return loss.view(1)[0], {name: terms[name].detach() for name in self.weights}

    @classmethod
    def check_weights(cls, changed: Mapping[str, float]) -> dict[str, float]:
        """Return the term weights with `changed` laid over them, without zeros.

        Unknown terms are refused.
        """
        for name, weight in changed.items():
            known(f"loss term of {cls.__name__}", name, cls.weights)
            if not 0 <= weight < math.inf:
                raise Error(f"weight {name}={weight}: a loss weight is 0 or more")
        weights = {name: float(weight) for name, weight in {**cls.weights, **changed}.items() if weight != 0}
        if not weights:
            terms = ", ".join(cls.weights)
            raise Error(f"all loss weights of {cls.__name__} are 0: at least one of {terms} must not be")
        return weights

    @classmethod
    def hyper(cls) -> dict[str, inspect.Parameter]:
        """Hyper-parameters: name -> parameter of `build`, with default and annotation."""
        return hyper_parameters(cls.build)

    @classmethod
    def check_hyper(cls, chosen: Mapping[str, Any]) -> dict[str, Any]:
        """Return all hyper-parameters: `chosen` laid over the defaults.

        Unknown names and values out of range are refused.
        """
        return checked_hyper(cls.__name__, cls.build, chosen)


class Distill(Method):
    """A method that compares a student with a frozen teacher on the same batch.

    A subclass defines `compare`:

        class Logits(Distill):
            weights = {"ce": 1.0, "match": 1.0}

            def compare(self, student, teacher, batch):
                return {"match": losses.feature_mse(student.logits, teacher.logits)}

    A subclass whose weights name `kd`, 0 by default, can be run with the teacher's logits (T = 4) on top of its own
    terms: `weights={"kd": 0.9}`.
    """

    learns_from = "logits"
    needs_teacher = True
    mixes = True

    @property
    def teacher(self) -> Network:
        """The frozen network to learn from."""
        network = super().teacher
        if network is None:
            raise Error(f"{type(self).__name__} needs a teacher: give it a trained network")
        return network

    @torch.no_grad()
    def ask_teacher(self, x: Tensor) -> Features:
        """Return the teacher's features of one view (B, C, H, W), without gradient."""
        return self.teacher.features(x)

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        student, teacher = self.model.features(batch.x[0]), self.ask_teacher(batch.x[0])
        terms = {"ce": self.ce(student.logits, batch), **self.compare(student, teacher, batch)}
        if self.uses("kd") and "kd" not in terms:
            terms["kd"] = kd(student.logits, teacher.logits, T=4.0)
        return terms

    def compare(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        """Compute the distillation terms."""
        raise NotImplementedError

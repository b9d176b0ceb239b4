"""The contract of a training method: a batch becomes named, unweighted loss terms; the loop does everything else."""

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field, TypeAdapter, ValidationError
from torch import Tensor, nn

from ..data import Batch
from ..errors import Error, known
from ..losses import cross_entropy, kd
from ..models import Features, Network

# Annotations of hyper-parameters, checked when a Config is made
Positive = Field(gt=0)
Share = Field(ge=0, le=1)


class Method(nn.Module):
    """Everything that is trained, and how a batch becomes losses. A subclass is class data and two functions:

    - `build(self, *, name=default, ...)`: hyper-parameters are the keyword arguments of this signature, annotated with
      their type and range; adapters, heads, queues and EMA copies are made here and belong to the method;
    - `terms(self, batch, progress) -> {name: scalar}`: the keys of `weights`, unweighted. It changes nothing but batch
      statistics: queues, tables and moving averages move on in `after_step(progress)` and `after_epoch(progress)`.

    State that must survive a kill is a parameter or a buffer. `self.model` is the network that is evaluated and kept.
    `self.teacher` is None or a frozen network in eval mode, `self.teacher_parts` what the teacher's own method kept
    beside it; they are not child modules, so they are never trained, saved or switched to train mode.

    A term with weight 0 is switched off: it is neither summed nor logged, and `uses(name)` lets `terms` skip its cost.
    """

    paper: ClassVar[str] = ""  # author, year, venue
    transfers: ClassVar[str] = "labels"  # what the network learns from, in a word or two
    views: ClassVar[tuple[str, ...]] = ("weak",)  # one augmentation role per view
    shared: ClassVar[str | None] = None  # a role that is drawn once for all views of an image, before their own
    draw: ClassVar[str] = "labelled"  # key of kdlab.data.DRAWS; "mixed" reads the hyper-parameter `ratio`
    weights: Mapping[str, float] = {"ce": 1.0}  # term -> weight; what a run changes is set on the instance
    needs_teacher: ClassVar[bool] = False
    needs_parts: ClassVar[tuple[str, ...]] = ()  # parts that the teacher's method must have kept
    needs_init: ClassVar[bool | str] = False  # True: goes on from the weights of another run; or that run's method
    keeps: ClassVar[tuple[str, ...]] = ()  # parts beside the model that are stored for other runs and for pictures
    frozen: ClassVar[tuple[str, ...]] = ()  # child modules that no gradient trains and that stay in eval mode
    trains_head: ClassVar[bool] = True  # False: the classifier stays untrained, the run is judged by its features
    mixes: ClassVar[bool] = False  # whether its labelled terms know the mixed labels of CutMix
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}  # name -> Config fields

    def __init__(
        self, model: Network, teacher: Network | None = None, *, weights: Mapping[str, float] | None = None,
        teacher_parts: Mapping[str, nn.Module] | None = None, labels: Tensor | None = None, batch: int = 0,
        epochs: int = 1, shape: tuple[int, int, int] = (3, 32, 32), **hyper: Any,
    ):  # fmt: skip
        super().__init__()
        self.weights = self.check_weights(weights or {})
        self.model, self.batch, self.epochs, self.shape = model, batch, epochs, shape
        self.labels = torch.empty(0, dtype=torch.long) if labels is None else labels  # of all training images, -1: none
        self._teacher = (teacher, dict(teacher_parts or {}))  # a tuple hides them from nn.Module
        for module in filter(None, (teacher, *self.teacher_parts.values())):
            module.eval().requires_grad_(False)
        self.hp = self.check_hyper(hyper)
        self.build(**self.hp)
        for name in self.frozen:
            getattr(self, name).requires_grad_(False)

    @property
    def samples(self) -> int:
        """How many training images there are: `batch.index` is below it."""
        return len(self.labels)

    @property
    def teacher(self) -> Network | None:
        return self._teacher[0]

    @property
    def teacher_parts(self) -> dict[str, nn.Module]:
        return self._teacher[1]

    @property
    def parts(self) -> dict[str, nn.Module]:
        """The modules of `keeps`, by name."""
        return {name: getattr(self, name) for name in self.keeps}

    def train(self, mode: bool = True) -> "Method":
        super().train(mode)
        for name in self.frozen:
            getattr(self, name).eval()
        return self

    def epoch(self, progress: float) -> int:
        """The epoch, counted from 0, at `progress`; `self.epochs` at the end."""
        return int(progress * self.epochs + 1e-6)

    def build(self) -> None:
        """Make what the method needs beside the model. The keyword arguments are the method's hyper-parameters."""

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        """The unweighted loss terms of one batch, at `progress` in [0, 1]."""
        raise NotImplementedError

    def factors(self, progress: float) -> dict[str, float]:
        """What multiplies the weights at `progress`, for terms whose weight is scheduled; 1 where not named."""
        return {}

    def after_step(self, progress: float) -> None:
        """Called after every optimiser step, with the progress that its `terms` had."""

    def after_epoch(self, progress: float) -> None:
        """Called after every epoch, with the progress made by then."""

    def may_stop(self, progress: float) -> bool:
        """Whether early stopping (`patience`) may end training at `progress`."""
        return True

    def embed(self, x: Tensor) -> Tensor | None:
        """The embeddings (B, D) that a self-supervised loss compares, for the collapse diagnostics; else None."""
        return None

    def ce(self, logits: Tensor, batch: Batch) -> Tensor:
        """Cross-entropy with the labels of the batch, mixed ones where CutMix mixed the images."""
        return cross_entropy(logits, batch.y, batch.partner, batch.kept)

    def uses(self, term: str) -> bool:
        """Whether the term's weight is not zero."""
        return term in self.weights

    def forward(self, batch: Batch, progress: float) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum of the terms, and the terms themselves without gradient."""
        terms = self.terms(batch, progress)
        if missing := set(self.weights) - set(terms):
            raise Error(f"{type(self).__name__}.terms gave no {', '.join(sorted(missing))}: its weights name them")
        factors = self.factors(progress)
        loss = sum(weight * factors.get(name, 1.0) * terms[name] for name, weight in self.weights.items())
        return loss, {name: terms[name].detach() for name in self.weights}

    @classmethod
    def check_weights(cls, changed: Mapping[str, float]) -> dict[str, float]:
        """The term weights with `changed` laid over them; zeros are left out, unknown terms refused."""
        for name in changed:
            known(f"loss term of {cls.__name__}", name, cls.weights)
            if not 0 <= changed[name] < float("inf"):
                raise Error(f"weight {name}={changed[name]}: a loss weight is 0 or more")
        weights = {name: float(w) for name, w in {**cls.weights, **changed}.items() if w != 0}
        if not weights:
            raise Error(
                f"all loss weights of {cls.__name__} are 0: at least one of {', '.join(cls.weights)} must not be"
            )
        return weights

    @classmethod
    def hyper(cls) -> dict[str, inspect.Parameter]:
        """Hyper-parameters: name -> parameter of `build`, with default and annotation."""
        return {n: p for n, p in inspect.signature(cls.build).parameters.items() if p.kind is p.KEYWORD_ONLY}

    @classmethod
    def check_hyper(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        """All hyper-parameters, `given` laid over the defaults; unknown names and values out of range are refused."""
        signature = cls.hyper()
        for name in given:
            known(f"hyper-parameter of {cls.__name__}", name, signature)
        values = {}
        for name, parameter in signature.items():
            if name not in given and parameter.default is parameter.empty:
                raise Error(f"{cls.__name__} needs a value for its hyper-parameter {name}: give hp={{{name!r}: ...}}")
            annotation = parameter.annotation if parameter.annotation is not parameter.empty else Any
            try:
                values[name] = TypeAdapter(annotation).validate_python(given.get(name, parameter.default))
            except ValidationError as error:
                reason = error.errors()[0]["msg"].lower()
                raise Error(f"hyper-parameter {name}={given[name]!r} of {cls.__name__}: {reason}") from None
        return values


class Distill(Method):
    """A method that compares a student with a frozen teacher on the same batch. A subclass defines `compare`.

    A subclass whose weights name `kd`, 0 by default, can be run with the teacher's logits (T = 4) on top of its own
    terms: `weights={"kd": 0.9}`.
    """

    needs_teacher, mixes = True, True
    transfers = "logits"

    @torch.no_grad()
    def teach(self, x: Tensor) -> Features:
        """The teacher's features of one view (B, C, H, W), without gradient."""
        return self.teacher.features(x)

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        student, teacher = self.model.features(batch.x[0]), self.teach(batch.x[0])
        terms = {"ce": self.ce(student.logits, batch), **self.compare(student, teacher, batch)}
        if self.uses("kd") and "kd" not in terms:
            terms["kd"] = kd(student.logits, teacher.logits, T=4.0)
        return terms

    def compare(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        """The distillation terms."""
        raise NotImplementedError

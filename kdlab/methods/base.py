"""The contract of a training method: a batch becomes named, unweighted loss terms; the loop does everything else."""

import inspect
from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from pydantic import Field, TypeAdapter, ValidationError
from torch import Tensor, nn

from ..data import Batch
from ..errors import Error, known
from ..losses import cross_entropy
from ..models import Features, Network

# The recipe of the CIFAR benchmark, Tian et al. 2020 (CRD) and its successors; 0.01 for MobileNetV2 and the ShuffleNets
CRD_RECIPE = {
    "epochs": 240, "batch": 64, "optimizer": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4,
    "schedule": "step", "milestones": (150 / 240, 180 / 240, 210 / 240), "decay": 0.1, "warmup": 0.0,
}  # fmt: skip

# Annotations of hyper-parameters, checked when a Config is made
Positive = Field(gt=0)
Share = Field(ge=0, le=1)


class Method(nn.Module):
    """Everything that is trained, and how a batch becomes losses. A subclass is class data and two functions:

    - `build(self, *, name=default, ...)`: hyper-parameters are the keyword arguments of this signature, annotated with
      their type and range; adapters, heads, queues and EMA copies are made here and belong to the method;
    - `terms(self, batch, progress) -> {name: scalar}`: the keys of `weights`, unweighted.

    `after_step(progress)` is for EMA and the like. State that must survive a kill is a parameter or a buffer.
    `self.model` is the network that is evaluated and kept. `self.teacher` is None or a frozen network in eval mode; it
    is not a child module, so it is never trained, saved or switched to train mode.

    A term with weight 0 is switched off: it is neither summed nor logged, and `uses(name)` lets `terms` skip its cost.
    """

    paper: ClassVar[str] = ""  # author, year, venue
    views: ClassVar[tuple[str, ...]] = ("weak",)  # one augmentation role per view
    draw: ClassVar[str] = "labelled"  # key of kdlab.data.DRAWS; "mixed" reads the hyper-parameter `ratio`
    weights: Mapping[str, float] = {"ce": 1.0}  # term -> weight; what a run changes is set on the instance
    needs_teacher: ClassVar[bool] = False
    trains_head: ClassVar[bool] = True  # False: the classifier stays untrained, the run is judged by its features
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}  # name -> Config fields

    def __init__(
        self, model: Network, teacher: Network | None = None, *, weights: Mapping[str, float] | None = None,
        samples: int = 0, batch: int = 0, **hyper: Any,
    ):  # fmt: skip
        super().__init__()
        self.weights = self.check_weights(weights or {})
        self.model, self.samples, self.batch = model, samples, batch
        self._teacher = (teacher.eval().requires_grad_(False),) if teacher is not None else ()  # a tuple hides it
        self.hp = self.check_hyper(hyper)
        self.build(**self.hp)

    @property
    def teacher(self) -> Network | None:
        return self._teacher[0] if self._teacher else None

    def build(self) -> None:
        """Make what the method needs beside the model. The keyword arguments are the method's hyper-parameters."""

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        """The unweighted loss terms of one batch, at `progress` in [0, 1]."""
        raise NotImplementedError

    def factors(self, progress: float) -> dict[str, float]:
        """What multiplies the weights at `progress`, for terms whose weight is scheduled; 1 where not named."""
        return {}

    def after_step(self, progress: float) -> None:
        """Called after every optimiser step."""

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
            annotation = parameter.annotation if parameter.annotation is not parameter.empty else Any
            try:
                values[name] = TypeAdapter(annotation).validate_python(given.get(name, parameter.default))
            except ValidationError as error:
                reason = error.errors()[0]["msg"].lower()
                raise Error(f"hyper-parameter {name}={given[name]!r} of {cls.__name__}: {reason}") from None
        return values


class Distill(Method):
    """A method that compares a student with a frozen teacher on the same batch. A subclass defines `compare`."""

    needs_teacher = True

    @torch.no_grad()
    def teach(self, x: Tensor) -> Features:
        """The teacher's features of one view (B, C, H, W), without gradient."""
        return self.teacher.features(x)

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        student, teacher = self.model.features(batch.x[0]), self.teach(batch.x[0])
        return {"ce": cross_entropy(student.logits, batch.y), **self.compare(student, teacher, batch)}

    def compare(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        """The distillation terms."""
        raise NotImplementedError

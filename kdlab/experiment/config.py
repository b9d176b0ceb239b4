"""An experiment as a value: `Config` is frozen, validated and hashable.

It nests the experiments that it stands on.
"""

from collections.abc import Iterator
from pathlib import PurePath
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    field_validator,
    model_validator,
)

from ..core.errors import NO_NUMBERS, Error, known, sentence, within
from ..core.hyper import is_deep, is_truth_for_number, plain
from ..core.schedules import SCHEDULES
from ..core.settings import parameters
from ..data import check_name, origin, overlap, same_images
from ..data.augment import AUGMENTATIONS
from ..methods import METHODS, keepers
from ..models import MODELS
from .optimizers import optimizer_options
from .presets import complete

LARGEST = 1 << 63  # seeds are below: tables keep whole numbers of 64 bits
DEEPEST = 40  # lists and dicts within each other that Python's stack has room for
IMAGES = (  # fields that choose images and labels: all that counts of a run that trains nothing
    "dataset",
    "size",
    "labels",
    "validation",
    "split",
    "seed",
    "noise",
    "noise_kind",
    "omit",
    "imbalance",
    "normalise",
)
Precision = Literal["32-true", "bf16-mixed", "16-mixed"]


class Config(BaseModel):
    """One training run.

    Unknown fields, names and values out of range raise a `kdlab.Error` of one sentence.

    The defaults suit small digits on a laptop. `preset="smoke"`, `"paper"` or another of the method's fills every field
    that is not given from the recipe of that name, for the models and the data set that are given, in all its stages:
    `teacher={"model": "resnet32x4"}` is laid over the recipe's teacher, a Config replaces it (see `presets.complete`).
    """

    # A changed default changes what stored runs mean: raise VERSION in kdlab/engine/identity.py with it
    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=(), allow_inf_nan=False)

    method: str = Field("supervised", description="key of METHODS")
    model: str = Field("litenet_dsc", description="key of MODELS")
    width: float = Field(0.25, gt=0, le=100, description="width multiplier of the network; 1 where it is pretrained")
    pretrained: bool = Field(
        False, description="start from ImageNet weights (torchvision's networks and efficientnet_lite0, width 1)"
    )
    dataset: str = Field(
        "digits", description="key of DATASETS, such as digits, stl10:train+unlabeled, folder:PATH or csv:FILE"
    )
    size: int | None = Field(None, ge=8, le=10_000, description="pixels per side; None: the data set's own")
    labels: int | float | None = Field(None, description="label budget: images in all, or a share in (0, 1]; None: all")
    validation: float = Field(0.1, ge=0, lt=1, description="share of the training images held out for validation")
    split: int | None = Field(
        None, ge=0, lt=LARGEST, description="seed of label budget and validation split; None: the same as seed"
    )
    seed: int = Field(0, ge=0, lt=LARGEST, description="decides initial weights, order, augmentation, and the split")

    noise: float = Field(0.0, ge=0, le=1, description="share of the training and validation labels that are made wrong")
    noise_kind: Literal["symmetric", "asymmetric"] = Field(
        "symmetric", description="wrong labels: any other class, or always the same similar one"
    )
    omit: tuple[int, ...] = Field(
        (), description="classes, counted from 0, of which no training image is shown; validation and test keep them"
    )
    imbalance: float = Field(1.0, ge=1, description="long tail: training images of the first class over the last's")

    epochs: int = Field(
        20, ge=0, le=1_000_000_000, description="number; an upper limit where patience is set; 0: an untrained network"
    )
    steps: int | None = Field(None, ge=1, description="batches per epoch; None: one pass over the images drawn from")
    batch: int = Field(64, ge=2, description="images per batch (labelled ones where a batch has both kinds)")
    optimizer: str = Field("adamw", description="key of OPTIMIZERS")
    optimizer_hp: dict[str, Any] = Field({}, description="its other options, such as beta2=0.95 of AdamW")
    lr: float = Field(2e-3, gt=0, description="peak learning rate")
    head_lr: float = Field(1.0, ge=0, description="factor on the learning rate of the classifier")
    momentum: float = Field(0.9, ge=0, lt=1, description="of SGD and LARS")
    nesterov: bool = Field(False, description="Nesterov's form of that momentum")
    weight_decay: float = Field(1e-2, ge=0, description="pulls weights towards 0; see decay_all")
    decay_all: bool = Field(True, description="weight decay on biases and batch norms too, not only on matrices")
    schedule: str = Field("cosine", description="of the learning rate: key of SCHEDULES")
    milestones: tuple[float, ...] = Field(
        (150 / 240, 180 / 240, 210 / 240), description='progress at each drop of "step"'
    )
    decay: float = Field(0.1, gt=0, le=1, description='factor at each milestone of "step"')
    warmup: float = Field(0.1, ge=0, le=1, description="share of training over which the learning rate rises from 0")

    patience: int | None = Field(
        None, ge=1, description="stop after so many validations without a better one, and restore the best weights"
    )
    monitor: str | None = Field(
        None, description="metric that patience watches, key of METRICS; None: accuracy, or knn without a classifier"
    )
    select: Literal["validation", "test"] = Field(
        "validation", description='images that patience watches; "test" only repeats scripts that did so'
    )

    augment: str | None = Field(None, description="key of AUGMENTATIONS; None: what suits the data set")
    normalise: bool = Field(
        True, description="subtract mean and divide by standard deviation, of the data set or of that of init"
    )
    cutout: int = Field(0, ge=0, description="side in pixels of a square that is blanked in every training image")
    cutmix: float = Field(0.0, ge=0, le=1, description="share of the batches whose images and labels are mixed")
    weights: dict[str, float] = Field({}, description="loss term -> weight, where it differs from the method's")
    hp: dict[str, Any] = Field({}, description="hyper-parameters of the method, where they differ from its defaults")
    evaluate_every: int = Field(1, ge=1, description="epochs between validations; the last epoch is always validated")
    track_test: bool = Field(False, description="log test accuracy after every epoch: shown, never chosen by")
    precision: Precision = Field("32-true", description="32-true, bf16-mixed or 16-mixed (CUDA only)")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps; does not enter the hash")
    devices: int = Field(
        1, ge=1, description="how many of them share each batch, a process each; does not enter the hash either"
    )

    teacher: "Config | None" = Field(None, description="the run whose network teaches this one")
    init: "Config | None" = Field(
        None, description="the run whose weights this one starts from, and whose normalisation it keeps"
    )

    def __init__(self, **fields: Any) -> None:
        if is_deep(fields, DEEPEST):
            raise Error(f"Config: lists and names with values lie in each other more than {DEEPEST} deep")
        try:
            values = plain(fields)
            if "preset" in values:
                values = complete(values)
            if values.get("pretrained") is True:
                values.setdefault("width", 1.0)  # there are weights for no other one
            if isinstance(values.get("dataset"), PurePath):  # `check_name` says how one is written
                values["dataset"] = str(values["dataset"])
            super().__init__(**values)
        except ValidationError as error:
            text, first = sentence(error, "Config", Config.model_fields), error.errors()[0]
            nested = first["type"] == "value_error" and first["loc"] in (("teacher",), ("init",))
            raise Error(within(str(first["loc"][0]), text) if nested else text) from None

    @field_validator("*", mode="wrap")
    @classmethod
    def _numbers(cls, value: Any, check: ValidatorFunctionWrapHandler, info: ValidationInfo) -> Any:
        """Refuse true and false where a number is wanted: they would count as 1 and 0."""
        checked = check(value)
        if is_truth_for_number(value, checked):
            raise Error(f"{info.field_name}={value!r}: {NO_NUMBERS}")
        return checked

    @field_validator("labels")
    @classmethod
    def _labels_in_range(cls, labels: int | float | None) -> int | float | None:
        if labels is not None and (isinstance(labels, bool) or not labels > 0):
            raise Error(f"labels={labels!r}: give a number of images (20), a share of them (0.1), or None for all")
        if isinstance(labels, float) and labels > 1:
            raise Error(f"labels={labels}: a share is at most 1.0; for a number of images give an integer")
        return labels

    @field_validator("milestones")
    @classmethod
    def _milestones_in_range(cls, milestones: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 < m < 1 for m in milestones):
            raise Error(f"milestones={milestones}: each is a share of training between 0 and 1 (0.5: halfway)")
        return milestones

    @model_validator(mode="after")
    def _consistent(self) -> "Config":
        method = METHODS[known("method", self.method, METHODS)]
        known("model", self.model, MODELS)
        known("schedule", self.schedule, SCHEDULES)
        check_name(self.dataset)
        if self.augment is not None:
            known("augmentation", self.augment, AUGMENTATIONS)
        method.check_weights(self.weights)
        checked = method.check_hyper(self.hp)
        # Values that were brought to their type, such as a tuple from a list; an equal number stays as it was typed
        self.hp.update({name: checked[name] for name, value in self.hp.items() if value != checked[name]})
        optimizer_options(self.optimizer, self.optimizer_hp)
        if method.needs_teacher and self.teacher is None:
            raise Error(
                f"method {self.method!r} needs a teacher: give teacher=Config(...) (in a shell teacher.model=...)"
            )
        if self.teacher is not None and not method.needs_teacher:
            raise Error(f"method {self.method!r} uses no teacher: leave teacher out, or choose a method that distils")
        if self.teacher is not None:
            _check_teacher(self, self.teacher)
        if method.needs_init and (self.init is None or method.first_phase not in (None, self.init.method)):
            first = f"method={method.first_phase!r}, ..." if method.first_phase else "..."
            shell = f"init.method={method.first_phase}" if method.first_phase else "init.method=..."
            raise Error(
                f"method {self.method!r} goes on from a trained network: give init=Config({first}) (in a shell {shell})"
            )
        if self.cutmix and not method.mixes:
            able = ", ".join(name for name, other in METHODS.items() if other.mixes)
            raise Error(
                f"cutmix={self.cutmix}: method {self.method!r} has no term for mixed labels, choose from {able}"
            )
        if self.devices > 1 and self.device not in ("auto", "cpu", "cuda"):
            raise Error(f"device={self.device!r} is one device: for devices={self.devices} give cpu, cuda or auto")
        if self.batch % self.devices:
            raise Error(f"devices={self.devices} share each batch equally: batch={self.batch} is no multiple of it")
        if self.cutout == 1:
            raise Error("cutout=1 would blank nothing: the side is 0 (none), or 2 pixels and more")
        if self.patience is not None and not self.epochs:
            raise Error("epochs=0 trains nothing, so that patience has nothing to watch: leave patience out")
        if self.nesterov and not self.momentum:
            raise Error("nesterov=True needs momentum above 0")
        if self.init is not None and (self.init.model, self.init.width) != (self.model, self.width):
            raise Error(
                f"init is a {self.init.model} of width {self.init.width}, this run a {self.model} of width "
                f"{self.width}: weights fit only the same network"
            )
        if self.init is not None and self.init.normalise != self.normalise:
            raise Error(
                f"init was trained with normalise={self.init.normalise}, this run has normalise={self.normalise}: its "
                "network reads images as it was trained to, give both the same"
            )
        for role, run in self.nested.items():
            _check_same_split(self, run, role)
        if method.network is not None:
            if self.init is not None:
                raise Error(f"method {self.method!r} trains nothing and starts from no weights: leave init out")
            unused = {name: field.get_default() for name, field in Config.model_fields.items() if name not in IMAGES}
            self.__dict__.update(unused | {"method": self.method, "device": self.device, "epochs": 0})
        return self

    @property
    def nested(self) -> "dict[str, Config]":
        """The teacher run and the initial run, where there are any, by role.

        The roles are "teacher" and "init".
        """
        return {role: run for role in ("teacher", "init") if (run := getattr(self, role))}

    def chain(self) -> "Iterator[Config]":
        """Yield this run, then those that it stands on."""
        yield self
        for run in self.nested.values():
            yield from run.chain()

    @property
    def internet(self) -> str:
        """What must be said beside its numbers where it stands on pre-trained weights.

        "its network saw the internet", "its teacher saw the internet", or "".
        """
        run: Config | None = self
        while run is not None:
            if run.pretrained:
                return "its network saw the internet"
            run = run.init
        return "its teacher saw the internet" if any(each.pretrained for each in self.chain()) else ""

    @property
    def start(self) -> "Config":
        """The first run of the chain of `init`.

        Its mean and deviation normalise the images of all the chain.
        """
        return self if self.init is None else self.init.start

    @property
    def split_seed(self) -> int:
        """The seed of label budget and validation split."""
        return self.seed if self.split is None else self.split

    @classmethod
    def from_params(cls, namespace: dict[str, Any]) -> "Config":
        """Make the Config that a notebook's parameters describe.

        Call it with `globals()` right below the parameters cell.

        A variable that is None counts as not given. One that is no field of Config is refused, because papermill only
        warns of a misspelt parameter and then runs the default.
        """
        fields = parameters(namespace, [*cls.model_fields, "preset"])
        return cls(**{name: value for name, value in fields.items() if value is not None})

    def replace(self, **fields: Any) -> "Config":
        """Copy the Config with other values in some fields."""
        if "preset" in fields:
            raise Error("replace changes fields of a Config that is whole: give a preset when you make it, Config(...)")
        return Config(**{**{name: getattr(self, name) for name in type(self).model_fields}, **fields})

    def seeded(self, seed: int) -> "Config":
        """Copy the Config with another seed, in the teacher and initial run as well."""
        return self.throughout(seed=seed)

    def throughout(self, **fields: Any) -> "Config":
        """Copy the Config with other values, in the teacher and initial run as well."""
        nested = {role: stage.throughout(**fields) for role, stage in self.nested.items()}
        return self.replace(**fields, **nested)

    def __eq__(self, other: object) -> bool:
        """Whether all fields are equal.

        One image (labels=1) is not the same budget as all of them (labels=1.0).
        """
        if isinstance(other, Config) and type(self.labels) is not type(other.labels):
            return False
        return super().__eq__(other)

    def __hash__(self) -> int:
        # Some fields suffice, and dicts cannot be hashed; equal numbers, 1 and 1.0, hash alike
        values = [getattr(self, name) for name in type(self).model_fields]
        return hash(tuple(value for value in values if not isinstance(value, dict)))

    def __repr_args__(self) -> Iterator[tuple[str, Any]]:
        """Yield what differs from the defaults.

        So a printed Config can be read and typed again.
        """
        for name, field in type(self).model_fields.items():
            if getattr(self, name) != field.default:
                yield name, getattr(self, name)

    __str__ = BaseModel.__repr__


def _check_teacher(config: Config, teacher: Config) -> None:
    """Refuse a teacher without a trained classifier, or without required parts.

    The method names these in `needs_parts`; one that learns `from_features` needs no classifier.
    """
    method, trained = METHODS[config.method], teacher
    while "model" in METHODS[trained.method].frozen and trained.init is not None:
        if origin(trained.init.dataset) != origin(trained.dataset):
            raise Error(
                f"the teacher's network was trained on {trained.init.dataset}, and {trained.method!r} on "
                f"{trained.dataset} trains no classifier: give it an init on {trained.dataset}"
            )
        trained = trained.init  # a head or branches were added to what that run trained
    for part in method.needs_parts:
        if part not in METHODS[teacher.method].keeps:
            having = " or ".join(f"Config(method={name!r}, ...)" for name in keepers(part))
            raise Error(f"method {config.method!r} needs its teacher's {part}: give teacher={having}")
    by_image = METHODS[teacher.method].fits_head and teacher.dataset == config.dataset and teacher.size != config.size
    if by_image and config.cutmix:
        raise Error(
            f"cutmix={config.cutmix} mixes images, and a frozen teacher at another size answers for each alone: leave "
            "cutmix out, or give both the same size"
        )
    for each in () if by_image else (teacher, trained):
        if same_images(each.dataset, config.dataset) and each.size != config.size:
            raise Error(
                f"the teacher was trained at size={each.size}, this run has size={config.size}: give both the same"
            )
    if teacher.normalise != config.normalise and not by_image:
        raise Error("teacher and student must see the same images: give both the same normalise")
    if not METHODS[trained.method].trains_head and not method.from_features:
        raise Error(
            f"{trained.method!r} leaves the teacher's classifier untrained: fine-tune it first, "
            "teacher=Config(init=...)"
        )


def _check_same_split(config: Config, nested: Config, role: str) -> None:
    """Refuse a nested run on the same data that holds out other images.

    It would have learned validation images.
    """
    for run in nested.chain():
        if METHODS[run.method].trains_head and overlap(run.dataset, config.dataset):
            raise Error(
                f"{role} learns labels of {run.dataset} that are those of validation images of {config.dataset}: give "
                "both the same fold"
            )
    if origin(nested.dataset) != origin(config.dataset):
        return
    if not nested.validation and not config.validation:
        return
    if (nested.split_seed, nested.validation) != (config.split_seed, config.validation):
        raise Error(
            f"{role} holds out other validation images (split {nested.split_seed}, share {nested.validation}) than "
            f"this run (split {config.split_seed}, share {config.validation}): give both the same split and validation"
        )


Config.model_rebuild()

"""A frozen network at its own image size: its features, kept by image."""

import copy
import re
from collections.abc import Iterator
from functools import partial
from hashlib import blake2b
from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from ..core.errors import Error
from ..core.moving import to_device, to_host
from ..core.places import bars, cache_root
from ..data import Batch, ImageSet, KeptRows, Normalise
from ..methods import Method
from ..models import Features, Network, evaluating

VERSION = 1  # of what is in the files
TOGETHER = 8  # images of every forward pass: of other numbers a processor may round other last digits
ALIKE = 1e-3  # of the largest feature: what is computed again on the same images may differ by less


def refusal(what: str) -> Error:
    """Return what is said where a teacher at another size is asked for something else."""
    return Error(
        f"a frozen teacher at another size cannot be asked for {what}: it has logits and pooled features of the clean "
        "images alone; give teacher and student the same size, or a method that compares these, as kd"
    )


class FrozenFeatures:
    """The pooled features of a frozen network, by image of its data set.

    They are computed when they are first asked for, and kept in the cache: in a file for each data set, size, network
    and kind of device, whatever seed, split or head stands on it. Once in a process some that are there are computed
    again, so that those of other code are not believed.
    """

    def __init__(self, network: Network, images: ImageSet, normalise: Normalise) -> None:
        self.network, self.images, self.normalise = network, images, normalise
        self._tables: dict[str, KeptRows] = {}

    def __deepcopy__(self, memo: dict[int, Any]) -> "FrozenFeatures":
        return self

    def pooled(self, part: str, rows: Tensor) -> Tensor:
        """Return the features (m, D) of the images at `rows` (m,) of a part, on the host.

        The part is "train", "val" or "test" of the data set itself.
        """
        if part not in self._tables:
            self._tables[part] = self._checked(part, rows)
        table = self._tables[part]
        values, there = table.read(rows)
        if there.all():
            return values
        doing = f"computing features of {self.images.name}"
        with table.lock(doing):
            missing = rows[~there].unique()
            missing = missing[~table.read(missing)[1]]  # another process may have been faster
            bar = tqdm(total=len(missing), desc=doing, unit="image", leave=False, disable=bars())
            for some in missing.split(TOGETHER) if len(missing) else ():
                table.write(some, self._compute(part, some))
                bar.update(len(some))
            bar.close()
            values, there = table.read(rows)
        if not there.all():
            raise Error(f"{table.path} does not hold what is written into it: set KDLAB_CACHE to another disk")
        return values

    def _checked(self, part: str, rows: Tensor) -> KeptRows:
        """Return the table of a part, emptied if this code computes other features."""
        images = getattr(self.images, f"{part}_x")
        name = re.sub(r"[^A-Za-z0-9_.]+", "_", self.images.name)[-40:].lstrip(".-")
        size = images.shape[-1] if images.shape[-1] == images.shape[-2] else "own"
        network, data = _digest(f"{VERSION} {self._network()}", 6), _digest(f"{self.images.fingerprint()} ", 8)
        path = cache_root() / f"{name}_{part}-{size}-{network}-{data}.npy"
        table = KeptRows(path, len(images), self.network.feature_width)
        known = rows[table.read(rows)[1]][:TOGETHER]
        if len(known):
            now, then = self._compute(part, known), table.read(known)[0]
            if (now - then).abs().max() > ALIKE * now.abs().max():
                with table.lock(f"computing features of {self.images.name}"):
                    table.forget()
        return table

    def _network(self) -> str:
        """Return what decides the features: weights, normalisation, kind of device."""
        digest, state = blake2b(digest_size=16), self.network.state_dict()
        kept = to_host({name: tensor for name, tensor in state.items() if not name.startswith("head.")})
        for name, tensor in kept.items():
            digest.update(f"{name} {tuple(tensor.shape)}".encode())
            digest.update(tensor.contiguous().numpy().tobytes())
        numbers = to_host((self.normalise.mean, self.normalise.std))
        device = next(self.network.parameters()).device.type
        return f"{digest.hexdigest()} {[each.flatten().tolist() for each in numbers]} {device}"

    def _compute(self, part: str, rows: Tensor) -> Tensor:
        """Compute the features (m, D) of at most TOGETHER images."""
        full = torch.cat([rows, rows[-1:].expand(TOGETHER - len(rows))])
        images = getattr(self.images, f"{part}_x")[full]
        # A row that is computed while a run trains in half precision is the same as before
        with evaluating(self.network) as device, torch.autocast(device.type, enabled=False):
            pooled = self.network.features(self.normalise(to_device(images, device))).pooled
        return to_host(pooled.float())[: len(rows)]


def _digest(text: str, size: int) -> str:
    return blake2b(text.encode(), digest_size=size).hexdigest()


class NoMaps(tuple[Tensor, ...]):
    """The maps of a teacher that keeps none: asking for one is refused."""

    def __getitem__(self, index: Any) -> NoReturn:
        raise refusal("the maps of its stages")

    def __iter__(self) -> Iterator[Tensor]:
        raise refusal("the maps of its stages")

    def __len__(self) -> int:
        raise refusal("the maps of its stages")


class NoStem(nn.Module):
    """The stem of a teacher that sees no views: asking it is refused."""

    def forward(self, x: Tensor) -> NoReturn:
        raise refusal("what it makes of a view")


class FrozenTeacher(Network):
    """A frozen network that answers for the clean images of a batch.

    Whatever view of an image a student sees, cropped, flipped or jittered, the answer is that to the image as it is in
    the data set, at the teacher's own size: logits and pooled features, from `features` and the trained head. It knows
    which images a batch holds from `serve`, which runs before the method's `forward`. What is no view of that batch,
    images turned, mixed or put together by the method, is refused, and so is everything but logits and pooled features.
    `rows` (n,) says where the training images of the run stand in the data set.
    """

    def __init__(self, network: Network, features: FrozenFeatures, rows: Tensor) -> None:
        nn.Module.__init__(self)
        for name in ("widths", "stem_width", "num_classes", "feature_width", "classes", "mean", "std"):
            setattr(self, name, getattr(network, name))
        self.stem: nn.Module = NoStem()
        self.stages, self.head = nn.ModuleList(), network.head
        self.kept, self.rows = features, rows
        self.served: tuple[Tensor, Tensor] | None = None

    def serve(self, batch: Batch) -> None:
        """Answer for this batch until the next one."""
        if batch.x.is_meta:
            pooled = batch.x.new_empty(len(batch.y), self.feature_width)
        else:
            pooled = to_device(self.kept.pooled("train", self.rows[batch.host_index]), batch.x.device)
        self.served = batch.x, pooled

    def compute_all(self) -> None:
        """Compute what is missing of the features of all training images."""
        for some in self.rows.split(1 << 14):
            self.kept.pooled("train", some)

    def features(self, x: Tensor) -> Features:
        """Return logits and pooled features of the images whose views are `x`."""
        if self.served is None:
            raise refusal("other images than those of a batch")
        views, pooled = self.served
        first = _rows_of(x, views)
        if first is None:
            raise refusal("images that the method turns, mixes or makes")
        pooled = pooled[first : first + len(x)]
        return Features(NoMaps(), pooled, self.head(pooled))


def teach(method: Method, teacher: FrozenTeacher) -> None:
    """Let a teacher know each batch before the method sees it."""
    method.register_forward_pre_hook(partial(_serve, teacher))


def _serve(teacher: FrozenTeacher, _: nn.Module, arguments: tuple[Any, ...]) -> None:
    teacher.serve(arguments[0])


def _rows_of(x: Tensor, views: Tensor) -> int | None:
    """Return the row at which `x`, a part of one of the views (V, B, C, H, W), begins.

    None for any other tensor, one of the same shape included.
    """
    same_memory = x.untyped_storage().data_ptr() == views.untyped_storage().data_ptr()
    if not same_memory or x.shape[1:] != views.shape[2:] or x.stride() != views.stride()[1:]:
        return None
    first, rest = divmod(int(x.storage_offset()) - int(views.storage_offset()), int(views.stride(1)))
    row = first % views.shape[1]
    return row if not rest and 0 <= first < views[:, :, 0, 0, 0].numel() and row + len(x) <= views.shape[1] else None


def dry_run(method: Method, views: Tensor) -> None:
    """Take a step of a method without numbers.

    Its teacher refuses what it cannot be asked. `views` (V, B, C, H, W) are on the meta device.
    """
    twin = copy.deepcopy(method).to("meta")
    for module in filter(None, (twin.teacher, *twin.teacher_parts.values())):
        module.to("meta")
    count = views.shape[1]
    blank = torch.zeros(count, dtype=torch.int64, device="meta")
    try:
        twin(Batch(views, blank, blank, torch.arange(count)), 0.5)
    except Error:
        raise
    except (RuntimeError, NotImplementedError):  # a method of yours may read values, which there are none of
        return

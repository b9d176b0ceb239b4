"""What a network predicted for every training image the last time it saw it."""

import torch
from torch import Tensor, nn

from ..augment import ops
from ..data import Batch
from ..losses import joint_labels
from .layered import ROTATIONS, Layered, through
from .momentum import momentum_copy


class PastPredictions(nn.Module):
    """A table of `rows` distributions over `classes`, in half precision.

    With more classes than `keep` a row holds the `keep` largest probabilities and spreads the rest evenly over the
    others: 50,000 images x 4 rotations x 400 joint labels take 51 MB a branch instead of 160. Rows are normalised when
    they are read.
    """

    def __init__(self, rows: int, classes: int, keep: int = 64):
        super().__init__()
        self.classes, kept = classes, min(keep, classes)
        self.register_buffer("seen", torch.zeros(rows, dtype=torch.bool))
        self.register_buffer("values", torch.zeros(rows, kept, dtype=torch.float16))
        whole = kept == classes
        self.register_buffer("places", None if whole else torch.zeros(rows, kept, dtype=torch.int16))

    def read(self, rows: Tensor, unseen: Tensor) -> Tensor:
        """Distributions (R, classes) of `rows`; those never written are taken from `unseen`."""
        p = self.values[rows].float()
        if self.places is not None:
            rest = (1 - p.sum(1, keepdim=True)).clamp(min=0) / (self.classes - p.shape[1])
            p = rest.expand(-1, self.classes).scatter(1, self.places[rows].long(), p)
        p = p / p.sum(1, keepdim=True).clamp(min=1e-12)
        return torch.where(self.seen[rows, None], p, unseen)

    @torch.no_grad()
    def write(self, rows: Tensor, p: Tensor) -> None:
        """Replace `rows` by the distributions `p` (R, classes); of a row that occurs twice the last counts."""
        last = last_of_each(rows)
        rows, p = rows[last], p[last]
        if self.places is not None:
            p, places = p.topk(self.values.shape[1], dim=1)
            self.places[rows] = places.short()
        self.values[rows] = p.half()
        self.seen[rows] = True


class Tables(nn.Module):
    """The past of every output of a network, one table each; output i has `rows[i]` rows an image, image-major."""

    def __init__(self, samples: int, rows: list[int], classes: list[int], keep: int):
        super().__init__()
        self.rows, self.pending = rows, None
        self.tables = nn.ModuleList(PastPredictions(samples * r, c, keep) for r, c in zip(rows, classes, strict=True))

    def recall(self, batch: Batch, hard: list[Tensor]) -> list[Tensor]:
        """What each output said when it last saw these images, mixed as the batch is; `hard` where it never did."""
        places = [each_row(batch.index, r) for r in self.rows]
        past = [table.read(*where) for table, *where in zip(self.tables, places, hard, strict=True)]
        return [mixed(p, batch, r) for p, r in zip(past, self.rows, strict=True)]

    def note(self, batch: Batch, now: list[Tensor]) -> None:
        """Remember the distributions `now` until the step is over; those of mixed images belong to no image."""
        unmixed = batch.kept is None or bool(batch.kept == 1)
        self.pending = (batch.index, now) if unmixed else None

    def after_step(self) -> None:
        if self.pending is not None:
            index, now = self.pending
            for table, r, p in zip(self.tables, self.rows, now, strict=True):
                table.write(each_row(index, r), p)
            self.pending = None

    def after_epoch(self, method: Layered) -> None:
        pass


class Snapshot(nn.Module):
    """The network and its branches as they were at the end of the last epoch, asked about the current view.

    For data whose tables would not fit: one more forward pass a step. The view is the present one here, and that of the
    epoch before in the tables.
    """

    def __init__(self, method: Layered, T: float):
        super().__init__()
        self.model, self.branches, self.T = momentum_copy(method.model), momentum_copy(method.branches), T
        self.register_buffer("taken", torch.zeros((), dtype=torch.bool))

    @torch.no_grad()
    def recall(self, batch: Batch, hard: list[Tensor]) -> list[Tensor]:
        if not self.taken:
            return [mixed(t, batch, len(t) // len(batch.y)) for t in hard]
        seen = self.model.features(ops.rotations(batch.x[0]))
        logits = [seen.logits[::ROTATIONS], *(out.logits for out in through(self.branches, seen))]
        return [(z / self.T).softmax(1) for z in logits]

    def note(self, batch: Batch, now: list[Tensor]) -> None:
        pass

    def after_step(self) -> None:
        pass

    def after_epoch(self, method: Layered) -> None:
        self.model.load_state_dict(method.model.state_dict())
        self.branches.load_state_dict(method.branches.state_dict())
        self.taken.fill_(True)


def last_of_each(rows: Tensor) -> Tensor:
    """Positions of the last occurrence of every row number: writing repeated rows at once is undefined on GPUs."""
    order = rows.argsort(stable=True)
    ordered = rows[order]
    return order[torch.cat([ordered[1:] != ordered[:-1], ordered.new_ones(1, dtype=torch.bool)])]


def each_row(index: Tensor, rows: int) -> Tensor:
    """Rows of a table that has `rows` of them an image: index * rows + 0 .. rows-1, image-major."""
    return joint_labels(index, rows)


def mixed(target: Tensor, batch: Batch, rows: int) -> Tensor:
    """Targets (B * rows, K) mixed as CutMix mixed the images of the batch; as they are where it did not."""
    if batch.partner is None:
        return target
    return batch.kept * target + (1 - batch.kept) * target[each_row(batch.partner, rows)]

"""What a network predicted for every training image the last time it saw it."""

import torch
from torch import Tensor, nn

from ...data import Batch
from ...data.augment import ops
from ...losses import joint_labels, smooth, soft_cross_entropy
from .cutmix import mix_targets, unless_mixed
from .layered import ROTATIONS, Layered, through
from .selfsupervised import momentum_copy


class Past(nn.Module):
    """A source of the predictions of the epoch before.

    `Tables` remember them, a `Snapshot` computes them anew.

    A method calls `soft_cross_entropies` in its `terms`, and `after_step` and `after_epoch` in its own.
    """

    def soft_cross_entropies(
        self, batch: Batch, logits: list[Tensor], labels: list[Tensor], alpha: float, T: float = 1.0
    ) -> list[Tensor]:
        """Compute each output's cross-entropy with labels softened by the past.

        A share `alpha` of the label is replaced by the past distribution.

            -sum over classes of q log softmax(z),    q = (1 - alpha) onehot(y) + alpha past

        Mean over rows, which the logits (R, classes) and labels (R,) of an output have in common: one an image, or one
        for each of its rotations. The present predictions, at temperature T, are noted for the next epoch.
        """
        hard = [smooth(y, z.shape[1], eps=0.0) for z, y in zip(logits, labels, strict=True)]
        terms = []
        for z, label, past in zip(logits, hard, self.recall(batch, hard), strict=True):
            target = (1 - alpha) * mix_targets(label, batch, len(z) // len(batch.y)) + alpha * past
            terms.append(soft_cross_entropy(z, target))
        self.note(batch, [(z.detach() / T).softmax(1) for z in logits])
        return terms

    def recall(self, batch: Batch, hard: list[Tensor]) -> list[Tensor]:
        """Return the past distributions of every output, shaped like `hard`.

        `hard` are the labels as distributions.

        They are mixed where CutMix mixed the images. What has no past yet is taken from `hard`.
        """
        raise NotImplementedError

    def note(self, batch: Batch, now: list[Tensor]) -> None:
        """Take in what every output says of these images now, as distributions."""

    def after_step(self) -> None:
        """Store predictions after an optimiser step."""

    def after_epoch(self, method: Layered) -> None:
        """Take a snapshot after an epoch."""


class PastPredictions(nn.Module):
    """A table of `rows` distributions over `classes`, in half precision.

    With more classes than `keep` a row holds the `keep` largest probabilities and spreads the rest evenly over the
    others: 50,000 images x 4 rotations x 400 joint labels take 51 MB a branch instead of 160. Rows are normalised when
    they are read.
    """

    seen: Tensor  # (rows,), whether a row was written
    values: Tensor  # (rows, kept), the probabilities
    places: Tensor | None  # (rows, kept), whose they are; None where all are kept

    def __init__(self, rows: int, classes: int, keep: int = 64):
        super().__init__()
        self.classes, kept = classes, min(keep, classes)
        self.register_buffer("seen", torch.zeros(rows, dtype=torch.bool))
        self.register_buffer("values", torch.zeros(rows, kept, dtype=torch.float16))
        whole = kept == classes
        self.register_buffer("places", None if whole else torch.zeros(rows, kept, dtype=torch.int16))

    def read(self, rows: Tensor, unseen: Tensor) -> Tensor:
        """Return the distributions (R, classes) of `rows`; unwritten ones from `unseen`."""
        p = self.values[rows].float()
        if self.places is not None:
            rest = (1 - p.sum(1, keepdim=True)).clamp(min=0) / (self.classes - p.shape[1])
            p = rest.expand(-1, self.classes).scatter(1, self.places[rows].long(), p)
        p = p / p.sum(1, keepdim=True).clamp(min=1e-12)  # a row never written is all 0
        return torch.where(self.seen[rows, None], p, unseen)

    @torch.no_grad()
    def write(self, rows: Tensor, p: Tensor, kept: Tensor | None = None) -> None:
        """Replace `rows` by the distributions `p` (R, classes).

        Of a row that occurs twice the last counts.

        With the `kept` of a mixed batch (see `unless_mixed`) nothing changes.
        """
        p = p[last_of_each(rows)]
        if self.places is not None:
            p, classes = p.topk(self.values.shape[1], dim=1)
            self.places[rows] = unless_mixed(kept, classes, self.places[rows])
        self.values[rows] = unless_mixed(kept, p, self.values[rows])
        written = self.seen[rows]
        self.seen[rows] = unless_mixed(kept, torch.ones_like(written), written)


class Tables(Past):
    """A table of past predictions for every output of a network, keyed by image.

    `rows` says how many rows an image has in each table: 1 in the classifier's, whose rows have `classes` entries, and
    4 (one a rotation, standing together) in a branch's, whose rows have an entry for each of the joint labels.
    """

    def __init__(self, samples: int, classes: int, rows: list[int], keep: int):
        super().__init__()
        self.rows = rows
        self.pending: tuple[Tensor, list[Tensor], Tensor | None] | None = None  # of a step that is not over
        self.each_table = [PastPredictions(samples * r, classes * r, keep) for r in rows]
        self.tables = nn.ModuleList(self.each_table)  # a list alone would hide them from checkpoints

    def recall(self, batch: Batch, hard: list[Tensor]) -> list[Tensor]:
        rows = [each_row(batch.index, r) for r in self.rows]
        past = [table.read(*where) for table, *where in zip(self.each_table, rows, hard, strict=True)]
        return [mix_targets(p, batch, r) for p, r in zip(past, self.rows, strict=True)]

    def note(self, batch: Batch, now: list[Tensor]) -> None:
        self.pending = batch.index, now, batch.kept

    def after_step(self) -> None:
        if self.pending is not None:
            index, now, kept = self.pending
            for table, r, p in zip(self.each_table, self.rows, now, strict=True):
                table.write(each_row(index, r), p, kept)
            self.pending = None


class Snapshot(Past):
    """A copy of network and branches at the end of the last epoch.

    It predicts the current view.

    For data whose tables would not fit: one more forward pass a step, in the first epoch too, as the host does not ask
    the device whether there is a copy. The view is the present one here, and that of the
    epoch before in the tables.
    """

    taken: Tensor  # (), whether there is one

    def __init__(self, method: Layered, T: float):
        super().__init__()
        self.model, self.branches, self.T = momentum_copy(method.model), momentum_copy(method.branches), T
        self.register_buffer("taken", torch.zeros((), dtype=torch.bool))

    @torch.no_grad()
    def recall(self, batch: Batch, hard: list[Tensor]) -> list[Tensor]:
        features = self.model.features(ops.rotations(batch.x[0]))
        logits = [features.logits[::ROTATIONS], *(out.logits for out in through(self.branches, features))]
        unseen = [mix_targets(target, batch, len(target) // len(batch.y)) for target in hard]
        return [torch.where(self.taken, (z / self.T).softmax(1), y) for z, y in zip(logits, unseen, strict=True)]

    def after_epoch(self, method: Layered) -> None:
        self.model.load_state_dict(method.model.state_dict())
        self.branches.load_state_dict(method.branches.state_dict())
        self.taken.fill_(True)


def last_of_each(rows: Tensor) -> Tensor:
    """Return, for each position in `rows` (R,), the last one with the same row number.

    Written from there, a row that occurs twice gets the same values twice. Different ones would race on a GPU.
    """
    order = rows.argsort(stable=True)
    return order[torch.searchsorted(rows[order], rows, right=True) - 1]


def each_row(index: Tensor, rows: int) -> Tensor:
    """Return row numbers of images in a table with `rows` rows for each image.

    That is index * rows + 0 .. rows-1, image after image.
    """
    return joint_labels(index, rows)

"""CRD: contrast embeddings with the other network's memory of other classes."""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from .. import losses
from ..core.arithmetic import total
from ..core.hyper import Count, Positive, Share
from ..core.moving import to_device
from ..data import Batch
from ..data.splits import rows_by_class
from ..models import Features
from .base import Distill
from .common.cutmix import unless_mixed
from .common.past import last_of_each


class CRD(Distill):
    """Student and teacher should recognise an image in each other's features.

    It stands among images of other classes.

        crd = mean over images of  -log(p / (p + c)) - sum over negatives of log(c / (q + c)), for both networks
        p, q = exp(<v, m> / T) / Z,    c = negatives / n

    That is noise-contrastive estimation: v is an embedding (linear, `dim` numbers, unit length, trained for both
    networks), m a row of the other network's memory (n, `dim`) of all n training images. p takes the image's own row,
    the `negatives` q take rows of labelled images of other classes, none twice as long as there are enough. Z is n
    times the first batch's mean of exp(<v, m> / T), for good. After each step the batch's rows move by 1 - `momentum`
    towards the new embeddings; those of mixed images stay.

    128 dimensions, T = 0.07, momentum 0.5 and weight 0.8 are the authors' (RepDistiller); their 16,384 negatives are in
    preset "paper", the default is 4,096. `half` keeps the memories in half precision: 26 MB at 50,000 images.
    """

    paper = "Tian et al., ICLR 2020"
    learns_from = "contrasts of samples"
    instead = "hp half=True halves it"
    weights = {"ce": 1.0, "crd": 0.8, "kd": 0.0}
    memory: Tensor  # (2, n, dim), of student and teacher
    constant: Tensor  # (2,), Z of both, set by the first batch
    pending: tuple[Batch, Tensor, Tensor]  # what `terms` leaves for `after_step`: batch, new embeddings, constants

    def build(
        self,
        *,
        dim: Count = 128,
        negatives: Count = 4096,
        T: Positive = 0.07,
        momentum: Share = 0.5,
        half: bool = False,
    ) -> None:
        self.T, self.momentum, self.negatives = T, momentum, negatives
        self.embed_s, self.embed_t = (nn.Linear(net.feature_width, dim) for net in (self.model, self.teacher))
        edge = (dim / 3) ** -0.5
        memories = torch.empty(2, self.samples, dim).uniform_(-edge, edge)
        self.register_buffer("memory", memories.half() if half else memories)
        self.register_buffer("constant", torch.zeros(2))
        self.others = OtherClasses(self.labels)

    def compare(self, student: Features, teacher: Features, batch: Batch) -> dict[str, Tensor]:
        student_rows, teacher_rows = (
            normalize(e, dim=1) for e in (self.embed_s(student.pooled), self.embed_t(teacher.pooled))
        )
        negatives = to_device(self.others.sample(self.labels[batch.host_index], self.negatives), batch.index.device)
        rows = torch.cat([batch.index[:, None], negatives], 1)
        scores = [
            losses.crd_scores(v, m, rows, self.T)
            for v, m in zip((student_rows, teacher_rows), self.memory.flip(0), strict=True)
        ]
        fresh = torch.stack([losses.crd_constant(s, self.samples) for s in scores])
        constants = torch.where(self.constant > 0, self.constant, fresh)
        self.pending = batch, torch.stack([student_rows.detach(), teacher_rows.detach()]), constants
        return {"crd": total(losses.crd(s / Z, self.samples) for s, Z in zip(scores, constants, strict=True))}

    @torch.no_grad()
    def after_step(self, progress: float) -> None:
        batch, new, constants = self.pending
        self.constant.copy_(constants)
        old, new = self.memory[:, batch.index], new[:, last_of_each(batch.index)]
        moved = normalize(self.momentum * old.float() + (1 - self.momentum) * new, dim=2)
        self.memory[:, batch.index] = unless_mixed(batch.kept, moved, old)


class OtherClasses:
    """A sampler of labelled training images whose class is not a sample's.

    It draws positions in the training set, on the host, which knows how many images there are of each class.
    """

    def __init__(self, labels: Tensor):
        self.by_class, self.counts, self.starts = rows_by_class(labels)

    def sample(self, y: Tensor, count: int) -> Tensor:
        """Draw `count` positions (B, count) for samples labelled y (B,).

        None comes twice in a row unless there are fewer than `count`.
        """
        pools = len(self.by_class) - self.counts[y]
        position = torch.stack([_distinct(pool, count) for pool in pools.tolist()])
        start, class_size = self.starts[y, None], self.counts[y, None]
        return self.by_class[position + class_size * (position >= start)]  # jump over the own class


def _distinct(pool: int, count: int) -> Tensor:
    """`count` of the numbers 0 .. pool - 1, none twice unless there are too few."""
    if count > pool:
        return torch.randint(pool, (count,))
    return torch.randperm(pool)[:count]

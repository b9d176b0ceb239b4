"""MoCo v2: contrast each image with a long queue of embeddings.

They come from a slowly moving copy of the network.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.functional import normalize

from ..core.errors import Error
from ..core.hyper import Count, Positive, Share
from ..core.schedules import cosine_between
from ..data import Batch
from ..losses import info_nce
from .common.adapters import HeadNorm, mlp
from .common.selfsupervised import SelfSupervised, follow, momentum_copy


class MoCo(SelfSupervised):
    """A view's embedding (the query) should match the other view's (the key) best.

    The other candidates are embeddings of many other images, which a queue remembers from earlier batches.

        info_nce = mean over images of -log softmax of (cos(q, k), cos with each key of the queue) / T, at k

    with queries q and keys k (B, dim) and a queue (dim, `queue`). Keys come from a momentum copy of network and head
    that runs in train mode and keeps batch statistics of its own; after each step copy <- m copy + (1 - m) network,
    where m rises from `momentum` to `momentum_end` along a cosine, and the keys replace the oldest in the queue. On one
    device all images of a batch would share batch statistics, which tell a query its key; so batch norm works on
    `splits` parts of the batch, and the keys are shuffled among them.

    `symmetric` adds the term with the views exchanged and queues both keys, as in MoCo's CIFAR demonstration. In preset
    "paper", solo-learn's recipe for MoCo v2+ (published online probe: 92.94 % on CIFAR-10), the two terms are averaged;
    it has two queues there, one here.
    """

    paper = "He et al., CVPR 2020; Chen et al. 2020 (v2)"
    weights = {"info_nce": 1.0}
    queue: Tensor  # (dim, queue), unit columns
    pointer: Tensor  # (), the column of the oldest key, which is replaced next

    def build(
        self,
        *,
        T: Positive = 0.1,
        dim: Count = 128,
        hidden: Count | None = None,
        queue: Count = 4096,
        momentum: Share = 0.99,
        momentum_end: Share | None = None,
        splits: Count = 4,
        symmetric: bool = False,
        norm: HeadNorm = "none",
    ) -> None:
        step = self.batch * (2 if symmetric else 1)
        if step and queue % step:
            raise Error(f"queue={queue} is no multiple of {step}: the queue moves on by the keys of a whole step")
        self.T, self.symmetric = T, symmetric
        self.momentum = momentum, momentum if momentum_end is None else momentum_end  # at the start, at the end
        split_batch_norm(self.model, splits, self.batch)
        self.projector = mlp(self.model.feature_width, hidden or self.model.feature_width, dim, norm)
        self.key_model, self.key_projector = momentum_copy(self.model), momentum_copy(self.projector)
        self.register_buffer("queue", normalize(torch.randn(dim, queue), dim=0))
        self.register_buffer("pointer", torch.zeros((), dtype=torch.long))

    @torch.no_grad()
    def keys(self, x: Tensor) -> Tensor:
        """Return embeddings of x (B, D) from the key encoder.

        It sees the images in random order.
        """
        order = torch.randperm(len(x), device=x.device)
        return normalize(self.key_projector(self.key_model.features(x[order]).pooled), dim=1)[order.argsort()]

    def terms(self, batch: Batch, progress: float) -> dict[str, Tensor]:
        first, second = batch.x
        pairs = [(first, second), (second, first)] if self.symmetric else [(first, second)]
        keys = [self.keys(other) for _, other in pairs]
        terms = [info_nce(self.embed(x), k, self.queue, self.T) for (x, _), k in zip(pairs, keys, strict=True)]
        self.new_keys = torch.cat(keys)
        return {"info_nce": torch.stack(terms).sum()}

    @torch.no_grad()
    def after_step(self, progress: float) -> None:
        size = self.queue.shape[1]
        columns = (self.pointer + torch.arange(len(self.new_keys), device=self.queue.device)) % size
        self.queue.index_copy_(1, columns, self.new_keys.T.to(self.queue.dtype))
        self.pointer.add_(len(self.new_keys)).remainder_(size)
        momentum = cosine_between(progress, *self.momentum)
        follow(self.key_model, self.model, momentum)
        follow(self.key_projector, self.projector, momentum)


class SplitBatchNorm2d(nn.BatchNorm2d):
    """Batch norm over each of `splits` interleaved parts of a training batch.

    It stands in for the many devices that MoCo's shuffling needs.

    The running statistics are the mean over the parts; eval mode is that of plain batch norm, and so are the names of
    parameters and buffers.
    """

    splits = 1

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.splits == 1:
            return super().forward(x)
        B, C, H, W = x.shape
        running_mean, running_var, count = self.buffers()
        count.add_(1)
        momentum = 1 / float(count) if self.momentum is None else self.momentum  # None: the mean of all batches
        mean, var = running_mean.repeat(self.splits), running_var.repeat(self.splits)
        weight, bias = self.weight.repeat(self.splits), self.bias.repeat(self.splits)
        parts = x.reshape(B // self.splits, self.splits * C, H, W)  # row i goes to part i % splits
        out = F.batch_norm(parts, mean, var, weight, bias, True, momentum, self.eps)
        running_mean.copy_(mean.view(self.splits, C).mean(0))
        running_var.copy_(var.view(self.splits, C).mean(0))
        return out.view(B, C, H, W)


def split_batch_norm(net: nn.Module, splits: int, batch: int = 0) -> None:
    """Let every BatchNorm2d in `net` normalise `splits` parts of a batch separately.

    Weights stay as they are.

    A `batch`, if it is given, that has no such parts of two images and more is refused.
    """
    if batch % splits or 0 < batch < 2 * splits:
        raise Error(f"batch={batch} cannot be split into splits={splits} parts of 2 and more: give a divisor")
    for module in net.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.BatchNorm2d):
                split = SplitBatchNorm2d(child.num_features, child.eps, child.momentum)
                split.load_state_dict(child.state_dict())
                split.splits = splits
                setattr(module, name, split)

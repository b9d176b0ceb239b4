"""Batch norm over parts of the batch, which stands in for the many devices that MoCo's shuffling needs."""

import torch.nn.functional as F
from torch import Tensor, nn

from ...core.errors import Error


class SplitBatchNorm2d(nn.BatchNorm2d):
    """Batch norm that in training normalises each of `splits` interleaved parts of the batch by itself.

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
    """Let every BatchNorm2d inside `net` normalise `splits` parts of the batch separately; weights stay as they are.

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

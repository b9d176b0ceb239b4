"""A run on several devices of one machine: a process for each.

A method computes the same on any number of devices, and knows nothing of them. Every process has the whole batch and
draws the same random numbers. A network or a branch that is given R rows passes R / N of them through, those of its
process, with batch norm over all R; what comes out is gathered from all processes. So heads, losses, queues, banks and
tables, which every process has, see the whole batch as on one device, and the gradient is that of one device to the
last digits.

The process that was started trains, evaluates and writes; it starts the others, which end with it.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor
from torch.autograd import Function
from torch.overrides import TorchFunctionMode

from ..core.arithmetic import full
from ..core.errors import Error
from ..core.places import PACKAGE
from ..experiment.config import Config
from ..experiment.setup import Setup
from ..methods import METHODS
from ..methods.moco import SplitBatchNorm2d
from ..models import Network
from ..models.branches import Branch

Value = TypeVar("Value")
CALLS = ("forward", "features", "features_after_stem", "preactivations")  # from rows to rows, of networks and branches
DROPOUTS = (F.dropout, F.dropout1d, F.dropout2d, F.dropout3d)
PATIENCE = timedelta(days=7)  # the others wait while one evaluates
JOIN = "from kdlab.engine.joining import join; join()"


# Rows: which a process has, and how the others get them


def shard(x: Tensor) -> Tensor:
    """Return the rows (R / N, ...) of `x` (R, ...) that this process computes."""
    return x.chunk(dist.get_world_size())[dist.get_rank()]


def every(x: Tensor) -> Tensor:
    """Gather the rows (R, ...) of which each process has R / N."""
    rows = x.new_empty(dist.get_world_size() * len(x), *x.shape[1:])
    dist.all_gather_into_tensor(rows, x.contiguous())
    return rows


class _Gather(Function):
    """`every`, with a gradient.

    The losses behind it are those of the whole batch in every process, and so is their gradient: a process keeps that
    of its rows. It counts N times, as gradients of weights are averaged over the processes.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return every(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return shard(grads[0]) * dist.get_world_size()


class _Shard(Function):
    """`shard`, with a gradient: what stands before it is the same in every process."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return shard(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        return every(grads[0]) / dist.get_world_size()


class _Maps(Sequence[Tensor]):
    """Maps of stages, each gathered when it is first read: most methods read few."""

    def __init__(self, rows: Sequence[Tensor]) -> None:
        self.rows, self.maps = rows, dict[int, Tensor]()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return tuple(self[k] for k in range(*i.indices(len(self))))
        i = range(len(self))[i]
        if i not in self.maps:
            self.maps[i] = _gathered(self.rows[i])
        return self.maps[i]


def _gathered(out: Any) -> Any:
    """Gather what a network returns: a tensor, a named tuple, or a tuple of maps."""
    if isinstance(out, Tensor):
        return _Gather.apply(out)
    return _Maps(out) if type(out) is tuple else type(out)(*map(_gathered, out))


# What rows have to do with each other inside a network


class _JointNorm(Function):
    """Normalise rows by a mean and a variance to which all processes contributed."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, mean: Tensor, var: Tensor, weight: Tensor, bias: Tensor, eps: float) -> Tensor:
        ctx.save_for_backward(x, mean, var, weight)
        ctx.eps = eps
        return F.batch_norm(x, mean, var, weight, bias, False, 0.0, eps)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Add to torch's gradient, that of these rows alone, what it lacks."""
        x, mean, var, weight = ctx.saved_tensors
        scale, count = (var + ctx.eps).rsqrt(), x.numel() // x.shape[1]
        rows = grads[0], x, weight, None, None, mean, scale, True, ctx.eps, [True, True, True]
        grad, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(*rows)
        local_means = torch.stack([of_weight, of_bias]) / count
        dist.all_reduce(joint := local_means / dist.get_world_size())
        slope, offset = (local_means - joint) * scale * weight
        rest = F.batch_norm(x, mean, var, slope, offset, False, 0.0, ctx.eps)
        return grad + rest, None, None, of_weight, of_bias, None


def joint_norm(
    x: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Do what `F.batch_norm` does to rows (R / N, C, ...), by the mean of all R."""
    if not training:
        return F.batch_norm(x, running_mean, running_var, weight, bias, False, momentum, eps)
    one = full(x).new_ones(x.shape[1]) if weight is None else weight
    zero = torch.zeros_like(one) if bias is None else bias
    with torch.no_grad():
        _, local_mean, scale = torch.native_batch_norm(x, one, zero, None, None, True, 0.0, 0.0)
        local_var = scale.pow(-2).nan_to_num(posinf=0.0)  # where all numbers are equal, CPUs give 0 for the scale
        means, variances = every(torch.stack([local_mean, local_var])[None]).unbind(1)  # of equally many rows
        mean = means.mean(0)
        var = variances.mean(0) + (means - mean).square().mean(0)
        if running_mean is not None and running_var is not None:
            count = x.numel() // x.shape[1] * dist.get_world_size()
            running_mean.lerp_(mean, momentum)
            running_var.lerp_(var * (count / (count - 1)), momentum)
    return _JointNorm.apply(x, mean, var, one, zero, eps)


class _Shards(TorchFunctionMode):
    """Inside it a network computes the rows of one process as if it had all of them."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if function is F.batch_norm:
            return joint_norm(*args, **kwargs)
        if function in DROPOUTS:  # drawn for all rows: every process draws the same, as one would
            x, *rest = args
            return x * shard(function(_of_all_rows(x).fill_(1), *rest, **{**kwargs, "inplace": False}))
        if function is Tensor.bernoulli_:
            x, *rest = args
            return x.copy_(shard(_of_all_rows(x).bernoulli_(*rest, **kwargs)))
        return function(*args, **kwargs)


def _of_all_rows(x: Tensor) -> Tensor:
    return x.new_empty(dist.get_world_size() * len(x), *x.shape[1:])


class Team:
    """The processes that train a method together, as one of them sees them."""

    def __init__(self, setup: Setup, rank: int, size: int, meeting: Path) -> None:
        """Join the processes that meet in the file `meeting`."""
        method, kind = setup.method, setup.device.type
        roots = filter(None, (method, method.teacher, *method.teacher_parts.values()))
        heavy = {each for root in roots for each in root.modules() if isinstance(each, Network | Branch)}
        self.calls = [(each, name, getattr(each, name)) for each in heavy for name in CALLS if hasattr(each, name)]
        self.first, self.within, self.parameters = rank == 0, False, list(method.parameters())
        if kind == "cuda":
            torch.cuda.set_device(setup.device)
        # what is no tensor of a GPU goes the processors' way, which notices at once that a process is gone
        backend, store = "cpu:gloo,cuda:nccl" if kind == "cuda" else "gloo", dist.FileStore(str(meeting), size)
        dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE)

    def __enter__(self) -> None:
        """Let networks and branches pass only the rows of this process through."""
        for module, name, call in self.calls:
            module.__dict__[name] = self._sharded(call)

    def __exit__(self, *_: object) -> None:
        for module, name, _call in self.calls:
            del module.__dict__[name]

    def _sharded(self, call: Callable[[Tensor], Any]) -> Callable[[Tensor], Any]:
        def divided(x: Tensor) -> Any:
            if self.within:  # one part of a network calls another
                return call(x)
            if len(x) % dist.get_world_size():
                raise Error(f"a network was given {len(x)} rows, which devices={dist.get_world_size()} do not divide")
            self.within = True
            try:
                with _Shards():
                    out = call(_Shard.apply(x))
            finally:
                self.within = False
            return _gathered(out)

        return divided

    def average(self) -> None:
        """Average the gradients of the weights over the processes."""
        grads = [each.grad for each in self.parameters if each.grad is not None]
        joint = torch.cat([grad.flatten() for grad in grads])
        dist.all_reduce(joint)
        parts = joint.div_(dist.get_world_size()).split([grad.numel() for grad in grads])
        for grad, part in zip(grads, parts, strict=True):
            grad.copy_(part.view(grad.shape))

    def agree(self, value: Value) -> Value:
        """Return what the first process gives, in all of them."""
        values = [value]
        dist.broadcast_object_list(values, src=0)
        return values[0]

    def leave(self) -> None:
        """Leave the others."""
        dist.destroy_process_group()


# Processes


def check(setup: Setup) -> None:
    """Refuse what the devices of a config cannot share."""
    size, config = setup.config.devices, setup.config
    if setup.device.type == "mps" or (setup.device.type == "cuda" and size > torch.cuda.device_count()):
        raise Error(f"devices={size}: this machine has fewer of {setup.device.type}, give device=cpu or fewer devices")
    if METHODS[config.method].__module__ == "__main__":
        raise Error(f"the processes of devices={size} do not know {config.method!r} of this notebook: give devices=1")
    splits = {each.splits * size for each in setup.method.modules() if isinstance(each, SplitBatchNorm2d)}
    if odd := next((parts for parts in splits if config.batch % parts), None):
        raise Error(
            f"batch={config.batch} has no {odd} equal parts, {odd // size} on each of devices={size}: give a multiple "
            f"of {odd}"
        )


@contextmanager
def together(setup: Setup) -> Iterator[Team]:
    """Start the other processes of a run, and yield their team.

    They end with the block. One that ends before is an `Error`.
    """
    config, kind, threads = setup.config, setup.device.type, torch.get_num_threads()
    check(setup)
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="kdlab-", ignore_cleanup_errors=True)))
        if kind == "cpu":  # whose threads they share
            torch.set_num_threads(max(1, threads // config.devices))
            stack.callback(torch.set_num_threads, threads)
        others = [stack.enter_context(Other(config, kind, rank, folder)) for rank in range(1, config.devices)]
        try:
            for other in others:
                other.wait()
            team = Team(setup, 0, config.devices, folder / "meeting")
            stack.callback(team.leave)
            yield team
        except (RuntimeError, OSError) as error:  # torch's, of a connection that is gone
            if ended := next(filter(None, (other.failure() for other in others)), None):
                raise Error(ended) from error
            raise


class Other:
    """A process that trains along with this one, on another device."""

    def __init__(self, config: Config, kind: str, rank: int, folder: Path) -> None:
        self.rank, self.errors = rank, folder / f"{rank}.txt"
        variables = {
            "PYTHONPATH": os.pathsep.join([str(PACKAGE.parent), os.environ.get("PYTHONPATH", "")]),
            "PYTHONIOENCODING": "utf-8",
            "OMP_NUM_THREADS": str(torch.get_num_threads()),
        }
        apart = {"creationflags": 0x200} if os.name == "nt" else {"process_group": 0}  # an interrupt is not for it
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", JOIN],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env={**os.environ, **variables},
                **apart,
            )
        assert self.process.stdin is not None
        about = {
            "config": config.model_dump(mode="json"),
            "kind": kind,
            "rank": rank,
            "meeting": f"{folder / 'meeting'}",
        }
        with suppress(OSError):  # it ended a moment ago
            self.process.stdin.write(f"{json.dumps(about)}\n")
            self.process.stdin.flush()

    def wait(self) -> None:
        """Wait until it has put its run together."""
        assert self.process.stdout is not None
        if not self.process.stdout.readline():
            raise Error(self.failure() or f"the process of device {self.rank} ended")

    def failure(self) -> str:
        """Return a sentence about how it ended, or an empty text while it runs."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(1)
        if not (code := self.process.poll()):
            return ""
        lines = self.errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        why = f"signal {-code}" if code < 0 else (lines or [f"code {code}"])[-1]
        return f"the process of device {self.rank} ended ({why}): the last checkpoint is kept, the same call goes on"

    def __enter__(self) -> "Other":
        return self

    def __exit__(self, *_: object) -> None:
        for pipe in filter(None, (self.process.stdin, self.process.stdout)):
            with suppress(OSError):
                pipe.close()  # at which it ends
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        self.process.kill()
        self.process.wait()

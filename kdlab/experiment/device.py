"""The device of a run, its precision, and what its numbers were measured on."""

import logging
import os
import platform
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import torch
from torch import nn

from ..core.errors import Error
from ..core.loading import without_collection
from ..core.places import processors
from .config import Config

if TYPE_CHECKING:  # it takes a second to load, and a stored result needs none
    from lightning_fabric import Fabric


def device_of(config: Config) -> torch.device:
    """Return the config's device; "auto" is the best that is there.

    A device that is not there is an `Error`.
    """
    kind, _, index = config.device.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (index and (kind != "cuda" or not index.isdigit())):
        raise Error(f"device={config.device!r}: choose auto, cpu, cuda, cuda:0, cuda:1, ..., or mps")
    if kind == "auto":
        return best_device()
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    count = torch.cuda.device_count()
    if not available[kind] or (index and int(index) >= count):
        raise Error(f"device={config.device!r} is not there: torch sees {count} CUDA devices; 'auto' takes the best")
    return torch.device(kind) if kind == "cpu" else torch.device(kind, int(index or 0))


def best_device() -> torch.device:
    """Return what a Fabric takes where the best device is asked for."""
    if torch.backends.mps.is_available():
        return torch.device("mps", 0)
    return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")


def make_fabric(config: Config) -> "Fabric":
    """Make a Fabric of lightning for the config's device and precision.

    A device that is not there is an `Error`. Who only asks for the device calls `device_of`, which loads nothing.
    """
    device = device_of(config)
    with without_collection():
        from lightning_fabric import Fabric

    logging.getLogger("lightning_fabric.utilities.rank_zero").setLevel(logging.WARNING)  # it announces AMP every time
    devices: Any = [device.index] if device.type == "cuda" else 1
    return Fabric(accelerator=device.type, devices=devices, precision=config.precision)


def check_precision(config: Config, device: torch.device) -> None:
    """Refuse 16-mixed but on CUDA.

    Elsewhere other numbers would be computed, and kept under its name.
    """
    if config.precision == "16-mixed" and device.type != "cuda":
        raise Error(
            f"precision='16-mixed' is for CUDA only, and this run would train on {device.type}: give bf16-mixed or "
            "32-true"
        )


def machine(device: torch.device, devices: int = 1) -> dict[str, Any]:
    """Return what a run on so many of `device` was measured on.

    That is: versions, devices, threads, and the commit of the package.
    """
    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": platform.system(),
        "device": str(device),
        "devices": devices,
        "processor": processor(),
        "threads": torch.get_num_threads(),
        "commit": _commit(Path(__file__).parents[2]),
    }


@cache
def processor() -> str:
    """Return maker and model of the processor, and the instructions that torch uses.

    On one thread those of one kind round alike; those of two makers do not, with the same instructions.
    """
    facts: dict[str, str] = {}
    with suppress(OSError):  # Linux alone has it
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        facts = dict(re.findall(r"^(model name|cpu family|model)\s*: (.*)$", text.partition("\n\n")[0], re.MULTILINE))
    names = " ".join(facts[name] for name in ("model name", "cpu family", "model") if name in facts)
    return f"{names or platform.processor() or platform.machine()}, {torch.backends.cpu.get_cpu_capability()}"


def _commit(root: Path) -> str | None:
    """Return the commit of kdlab's own repository.

    None where `root` is part of another one, or of none.
    """
    about = root / "pyproject.toml"
    if not (root / ".git").exists() or not about.is_file() or 'name = "kdlab"' not in about.read_text(encoding="utf-8"):
        return None
    command = ["git", "rev-parse", "--verify", "--quiet", "HEAD"]
    try:
        return subprocess.run(command, check=False, cwd=root, capture_output=True, text=True).stdout.strip() or None
    except OSError:  # no git on this machine
        return None


def synchronize(device: torch.device) -> None:
    """Wait until a device has done what it was given; a CPU always has."""
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()  # torch.cuda, torch.mps, ...


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute on one thread inside this context.

    So numbers do not depend on how many cores there are.

    Networks of a laptop's size lose little by it; on a GPU it changes nothing.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


SMALL = 5e8  # multiply-accumulates


def fitting_threads(work: Callable[[], float]) -> AbstractContextManager[None]:
    """Compute small steps on one thread, unless somebody chose how many.

    `work` counts multiply-accumulates of a step's images, forward; it is called only where that decides. Calls of a
    smaller step are so short that threads wait for each other longer than they compute, many times longer where other
    programs are busy.
    """
    return one_thread() if chosen_threads() is None and work() < SMALL else nullcontext()


def chosen_threads() -> int | None:
    """Return the number of threads that somebody chose, or None.

    It was chosen by OMP_NUM_THREADS or MKL_NUM_THREADS, or by `torch.set_num_threads` where it is not torch's default,
    the number of processors.
    """
    threads, default = torch.get_num_threads(), {processors(), psutil.cpu_count(logical=False)}
    chosen = {"OMP_NUM_THREADS", "MKL_NUM_THREADS"} & os.environ.keys() or threads not in default
    return threads if chosen else None


SAFE_SIDE = 32  # pixels up to which AVX-512 code was seen to be right


def layout(method: nn.Module, side: int, device: torch.device | str) -> torch.memory_format:
    """Choose the memory format of a method's weights, for images of `side` pixels.

    It is channels last, which is fastest.

    Not so where oneDNN would write past its workspace, which ends the process or gives wrong gradients: on CPUs, in
    1 x 1 convolutions with a stride that read fewer channels than fit into a register (oneDNN's issue 6035, open in
    2026). Shortcuts of narrow ResNets are such.
    """
    if torch.device(device).type != "cpu":
        return torch.channels_last
    wide = torch.backends.cpu.get_cpu_capability().startswith("AVX512")
    if wide and side <= SAFE_SIDE:
        return torch.channels_last
    strided = [
        m for m in method.modules() if isinstance(m, nn.Conv2d) and m.kernel_size == (1, 1) and m.stride != (1, 1)
    ]
    narrow = any(m.in_channels < (16 if wide else 8) for m in strided)
    return torch.contiguous_format if narrow else torch.channels_last

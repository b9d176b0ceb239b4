"""A GPU that is not there: a second device, played on the CPU, on which whole runs are tested on any machine.

    with FakeGPU(dtypes=[torch.float64], operators=["_pdist_forward"]) as gpu:
        net.to("fake:0")(x.to("fake:0")).sum().backward()
        kdlab.run(Config())  # device="auto" takes it, as it takes a GPU; device="cpu" does not
    gpu.waits  # Counter({("item", "metrics/__init__.py:46"): 3, ...})

A tensor of the device wraps a tensor of the CPU that holds its numbers. Every operation passes through one function,
`FakeGPU.call`, which behaves as a real device does:

- tensors of the host and of the device do not meet, but for a host's single number;
- what the device lacks raises: `dtypes` (Apple's GPUs have no float64), and `operators`, by their names in ATen;
- where the host has to wait for the device (item, copies, results whose size depends on values) is counted in `waits`,
  with the line of the package that asked;
- random numbers come from the host's generators, so that a run draws what it draws on the CPU.

What it cannot show: speed, kernels that compute something else, and memory. One device at a time. It rests on names of
torch that are not public (`_setup_privateuseone_for_python_backend`, `_make_wrapper_subclass`).
"""

import collections
import os
import re
import sys
from pathlib import Path
from unittest import mock

import lightning_fabric
import torch
from lightning_fabric.accelerators import CPUAccelerator
from lightning_fabric.strategies import SingleDeviceStrategy
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.backend_registration import _setup_privateuseone_for_python_backend

import kdlab
from kdlab.experiment import device


class _Backend:
    """What torch asks of a kind of device: there is one, whose generator is the host's."""

    def is_initialized(self):
        return True

    def is_available(self):
        return bool(_entered)

    def current_device(self):
        return 0

    def device_count(self):
        return 1

    def _is_in_bad_fork(self):
        return False

    def synchronize(self, device=None):
        _entered[-1].wait("synchronize")

    def manual_seed_all(self, seed):
        pass

    def get_rng_state(self, device=None):
        return torch.empty(0, dtype=torch.uint8)

    def set_rng_state(self, state, device=None):
        pass

    def get_amp_supported_dtype(self):
        return [torch.bfloat16, torch.float16]


_entered: list["FakeGPU"] = []  # the device that is there just now is the last
_setup_privateuseone_for_python_backend("fake", backend_module=_Backend())
PACKAGE = f"{Path(kdlab.__file__).parent}{os.sep}"
DEVICE = torch.device("fake", 0)

# Operators that make the host wait, as the size of their result, or their result, is something that it has to know
WAITING = {
    "nonzero",
    "masked_select",
    "_unique",
    "_unique2",
    "unique_dim",
    "bincount",
    "equal",
    "is_nonzero",
    "histc",
    "repeat_interleave",
}


class Held(torch.Tensor):
    """A tensor of the device; `held` is the tensor of the CPU that has its numbers."""

    @staticmethod
    def __new__(cls, held):
        return torch.Tensor._make_wrapper_subclass(
            cls,
            held.shape,
            strides=held.stride(),
            storage_offset=held.storage_offset(),
            dtype=held.dtype,
            device=DEVICE,
        )

    def __init__(self, held):
        self.held = held

    @property
    def data(self):
        return torch.Tensor.data.__get__(self)

    @data.setter
    def data(self, other):  # as `Module.to` exchanges what a parameter holds
        torch.Tensor.data.__set__(self, other)
        self.held = other.held

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, op, types, args=(), kwargs=None):  # where no mode is on, as in hooks of backward
        return _entered[-1].call(op, args, kwargs or {})

    def tolist(self):
        _entered[-1].wait("tolist")
        return self.held.tolist()

    def numpy(self, **_):
        raise TypeError("can't convert fake:0 device type tensor to numpy: copy it to the host first")

    def __array__(self, *_, **__):
        return self.numpy()

    def __deepcopy__(self, memo):
        copy = Held(self.held.clone()).requires_grad_(self.requires_grad)
        copy.__dict__.update({name: value for name, value in self.__dict__.items() if name != "held"})
        return memo.setdefault(id(self), copy)

    def __reduce_ex__(self, protocol):  # a file holds numbers; `torch.load` puts them where `map_location` says
        return self.held.__reduce_ex__(protocol)


class FakeGPU(TorchDispatchMode):
    """The device, while the `with` block lasts; see above."""

    def __init__(self, dtypes=(), operators=()):
        super().__init__()
        self.dtypes, self.operators, self.waits = set(dtypes), set(operators), collections.Counter()
        self.calls = collections.Counter()  # of each operator, on tensors of the device

    def wait(self, what):
        """Note that the host waits."""
        self.waits[what, place()] += 1

    def __torch_dispatch__(self, op, types, args=(), kwargs=None):
        return self.call(op, args, kwargs or {})

    def call(self, op, args, kwargs):
        """What `op` gives, on the device if a tensor of it takes part or the result is wanted there."""
        tensors = [x for x in flat((*args, *kwargs.values())) if isinstance(x, torch.Tensor)]
        ours = [x for x in tensors if isinstance(x, Held)]
        if not ours and not on_device(kwargs.get("device")):
            return op(*args, **kwargs)
        name = op._schema.name.removeprefix("aten::")
        to_host = self._check(name, args, kwargs, tensors)
        self.calls[name] += 1
        out = op(*mapped(unwrapped, args), **{key: mapped(unwrapped, value) for key, value in kwargs.items()})
        known = {id(x.held): x for x in ours} | {id(x): x for x in tensors if not isinstance(x, Held)}

        def wrapped(x):
            if not isinstance(x, torch.Tensor):
                return x
            if id(x) in known:  # what was changed in place
                return known[id(x)]
            if to_host:
                return x
            if x.dtype in self.dtypes:
                raise TypeError(f"Cannot convert a tensor to {x.dtype}, which the device has not: {name}, {place()}")
            return Held(x)

        return mapped(wrapped, out)

    def _check(self, name, args, kwargs, tensors):
        """Refuse what the device cannot do, and note where the host waits; whether the result goes to the host."""
        if name in self.operators:
            raise NotImplementedError(f"The operator 'aten::{name}' is not implemented for the device: {place()}")
        hosts = [x for x in tensors if not isinstance(x, Held)]
        if name in ("_to_copy", "copy_"):
            wanted = kwargs.get("device")
            to_host = not isinstance(args[0], Held) if name == "copy_" else wanted is not None and not on_device(wanted)
            later = kwargs.get("non_blocking", len(args) > 2 and args[2])
            if to_host:
                self.wait("copy to the host")
            elif hosts and not later:
                self.wait("copy to the device")
            return to_host
        if name != "set_" and any(x.dim() for x in hosts):
            raise RuntimeError(f"Expected all tensors to be on the same device, but {name} got two: {place()}")
        if name == "_local_scalar_dense":
            self.wait("item")
            return True
        if name in WAITING or (name.startswith("index") and _by_mask(tensors)):
            self.wait(name)
        return False

    def __enter__(self):
        _entered.append(self)
        self._patches = [
            mock.patch.object(torch, "Generator", _generators(torch.Generator)),
            mock.patch.object(lightning_fabric, "Fabric", _launcher(lightning_fabric.Fabric)),
            mock.patch.object(device, "best_device", return_value=DEVICE),
        ]
        for patch in self._patches:
            patch.start()
        # Other threads do not see the mode
        self._others = [_Makers(), torch.autograd.set_multithreading_enabled(False)]
        for other in self._others:
            other.__enter__()
        return super().__enter__()

    def __exit__(self, *error):
        super().__exit__(*error)
        for other in reversed(self._others):
            other.__exit__(*error)
        for patch in reversed(self._patches):
            patch.stop()
        _entered.pop()


def on_device(device):
    """Whether a device, or the name of one, is the fake one."""
    return device is not None and torch.device(device).type == DEVICE.type


def flat(values):
    """The arguments of an operator, and those in lists: torch's own walk through trees takes most of a call."""
    for value in values:
        if isinstance(value, list | tuple):
            yield from flat(value)
        else:
            yield value


def mapped(function, value):
    """What a function makes of a value, or of each in lists."""
    return type(value)(mapped(function, each) for each in value) if type(value) in (list, tuple) else function(value)


def unwrapped(x):
    """An argument as the CPU takes it."""
    if isinstance(x, Held):
        assert x.held.shape == x.shape and x.held.stride() == x.stride(), "what the device holds went astray"
        return x.held
    return torch.device("cpu") if isinstance(x, torch.device) else x


def place():
    """The innermost line of the package that is running."""
    frame = sys._getframe()
    while frame is not None and not frame.f_code.co_filename.startswith(PACKAGE):
        frame = frame.f_back
    return f"{frame.f_code.co_filename.removeprefix(PACKAGE)}:{frame.f_lineno}" if frame else "?"


def _by_mask(tensors):
    return any(x.dtype in (torch.bool, torch.uint8) for x in tensors[1:2])


def _generators(original):
    """torch.Generator, which gives generators of the device too: those draw on the host."""

    class OfDevice(original):
        device = property(lambda self: DEVICE)

    class Generator(original):
        def __new__(cls, device="cpu"):
            return OfDevice() if on_device(device) else original(device)

    # The code of a run is told from that of libraries by its module
    Generator.__module__ = OfDevice.__module__ = original.__module__
    return Generator


class _Makers(TorchFunctionMode):
    """torch.tensor and torch.as_tensor, which make a tensor where no other mode sees it."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        if function in (torch.tensor, torch.as_tensor) and on_device(device := kwargs.get("device")):
            return function(*args, **{**kwargs, "device": "cpu"}).to(device)
        return function(*args, **kwargs)


class _Accelerator(CPUAccelerator):
    def setup_device(self, device):
        pass


def _launcher(original):
    """lightning-fabric's `Fabric`, which knows the device."""

    class Fabric(original):
        def __init__(self, accelerator="auto", **options):
            fake = accelerator == DEVICE.type
            if fake:
                options |= {"strategy": SingleDeviceStrategy(DEVICE), "devices": 1}
            super().__init__(accelerator=_Accelerator() if fake else accelerator, **options)

    return Fabric


def lacking(kind):
    """Names of operators that the CPU has and a `kind` of device ("MPS", "CUDA") lacks, by torch's own table."""
    import torchgen

    table = Path(torchgen.__file__).parent / "packaged" / "ATen" / "native" / "native_functions.yaml"
    has, groups = {}, {}
    for entry in re.split(r"(?m)^- func: ", table.read_text(encoding="utf-8"))[1:]:
        name = entry[: entry.index("(")]
        has[name] = {
            key.strip() for keys in re.findall(r"(?m)^    ([A-Za-z0-9_, ]+):", entry) for key in keys.split(",")
        }
        if group := re.search(r"(?m)^  structured_delegate: (\S+)", entry):
            groups[name] = group[1]
    for name, group in groups.items():
        has[name] |= has[group]
    full = {name for name, keys in has.items() if "CPU" in keys and kind not in keys}
    full = {name for name in full if not any(key.startswith("Composite") for key in has[name])}
    return {name.partition(".")[0] for name in full} - {name.partition(".")[0] for name in has if kind in has[name]}

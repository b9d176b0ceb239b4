"""Training methods, by name. A new method is one file and one line here; a notebook adds its own to the same table."""

from .base import Distill, Method
from .kd import KD
from .litenet_ssd import LiteNetSSD
from .simclr import SimCLR
from .supervised import Supervised

METHODS: dict[str, type[Method]] = {
    "kd": KD,
    "litenet_ssd": LiteNetSSD,
    "simclr": SimCLR,
    "supervised": Supervised,
}

__all__ = ["METHODS", "Distill", "Method"]

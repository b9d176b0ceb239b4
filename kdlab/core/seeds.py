"""Random generators: each is seeded by its purpose, never by what ran before it."""

from hashlib import blake2b

import torch

from .hyper import plain


def derive(*parts: int | str) -> int:
    """Return a 63-bit seed, a function of `parts` alone: `derive(seed, "epoch", 3)`."""
    parts = tuple(plain(part) for part in parts)  # numpy's 3 is written in another way, and is the same seed
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=8).digest(), "big") >> 1


def generator(*parts: int | str) -> torch.Generator:
    """Return a generator on the host, seeded by `derive(*parts)`."""
    return torch.Generator().manual_seed(derive(*parts))

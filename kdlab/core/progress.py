"""Progress of what takes long: a bar on a terminal, lines in a file."""

import sys
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

from tqdm.auto import tqdm

from .places import bars

QUIET_SECONDS = 10.0  # between two lines where no bar moves
DELAY_SECONDS = 2.0  # what is done by then needs no bar

Item = TypeVar("Item")


def progress(items: Sequence[Item], what: str) -> Iterator[Item]:
    """Yield items, and say how many of them are done.

    Nothing is said of few, and with KDLAB_PROGRESS=0.
    """
    latest = time.monotonic()
    with tqdm(total=len(items), desc=what, leave=False, delay=DELAY_SECONDS, disable=bars()) as bar:
        for i, item in enumerate(items):
            yield item
            bar.update()
            if bar.disable and bars() is None and time.monotonic() - latest > QUIET_SECONDS:
                latest = time.monotonic()
                print(f"kdlab: {what}: {i + 1:,} of {len(items):,}", file=sys.stderr, flush=True)

"""Files that are whole or not there: what is written takes its place in one step."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a new file beside `path` to write to; at the end it takes the place of `path`.

    After an error, such as a full disk, `path` is as it was and nothing is left beside it. Several processes may
    replace one path at a time: the last one wins. The new file has the permissions that the umask leaves, whatever
    wrote it.
    """
    temporary = path.with_name(f".{path.name[:40]}.{uuid.uuid4().hex[:12]}.tmp")
    temporary.touch(0o666, exist_ok=False)
    try:
        mode = temporary.stat().st_mode & 0o777
        yield temporary
        temporary.chmod(mode)
        with temporary.open("rb+") as file:  # on the disk before the name is: a power cut leaves one or the other
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Replace what `path` holds by `text`, in UTF-8."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_bytes(path: Path, content: bytes) -> None:
    """Replace what `path` holds by `content`."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)

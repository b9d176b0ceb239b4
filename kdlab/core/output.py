"""Output: text that disturbs no terminal, and files that are whole or not there."""

import os
import sys
import unicodedata
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path


def shown(text: object, keep: str = "") -> str:
    r"""Return `text` with escapes for what does not print: \n, \x1b, \u202e.

    So nothing in it moves the cursor. A byte of a file's name that is not UTF-8 is written as that byte, \xe9.
    Characters in `keep` stay.
    """
    # U+200C and U+200D join letters, or keep them apart, in several scripts; Zs are blanks of all widths
    keep += "\u200c\u200d"
    return "".join(
        each if each in keep or each.isprintable() or unicodedata.category(each) == "Zs" else _escaped(each)
        for each in str(text)
    )


def say(text: object = "") -> None:
    """Print text of one line or several."""
    print(shown(text, keep="\n\t"))


def duration(seconds: float) -> str:
    """Return seconds in words."""
    for size, unit in ((86_400, "days"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} s"


def write_anything() -> None:
    """Print what the encoding of the output lacks as escapes, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a new file beside `path` to write to, which replaces `path` at the end.

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

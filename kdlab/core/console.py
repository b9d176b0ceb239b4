"""Text on a terminal or in a file: names of files and classes may hold anything, and are written all the same."""

import sys
import unicodedata
from io import TextIOWrapper


def shown(text: object, keep: str = "") -> str:
    r"""`text` with everything that does not print, or that moves the cursor, written as an escape: \n, \x1b, \u202e.

    A byte of a file's name that is not UTF-8 is written as that byte, \xe9. Characters in `keep` stay.
    """
    return "".join(each if _prints(each) or each in keep else _escaped(each) for each in str(text))


def say(text: object = "") -> None:
    """Print text of one line or several."""
    print(shown(text, keep="\n\t"))


def write_anything() -> None:
    """Let this process print what the encoding of its output lacks: as escapes, in place of an end by an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def _prints(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"  # blanks of all widths


def _escaped(character: str) -> str:
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()

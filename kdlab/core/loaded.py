"""The package's files as they were when this process began to load them: an edit after that changes no number of it."""

from pathlib import Path

PACKAGE = Path(__file__).parents[1]


def _stamp(file: Path) -> tuple[int, int] | None:
    """What changes with the content of a file: the time of its last change and its size; None where it is gone."""
    try:
        about = file.stat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size


STAMPS = {file: _stamp(file) for file in PACKAGE.rglob("*.py")}


def edited(file: Path) -> bool:
    """Whether a file of the package has changed since the process began to load the package."""
    return file not in STAMPS or _stamp(file) != STAMPS[file]

"""Tables of numbers as CSV files: yours, and those that came with the package."""

import csv
import io
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..core.errors import Error
from ..core.output import replacing
from ..core.places import SHIPPED, figures_root

WHOLE = 2**53  # floats below it hold every integer
MARKS = ("<<<<<<<", "|||||||", "=======", ">>>>>>>")  # what git leaves in a file of two versions
AGAIN = "bring the file back from a copy or from version control, or move it away"


def file_of(name: str, root: Path | None = None) -> Path:
    """Return the file of table `name` under `root`, by default the figures folder.

    "lsskd/table-2" lies in lsskd_table-2.csv.
    """
    return (root or figures_root()) / "data" / f"{name.replace('/', '_')}.csv"


def places(name: str) -> list[Path]:
    """Return the files of table `name` that exist: the package's, then yours."""
    files = [file_of(name, root) for root in dict.fromkeys((SHIPPED, figures_root()))]
    return [file for file in files if file.exists()]


def save_table(frame: pd.DataFrame, name: str) -> None:
    """Write the numbers behind a figure or a table as data/`name`.csv, atomically.

    Whole numbers keep all their digits, others have six.
    """
    path = file_of(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        shown: Any = digits
        frame.to_csv(temporary, lineterminator="\n", float_format=shown, encoding="utf-8")


def digits(value: float) -> str:
    """Format a number: all digits of a whole one, even in a column of floats."""
    return str(int(value)) if value and abs(value) < WHOLE and value == int(value) else f"{value:.6g}"


def load_table(name: str) -> pd.DataFrame:
    """Read your data/`name`.csv, which `save_table` wrote, else the package's.

    Columns are whole numbers, floats, True and False, or else texts.
    """
    if not (files := places(name)):
        raise Error(f"no table {name!r} in {figures_root() / 'data'}; whatever measures it writes it there")
    frame = read_texts(files[-1]).reset_index(drop=True)
    columns: dict[Any, Any] = {}
    for column, cells in frame.items():
        if (values := numbers(cells)) is not None:
            columns[column] = values
        elif set(cells) <= {"True", "False"}:
            columns[column] = cells == "True"
        else:
            columns[column] = cells.mask(cells == "")
    return pd.DataFrame(columns, index=frame.index, columns=frame.columns)


def read_texts(file: Path) -> pd.DataFrame:
    """Read a CSV file as texts; the index is the number of a row's last line.

    An `Error` names the file, and the line where one is damaged: another number of cells than the columns have, marks
    of git, half a file.
    """
    try:
        text = file.read_bytes().decode("utf-8-sig")  # a spreadsheet puts a mark before it
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise Error(f"{file}, line {line}: not UTF-8; {AGAIN}") from None
    if not text.strip():
        raise Error(f"{file} is empty; {AGAIN}")
    names, rows, lines = list[str](), list[list[str]](), list[int]()
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        for cells in reader:
            if not cells:  # an editor's empty line
                continue
            if cells[0].startswith(MARKS):
                raise Error(f"{file}, line {reader.line_num}: two versions, as git left them; choose one of them")
            if not names:
                names = cells
                if len(cells) == 1 and ";" in cells[0]:
                    raise Error(f"{file}, line 1: its columns are apart by ';': save it with commas, or {AGAIN}")
            elif len(cells) != len(names):
                counts = f"{len(cells)} cells, where the file has {len(names)} columns"
                raise Error(f"{file}, line {reader.line_num}: {counts}; {AGAIN}")
            else:
                rows.append(cells)
                lines.append(reader.line_num)
    except csv.Error as error:
        raise Error(f"{file}, line {reader.line_num}: {error}; {AGAIN}") from None
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise Error(f"{file}, line 1: two columns {twice[0]!r}; {AGAIN}")
    if not text.endswith(("\n", "\r")):
        raise Error(f"{file}, line {reader.line_num}: the file ends within it; {AGAIN}")
    return pd.DataFrame(rows, columns=names, index=lines, dtype="str")


def numbers(cells: Collection[str]) -> "np.ndarray | None":
    """Parse cells as whole numbers, else as floats (blank: NaN), else return None."""
    with suppress(ValueError, OverflowError):
        return np.array([int(cell) for cell in cells], dtype=np.int64)
    try:
        return np.array([float(cell) if cell else np.nan for cell in cells])
    except ValueError:
        return None

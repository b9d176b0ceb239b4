"""Images that a CSV file names, with columns for files, labels and splits."""

import csv
import io
import os
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PureWindowsPath
from typing import NamedTuple

from ..core.errors import Error
from ..core.places import located
from .folders import PARTS, SHARE, decoded_set, divided
from .images import ImageSet
from .listing import Listing, ending, endings

# Names of columns, in lower case, "_" for blanks and hyphens
FILES = (
    "file",
    "filename",
    "file_name",
    "path",
    "filepath",
    "file_path",
    "image",
    "image_path",
    "image_file",
    "image_name",
    "img",
    "img_path",
    "img_name",
)
LABELS = ("label", "labels", "class", "class_name", "classname", "target", "category", "y")
SPLITS = ("split", "set", "subset", "part", "partition")
SIDES = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "unlabelled": "unlabelled",
    "unlabeled": "unlabelled",
    "": "",
}
NAMED = 3  # files and columns that a sentence names
Names = dict[str, dict[str, list[str]]]  # folder -> name in NFC -> the names of what is there


class Row(NamedTuple):
    """One image of a table.

    The line it stands in, its file as written, its label ("": none), its split ("": any).
    """

    line: int
    file: str
    label: str
    side: str


def csv_file(part: str, size: int | None = None) -> ImageSet:
    """Images of your own that a CSV file names: columns file, label and perhaps split.

    Files lie where the table says, beside it unless the path is whole. An empty label: an image without one. Without a
    column split a fifth of each class is for testing, chosen by the content of the files. Commas, semicolons or tabs;
    UTF-8. Images of different sizes are brought to `size`.
    """
    return decoded_set(tabled(located(part), f"csv:{part}"), size)


def named_in(table: Path) -> list[Path]:
    """List the files that a table names, whether they are there or not."""
    return [Path(path) for path in _paths(table.parent, _rows(table)[0])]


def tabled(table: Path, name: str) -> Listing:
    """List the images that a table names, under the name of a data set."""
    if not table.is_file():
        hint = f": write folder:{table}" if table.is_dir() else ""
        raise Error(f"there is no file {table}{hint or ': give a CSV file with the columns file,label'}")
    rows, sided = _rows(table)
    left_out = Counter(("", end) for row in rows if not _reads(end := ending(row.file)))
    rows = [row for row in rows if _reads(ending(row.file))]
    files = _found(table, rows)
    for row in rows:
        if sided and not row.side and row.label:
            raise Error(f"{table}, line {row.line}: {row.file} has a label and no split: write train, test or val")
        if row.side in ("test", "val") and not row.label:
            raise Error(f"{table}, line {row.line}: {row.file} is for {row.side} and has no label: give it one")
    return _listing(table, name, rows, files, sided, left_out)


def _listing(
    table: Path, name: str, rows: Sequence[Row], files: Sequence[str], sided: bool, left_out: Counter[tuple[str, str]]
) -> Listing:
    names = {row.label for row in rows if row.label}
    numbers = all(re.fullmatch(r"-?[0-9]{1,18}", each) for each in names)  # sorted by value, other names as texts
    classes = tuple(sorted(names, key=lambda each: (int(each) if numbers else 0, each)))
    made = Listing(name, table.parent, classes, {"train": [(file, -1) for file in files]}, left_out, (), False, table)
    if not rows:
        raise Error(f"{table} names no image: it needs a line for each, such as cat/1.jpg,cat")
    if not classes:
        return made
    if len(classes) == 1:
        raise Error(f"{table} has one class only, {classes[0]}: a classifier needs two labels or more")
    label = {each: k for k, each in enumerate(classes)}
    loose = [file for file, row in zip(files, rows, strict=True) if not row.label]
    labelled = [(file, label[row.label], row.side) for file, row in zip(files, rows, strict=True) if row.label]
    if not sided:
        groups = {each: [file for file, k, _ in labelled if k == label[each]] for each in classes}
        train, test = divided(groups, loose)
        return replace(made, files={"train": train, "test": test}, by_content=True)
    parts = {side: [(file, k) for file, k, part in labelled if part == side] for side in PARTS}
    if not parts["train"] or not (parts["test"] or parts["val"]):
        sides = " and ".join(sorted({side for *_, side in labelled}))
        raise Error(
            f"the column for the split of {table} has {sides}: it needs train, and test or val; without it "
            f"{SHARE:.0%} of each class are for testing"
        )
    for side, pairs in parts.items():
        if odd := {classes[k] for _, k in pairs} - {classes[k] for _, k in parts["train"]}:
            raise Error(f"{table} has no training image of {', '.join(sorted(odd))}, which {side} has: give it some")
    parts["train"] += [(file, -1) for file in loose]
    return replace(made, files={side: pairs for side, pairs in parts.items() if pairs})


def _reads(end: str) -> bool:
    """Return whether a file may be an image: a table may name files without ending."""
    return end in endings() or not end.startswith(".")


def _rows(table: Path) -> tuple[list[Row], bool]:
    """Return the images of a table, each once, and whether it has a split."""
    lines, before = _lines(table)
    try:
        read = csv.reader(lines, delimiter=max(",;\t", key=lines[0].count), strict=True)
        header = [name.strip().lower().replace(" ", "_").replace("-", "_") for name in next(read)]
        at = {
            kind: _column(table, header, kind, names)
            for kind, names in {"file": FILES, "label": LABELS, "split": SPLITS}.items()
        }
        rows: dict[str, Row] = {}
        for cells in read:
            if row := _row(table, read.line_num + before, cells, len(header), at):
                first = rows.setdefault(row.file, row)
                if first[1:] != row[1:]:
                    raise Error(
                        f"{table} says two things of {row.file}, in lines {first.line} and {row.line}: one image has "
                        "one label and is for one thing"
                    )
    except csv.Error as error:
        raise Error(f"{table} is no CSV file ({error}): save it as one, in UTF-8") from error
    return list(rows.values()), at["split"] is not None


def _lines(table: Path) -> tuple[list[str], int]:
    """Return the lines of a table from its header on, and how many stand before."""
    try:
        text = table.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise Error(f"{table} cannot be read ({error.strerror}): mend or remove it") from error
    except UnicodeDecodeError:
        raise Error(f'{table} is not written in UTF-8: save it as "CSV UTF-8", or export it so') from None
    lines = list(io.StringIO(text, newline=""))
    before = 0
    while before < len(lines) and (not lines[before].strip() or lines[before].lower().startswith("sep=")):
        before += 1  # blank, or what Excel writes of the mark between cells
    if before == len(lines):
        raise Error(f"{table} is empty: it needs a line with the columns file,label, and one for each image")
    return lines[before:], before


def _column(table: Path, header: Sequence[str], kind: str, names: Sequence[str]) -> int | None:
    """Return the index of the column of a kind; None where a table needs none."""
    columns = [k for k, name in enumerate(header) if name in names]
    if len(columns) > 1:
        both = " and ".join(header[k] for k in columns[:2])
        raise Error(f"{table} has several columns for the {kind}, {both}: leave one")
    if not columns and kind != "split":
        more = "; leave its cells empty for images without labels" if kind == "label" else ""
        raise Error(
            f"{table} has no column for the {kind}: its first line is {','.join(header)[:80]}, call one of them "
            f"{', '.join(names[:4])}{more}"
        )
    return columns[0] if columns else None


def _row(table: Path, line: int, cells: Sequence[str], width: int, at: dict[str, int | None]) -> Row | None:
    """Return the image that a line names; None for an empty line."""
    if not any(cell.strip() for cell in cells):
        return None
    if len(cells) > width:
        raise Error(f"{table}, line {line}: {len(cells)} cells and {width} columns: put names with a mark into quotes")

    def cell(kind: str) -> str:
        column = at[kind]
        return cells[column].strip() if column is not None and column < len(cells) else ""

    if not cell("file"):
        raise Error(f"{table}, line {line}: no file is named")
    side = cell("split").lower()
    if side not in SIDES:
        raise Error(f"{table}, line {line}: the split {cell('split')!r} is none of train, test and val")
    if SIDES[side] == "unlabelled":
        return Row(line, cell("file"), "", "")
    return Row(line, cell("file"), cell("label"), SIDES[side])


def _found(table: Path, rows: Sequence[Row]) -> list[str]:
    """Return the path of each row's file.

    An `Error` names those that are not there, and one that two rows name.
    """
    paths = _paths(table.parent, rows)
    missing = [row.file for row, path in zip(rows, paths, strict=True) if not os.path.isfile(path)]  # noqa: PTH113
    if missing:
        more = f" and {len(missing) - NAMED:,} more" if len(missing) > NAMED else ""
        raise Error(
            f"{len(missing):,} of the {len(rows):,} files that {table} names are not there: "
            f"{', '.join(missing[:NAMED])}{more}; paths start at {table.parent}"
        )
    by_path: dict[str, Row] = {}
    for path, row in zip(paths, rows, strict=True):
        if (first := by_path.setdefault(os.path.normpath(path), row)) is not row:
            raise Error(f"{table} names one image twice, in lines {first.line} and {row.line}: leave one")
    return paths


def _paths(folder: Path, rows: Sequence[Row]) -> list[str]:
    """Return the paths of the files that a table in `folder` names."""
    known: Names = {}
    return [_path(folder, row.file, known) for row in rows]


def _path(folder: Path, file: str, known: Names) -> str:
    """Return the path of a file, also of a name from Windows or a Mac.

    A Mac writes another normal form of Unicode.
    """
    path = os.path.join(folder, os.path.expanduser(file))  # noqa: PTH111, PTH118  # names that no system has raise nothing
    if "\\" in file and not os.path.exists(path):  # noqa: PTH110
        path = os.path.join(folder, PureWindowsPath(file).as_posix())  # noqa: PTH118
    if path.isascii() or os.path.exists(path):  # noqa: PTH110
        return path
    return _in_other_form(path, known) or path


def _in_other_form(path: str, known: Names) -> str | None:
    """Find the one path that differs in the normal form of Unicode alone.

    A Mac writes "ä" as two characters and most other systems as one: a table and files often come from two.
    """
    above, name = os.path.split(path)
    if not name or above == path:
        return None
    if not os.path.isdir(above):  # noqa: PTH112
        existing = _in_other_form(above, known)
        if existing is None:
            return None
        above = existing
    if above not in known:
        names: defaultdict[str, list[str]] = defaultdict(list)
        with suppress(OSError):  # no permission: the file counts as not there
            for each in os.listdir(above):  # noqa: PTH208
                names[unicodedata.normalize("NFC", each)].append(each)
        known[above] = names
    exact = os.path.join(above, name)  # noqa: PTH118
    if os.path.exists(exact):  # noqa: PTH110
        return exact
    fitting = known[above].get(unicodedata.normalize("NFC", name), [])
    return os.path.join(above, fitting[0]) if len(fitting) == 1 else None  # noqa: PTH118

"""Tables: digits and names are kept, writers do not tear them, and a damaged file is one sentence with its line."""

import csv
import os
import sys
import threading
import warnings
from pathlib import Path

import pandas as pd
import pytest
from making import TINY
from matplotlib.figure import Figure

import kdlab
from kdlab import Config, Study, plots
from kdlab.cli import app as cli

SHIPPED = Path(kdlab.__file__).parents[1] / "figures" / "data"


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The folder of one's own tables."""
    monkeypatch.setenv("KDLAB_FIGURES", str(tmp_path / "figures"))
    folder = tmp_path / "figures" / "data"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def command(monkeypatch, capsys):
    """Calls the command in this process: its exit code and its errors; a traceback is a code too."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["kdlab", *words])
        monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
        try:
            cli.call()
        except SystemExit as stop:
            return stop.code or 0, capsys.readouterr().err
        except Exception as error:  # what a user would see as a traceback
            return f"traceback: {error!r}", capsys.readouterr().err
        return 0, capsys.readouterr().err

    return call


# Digits and names


def test_whole_numbers_keep_their_digits_beside_a_blank(own):
    frame = pd.DataFrame({"system": ["a", "b"], "images": [123456789, None], "share": [0.123456789, 1e-9]})
    plots.save_table(frame.set_index("system"), "wide")
    assert (own / "wide.csv").read_text() == "system,images,share\na,123456789,0.123457\nb,,1e-09\n"
    back = plots.load_table("wide")
    assert back.images[0] == 123456789 and back.images.isna().tolist() == [False, True]


def test_names_that_look_like_nothing_are_names(own):
    names = ["None", "NA", "nan", "null", "N/A", "#N/A", "007", "a\nb", '"', "a;b", " x ", "$\\frac{1}$"]
    plots.save_table(pd.DataFrame({"mean": range(len(names))}, index=pd.Index(names, name="system")), "names")
    assert plots.load_table("names").system.tolist() == names


def test_a_study_keeps_the_rows_of_systems_named_none_and_na(runs, own):
    systems = {name: Config(**{**TINY, "lr": 0.01 + i / 1000}) for i, name in enumerate(["None", "NA", "plain"])}
    study = Study("small", "?", systems, seeds=[0])
    study.run()
    assert sorted(study.rows().system) == sorted(systems)


@pytest.mark.parametrize("file", sorted(SHIPPED.glob("*.csv")), ids=lambda file: file.stem)
def test_what_is_committed_is_read_and_written_byte_by_byte(file, own):
    frame = plots.load_table(file.stem)
    plots.save_table(frame.set_index(frame.columns[0]), file.stem)
    if "settings" not in frame:  # evidence has digests that look like numbers, and a reader of its own
        assert (own / file.name).read_bytes() == file.read_bytes()
    else:
        (own / file.name).write_bytes(file.read_bytes())
        kdlab.studies.evidence.stamp(file.stem, [kdlab.studies.evidence.load(file.stem).iloc[0].to_dict()])
        assert (own / file.name).read_bytes() == file.read_bytes(), "its first row, once more"


# Several writers, and a disk that is full


def test_several_processes_write_one_table_and_readers_find_it_whole(own):
    frames = [pd.DataFrame({"mean": [i + 0.5] * 400}, index=pd.RangeIndex(400, name="row")) for i in range(3)]
    plots.save_table(frames[0], "shared")
    failed, torn = [], 0

    def write(frame):
        try:
            for _ in range(15):
                plots.save_table(frame, "shared")
        except Exception as error:  # of a file that another one moved
            failed.append(error)

    writers = [threading.Thread(target=write, args=(frame,)) for frame in frames]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        lines = (own / "shared.csv").read_text().splitlines()[1:]
        torn += len(lines) != 400 or len({line.partition(",")[2] for line in lines}) != 1
    for writer in writers:
        writer.join()
    assert not failed
    assert not torn
    assert [path.name for path in own.iterdir()] == ["shared.csv"]


@pytest.mark.parametrize(
    "write",
    [
        lambda: plots.save(plots.plot_lines({"a": ([0, 1], [0, 1])}, "x", "y"), "one"),
        lambda: plots.save_table(pd.DataFrame({"a": [1.0]}), "one"),
    ],
    ids=["figure", "table"],
)
def test_a_full_disk_leaves_the_old_file(own, monkeypatch, write):
    write()
    (before,) = own.parent.rglob("one.*")
    before.write_bytes(b"old")
    original, writing = Path.open, []

    def full(*path, **kind):  # what is written stands in the file as far as there was room
        raise OSError(28, "No space left on device")

    def opened(self, mode="r", *more, **kind):
        if "w" in mode or "+" in mode:
            writing.append(self)
            if self.exists() or "w" in mode:
                with original(self, "wb") as file:
                    file.write(b"ha")
            raise OSError(28, "No space left on device")
        return original(self, mode, *more, **kind)

    monkeypatch.setattr(Path, "open", opened)
    monkeypatch.setattr(Path, "write_bytes", lambda self, content: opened(self, "wb"))
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write()
    monkeypatch.undo()
    assert before.read_bytes() == b"old"
    assert [path for path in before.parent.iterdir() if path.is_file()] == [before]


def test_a_contact_sheet_takes_the_place_of_the_old_one_once_it_is_whole(tmp_path, command, monkeypatch):
    sheet = tmp_path / "sheet.png"
    sheet.write_bytes(b"old")

    def savefig(figure, file, **options):
        Path(file).write_bytes(b"half a picture")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Figure, "savefig", savefig)
        command("data", "inspect", "digits", "--sheet", str(sheet))
    assert sheet.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [sheet]
    assert command("data", "inspect", "digits", "--sheet", str(sheet))[0] == 0
    assert sheet.read_bytes().startswith(b"\x89PNG")


# Damaged files


def damaged(text, how):
    """A table of evidence, damaged, and the line where that shows (0: in the whole file)."""
    lines = text.splitlines(keepends=True)
    head, row = next(csv.reader([lines[0]])), next(csv.reader([lines[3]]))

    def with_cell(value, name="test/accuracy"):
        cells = [value if column == name else cell for column, cell in zip(head, row, strict=True)]
        return "".join([*lines[:3], ",".join(f'"{cell}"' for cell in cells), "\n", *lines[4:]]).encode()

    return {
        "a word in a metric": (with_cell("good"), 4),
        "not a number": (with_cell("NaN"), 4),
        "infinite": (with_cell("inf"), 4),
        "no accuracy": (with_cell(""), 4),
        "a cell too few": ("".join([*lines[:3], lines[3].rstrip().rpartition(",")[0] + "\n", *lines[4:]]).encode(), 4),
        "a seed with a point": (with_cell("1.5", "seed"), 4),
        "no seed": (with_cell("", "seed"), 4),
        "empty": (b"", 0),
        "only blanks": (b"\n\n", 0),
        "semicolons": (text.replace(",", ";").encode(), 1),
        "not UTF-8": ("".join(lines[:3]).encode() + b"caf\xe9" + "".join(lines[3:]).encode(), 4),
        "marks of git": ("".join([*lines[:3], "<<<<<<< HEAD\n", lines[3], "=======\n", *lines[4:]]).encode(), 4),
        "half a file": (text[: len("".join(lines[:4])) + 60].encode(), 5),
        "half a cell": ("".join(lines[:4]).rstrip().encode(), 4),
        "an open quote": ("".join([*lines[:3], '"stu', *lines[3:]]).encode(), 0),
        "a column is gone": ("".join(line.partition(",")[2] for line in lines).encode(), 0),
        "a column twice": (text.replace("settings", "seed", 1).encode(), 1),
        "binary": (bytes(range(256)) * 4, 0),
    }[how]


KINDS = [
    "a word in a metric",
    "not a number",
    "infinite",
    "no accuracy",
    "a cell too few",
    "a seed with a point",
    "no seed",
    "empty",
    "only blanks",
    "semicolons",
    "not UTF-8",
    "marks of git",
    "half a file",
    "half a cell",
    "an open quote",
    "a column is gone",
    "a column twice",
    "binary",
]


def evidence_of_one_system():
    """The committed evidence of the tour, but for systems whose names have commas."""
    lines = (SHIPPED / "tour.csv").read_text().splitlines(keepends=True)
    return "".join([lines[0], *(line for line in lines[1:] if line.startswith('"student, labels only"'))])


@pytest.mark.parametrize("how", KINDS)
def test_a_damaged_table_is_one_sentence_with_its_place(how, own, command):
    content, line = damaged(evidence_of_one_system(), how)
    file = own / "tour.csv"
    file.write_bytes(content)
    code, err = command("study", "table", "tour")
    assert code == 2, (code, err[-300:])
    assert len(err.splitlines()) == 1
    assert str(file) in err
    assert f"line {line}:" in err if line else True, err
    assert file.read_bytes() == content, "nothing is written over it"


def test_a_run_is_not_added_to_half_a_table(runs, own):
    study = Study("small", "?", {"a": Config(**TINY)}, seeds=[0, 1])
    study.run([0, 1])
    whole = (own / "small.csv").read_bytes()
    (own / "small.csv").write_bytes(whole[:-30])
    with pytest.raises(kdlab.Error, match=r"small\.csv, line 3"):
        study.run([2])
    assert (own / "small.csv").read_bytes() == whole[:-30]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text + "\n",
    ],
    ids=["a mark in front", "lines of Windows", "an empty line"],
)
def test_what_spreadsheets_and_editors_do_to_a_table_is_read(change, own):
    study = kdlab.STUDIES["tour"]()
    before = study.rows()
    (own / "tour.csv").write_bytes(change((SHIPPED / "tour.csv").read_text()).encode())
    try:
        after = study.rows()
    except Exception as error:
        pytest.fail(f"{error!r}")
    pd.testing.assert_frame_equal(after, before)

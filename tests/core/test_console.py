"""Names of files and classes on a terminal: shown so that no terminal, no line and no encoding is hurt by them."""

import os
import sys

import pytest
from own_images import command, fill, pets

from kdlab.data import load

TINY = ["width=0.125", "epochs=1", "steps=1", "batch=4"]
ODD = {
    "esc\x1b[31mred": r"esc\x1b[31mred",
    "bell\a": r"bell\x07",
    "new\nkdlab: all is well": r"new\nkdlab: all is well",
    "\u202ertl": r"\u202ertl",
    "back\bspace": r"back\x08space",
    "$\\frac{1}$": "$\\frac{1}$",
    "US$_note$": "US$_note$",
    "gr\u00fcn": "gr\u00fcn",
}
SURROGATE = "caf\udce9"  # the bytes of a name that was written in Latin-1


@pytest.fixture(autouse=True)
def fresh(tmp_path, monkeypatch):
    monkeypatch.setenv("KDLAB_RUNS", str(tmp_path / "runs"))
    yield
    load.cache_clear()


@pytest.fixture
def names(tmp_path):
    """A folder with classes of odd names; the file system decides whether all of them can be."""
    root = tmp_path / "names"
    for k, name in enumerate([*ODD, SURROGATE] if sys.platform == "linux" else ODD):
        for part in ("train", "test"):
            fill(root / part / name, 2, key=10 * k)
    return root


def test_classes_of_odd_names_are_escaped(names):
    code, out, err = command("data", "inspect", f"folder:{names}")
    assert code == 0, err
    rows = [line.rsplit(maxsplit=4)[0] for line in out.split("\n\n")[1].splitlines()[1:-1]]
    assert {*rows} >= {*ODD.values()} and (sys.platform != "linux" or r"caf\xe9" in rows)
    assert not {"\x1b", "\a", "\b", "\u202e"} & {*out}, "nothing moves the cursor"
    assert not [line for line in (out + err).splitlines() if line.startswith("kdlab: all is well")]


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "utf-8"])
def test_redirected_output_ends_in_no_traceback(encoding, names):
    for words in (
        ["data", "inspect", f"folder:{names}"],
        ["run", f"dataset=folder:{names}", *TINY],
        ["table"],
        ["data", "list"],
        ["study", "table", "tour"],
        ["methods", "kd"],
    ):
        code, out, err = command(*words, encoding=encoding)
        assert code == 0 and out, (words, err)


@pytest.mark.skipif(sys.platform == "win32", reason="such names cannot be there")
def test_a_folder_of_an_odd_name_forges_no_line(tmp_path):
    root = pets(tmp_path / "my\nkdlab: all is well\x1b[2J")
    fill(root / "ex\x1b[31mtra", 1)
    code, out, err = command("run", f"dataset=folder:{root}", *TINY)
    assert code == 0 and "ex\\x1b[31mtra/" in err, "what is not read is named"
    _, table, _ = command("table")
    code, _, missing = command("run", f"dataset=folder:{root}/nowhere\r\nkdlab: fine", *TINY)
    assert code == 2 and missing.count("\n") == 1
    for text in (out, err, table, missing):
        assert "\x1b" not in text and "\r" not in text
        assert not [line for line in text.splitlines() if line.startswith(("kdlab: all is well", "kdlab: fine"))]


def test_a_path_alone_is_not_a_data_set(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pets(tmp_path / "photos")
    (tmp_path / "labels.csv").write_text("file,label\n")
    for written, wanted in {
        "/data/photos": "folder:/data/photos",
        "./photos": "folder:./photos",
        "../photos": "folder:../photos",
        "~/photos": "folder:~/photos",
        "photos": "folder:photos",
        "photos/": "folder:photos/",
        "my/photos": "folder:my/photos",
        r"C:\photos": r"folder:C:\photos",
        "C:/photos": "folder:C:/photos",
        r"..\photos": r"folder:..\photos",
        "labels.csv": "csv:labels.csv",
        "/data/labels.CSV": "csv:/data/labels.CSV",
        ".": "folder:.",
        "file:///data/photos": "folder:/data/photos",
    }.items():
        code, _, err = command("run", f"dataset={written}")
        assert code == 2 and err.rstrip().endswith(f"is a path: write {wanted}"), err
    code, _, err = command("run", "dataset=fodler:photos")
    assert code == 2 and "did you mean 'folder'" in err


@pytest.mark.parametrize("kind", ["folder", "photographs", "csv"])
def test_paths_that_lead_nowhere_are_one_sentence(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("loop", "other"):
        (tmp_path / name).symlink_to({"loop": "loop", "other": "loop/below"}[name])
    for path in ("x" * 5000, "a/" * 3000, "~nobody-of-that-name/x", "loop", "loop/below", "other", "nowhere"):
        for words in (
            ["run", f"dataset={kind}:{path}"],
            ["data", "inspect", f"{kind}:{path}"],
            ["run", "method=kd", f"dataset={kind}:{path}", f"teacher.dataset={kind}:{path}/"],
        ):
            code, out, err = command(*words)
            assert code == 2 and not out and err.count("\n") == 1 and len(err) < 7000 + len(os.fspath(tmp_path)), path
            assert "Error" not in err.split(path[:10])[0]

"""Our own comparison of check cells gives nbval's verdicts, says what differs, and writes nothing."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
from nbclient import NotebookClient

from kdlab.cli import notebooks
from kdlab.cli.checking import compare

ROOT = Path(__file__).resolve().parents[2]
# as in the test suite: what is printed on stderr is not compared
CONFTEST = f"""
from importlib.util import module_from_spec, spec_from_file_location

spec = spec_from_file_location("root", {str(ROOT / "conftest.py")!r})
root = module_from_spec(spec)
spec.loader.exec_module(root)
pytest_collection_modifyitems = root.pytest_collection_modifyitems
"""


class Case(NamedTuple):
    committed: str  # the source whose outputs are committed
    now: str  # the source that is checked
    lax: bool  # whether that passes
    strict: bool
    tag: str = "nbval-check-output"


IMPORTS = "import sys\nimport ipywidgets, matplotlib.pyplot as plt, pandas as pd\nfrom IPython.display import HTML"
FRAME, FIGURE = "pd.DataFrame({'a': [1, %s]})", "plt.figure(figsize=(%s, 1)); plt.plot([0, %s]); plt.show()"
PARTS = "print('a')\nsys.stdout.flush()\nprint('b')"
CASES = {
    "imports": Case(IMPORTS, IMPORTS, True, True),
    "equal": Case("print(1)", "print(1)", True, True),
    "other": Case("print(1)", "print(2)", False, False),
    "other-result": Case("1", "2", False, False),
    "other-unchecked": Case("print(1)", "print(2)", True, False, ""),
    "check-comment": Case("print(1)", "# NBVAL_CHECK_OUTPUT\nprint(2)", False, False, ""),
    "no-comment": Case("print(1)", "# see NBVAL_CHECK_OUTPUT\nprint(2)", True, False, ""),
    "ignored": Case("print(1)", "print(2)", True, True, "nbval-ignore-output"),
    "ignore-comment": Case("print(1)", "# NBVAL_IGNORE_OUTPUT\nprint(2)", True, True),
    "fails": Case("print(1)", "1 / 0", False, False, ""),
    "after-failure": Case("print(1)", "print(1)", True, True),
    "raises": Case("1 / 0", "1 / 0", True, True, "raises-exception"),
    "raises-comment": Case("1 / 0", "# NBVAL_RAISES_EXCEPTION\n1 / 0", True, True),
    "raises-other": Case("1 / 0", "# NBVAL_RAISES_EXCEPTION\nint('x')", False, False),
    "raises-nothing": Case("1 / 0", "pass", True, False, "raises-exception"),
    "skipped": Case("print(1)", "1 / 0", True, True, "nbval-skip"),
    "skip-comment": Case("print(1)", "# NBVAL_SKIP\n1 / 0", True, True),
    "address": Case("print(object())", "print(object())", True, True),
    "not-sanitized": Case("print('id 17')", "print('id 18')", False, False),
    "frame": Case(FRAME % 2, FRAME % 2, True, True),
    "other-frame": Case(FRAME % 2, FRAME % 3, False, False),
    "other-picture": Case(FIGURE % (2, 1), FIGURE % (2, 3), True, True),
    "other-size": Case(FIGURE % (2, 1), FIGURE % (3, 1), False, False),
    "missing": Case("print(1)", "pass", False, False),
    "additional": Case("pass", "print(1)", False, False),
    "twice": Case("display(1)", "display(1)\ndisplay(1)", False, False),
    "in-parts": Case("print('a\\nb')", PARTS, True, True),
    "other-order": Case("print(1)\ndisplay(2)", "display(2)\nprint(1)", True, True),
    "drawn-over": Case("print('bar 2')", "print('bar 1\\rbar 2')", True, True),
    "stderr": Case("pass", "print('careful', file=sys.stderr)", True, True),
    "html": Case("HTML('1')", "HTML('2')", False, False),
    "widget": Case("ipywidgets.IntSlider()", "ipywidgets.IntSlider()", True, True),
    "never-run": Case("print(1)", "print(2)", True, True),
    "semicolon": Case("1;", "1;", True, True),
    "run-without-number": Case("print(1)", "print(1)", False, False, ""),
}


def write(path, cells):
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=notebooks.METADATA), path)
    return path


@pytest.fixture(scope="module")
def notebook(tmp_path_factory):
    """Every case is a cell."""
    folder = tmp_path_factory.mktemp("checked")
    (folder / "conftest.py").write_text(CONFTEST)
    cells = [nbformat.v4.new_code_cell(case.committed, id=name) for name, case in CASES.items()]
    NotebookClient(nbformat.v4.new_notebook(cells=cells), allow_errors=True, kernel_name="python3").execute()
    for cell in cells:
        cell.source, cell.metadata = CASES[cell.id].now, {"tags": [tag] if (tag := CASES[cell.id].tag) else []}
        if cell.id in ("never-run", "run-without-number"):
            cell.execution_count = None
            cell.outputs = cell.outputs if cell.id == "run-without-number" else []
    cells.insert(3, nbformat.v4.new_markdown_cell("# NBVAL_SKIP", id="text"))
    return write(folder / "cases.ipynb", cells)


@pytest.mark.parametrize("strict", [False, True])
def test_the_verdicts_are_those_of_nbval(notebook, strict):
    before = notebook.read_bytes(), sorted(path.name for path in notebook.parent.iterdir() if path.suffix)
    told = compare(notebook, strict)
    assert (notebook.read_bytes(), sorted(path.name for path in notebook.parent.iterdir() if path.suffix)) == before
    failed = [re.match(r"cases.ipynb, cell ([a-z-]+): ", text)[1] for text in told]
    ours = {name: name not in failed for name in CASES}
    assert len(set(failed)) == len(told) and ours == {name: case[2 + strict] for name, case in CASES.items()}

    mode = f"--nbval{'' if strict else '-lax'} --nbval-current-env --nbval-sanitize-with {ROOT / 'tests' / 'nbval.cfg'}"
    plugin = [] if find_spec("kdlab.cli.strictness") is None else ["-p", "kdlab.cli.strictness"]
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rA",
        "-p",
        "no:cacheprovider",
        *plugin,
        "-o",
        "addopts=",
        *mode.split(),
    ]
    run = subprocess.run([*command, notebook], cwd=notebook.parent, capture_output=True, encoding="utf-8", check=False)
    found = re.findall(r"^(PASSED|FAILED) .*?Cell (\d+)", run.stdout, re.MULTILINE)  # those skipped have no such line
    theirs = {list(CASES)[int(number)]: verdict == "PASSED" for verdict, number in found}
    skipped = dict.fromkeys(["skipped", "skip-comment"], True)
    assert theirs | skipped == ours and len(theirs) == len(CASES) - 2, run.stdout


def test_what_is_told(tmp_path):
    new = nbformat.v4.new_code_cell
    cells = [
        new("print('a\\nb\\nc')", id="one", execution_count=1, metadata={"tags": ["nbval-check-output"]}),
        new("1 / 0", id="two", execution_count=2),
        new("for i in range(20): print(i)", id="many", execution_count=3, metadata={"tags": ["nbval-check-output"]}),
        new("display(1)", id="three", execution_count=4, metadata={"tags": ["nbval-check-output"]}),
    ]
    cells[0].outputs = [nbformat.v4.new_output("stream", text="a\nB\nc\n")]
    cells[3].outputs = [nbformat.v4.new_output("display_data", {"text/plain": "1"}) for _ in range(2)]
    one, two, many, three = compare(write(tmp_path / "a.ipynb", cells))
    assert one == "a.ipynb, cell one: stdout differs\n  expected  B\n  got       b"
    assert two == "a.ipynb, cell two: ZeroDivisionError: division by zero"
    assert many.startswith("a.ipynb, cell many: stdout differs: 0 outputs expected, 1 got\n  got       0\n")
    assert many.endswith("  got       11\n  and 8 more lines")
    assert three == "a.ipynb, cell three: text/plain differs: 2 outputs expected, 1 got\n  expected  1"


@pytest.mark.parametrize(
    "source, told",
    [
        ("import os\nos._exit(1)", "the kernel died"),
        ("import time\ntime.sleep(60)", "it ran for more than 2 s"),
    ],
)
def test_nothing_runs_after_a_cell_that_never_ends(tmp_path, source, told):
    cells = [nbformat.v4.new_code_cell(text, id=name) for name, text in {"ends": source, "after": "1 / 0"}.items()]
    path = write(tmp_path / "a.ipynb", cells)
    assert compare(path, seconds=2) == [f"a.ipynb, cell ends: {told}; the cells after it were not run"]


def test_runs_and_figures_go_nowhere(tmp_path, monkeypatch):
    monkeypatch.setenv("KDLAB_RUNS", str(tmp_path))
    monkeypatch.setenv("KDLAB_FIGURES", str(tmp_path))
    save = (
        "import os, pathlib\nfor name in ('RUNS', 'FIGURES'):\n    place = pathlib.Path(os.environ[f'KDLAB_{name}'])\n"
    )
    save += (
        "    place.mkdir(exist_ok=True)\n    (place / 'a.txt').write_text('a')\nassert 'KDLAB_PROGRESS' in os.environ"
    )
    assert not compare(write(tmp_path / "a.ipynb", [nbformat.v4.new_code_cell(save, id="save")]))
    assert [path.name for path in tmp_path.iterdir()] == ["a.ipynb"]

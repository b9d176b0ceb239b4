"""The recipes of CONTRIBUTING.md, carried out in a copy of the repository: the files and lines they name, no other.

All of them are added to one copy. Every test that is about what was added runs there, and all tests must collect.
"""

import ast
import os
import re
import shutil
import subprocess
import sys
from xml.etree import ElementTree

import nbformat
import pytest
from forking import SOCKET
from recipes import RECIPES, ROOT

pytestmark = pytest.mark.thorough

FOLDERS = ("kdlab", "tests", "docs", "notebooks", "figures/data", ".github", ".ci")
FILES = ("*.md", "*.py", "*.toml", "*.lock", "*.yml", ".gitignore", "LICENSE")
# Tests of the copy that are not called after what was added, and look at it
ALL = ("test_docs.py", "test_lint.py", "test_house.py")
SMALL = ["dataset=stripes", "labels=20", "width=0.5", "epochs=2", "steps=2", "batch=8"]
ADDED = ["method=stage_sp", "model=three_layers", "optimizer=rmsprop", "monitor=logit_margin", "patience=1"]


def call(root, *words):
    """Run this Python with the package of the copy; what it says is the message where it fails."""
    environment = {**os.environ, "PYTHONPATH": str(root), "KDLAB_RUNS": str(root / "runs")}
    here = ("PYTEST_", SOCKET)  # forks of this process's kernels have the package of this repository
    environment = {name: value for name, value in environment.items() if not name.startswith(here)}
    done = subprocess.run(
        [sys.executable, *words], cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


def copy(root):
    for name in FOLDERS:
        shutil.copytree(ROOT / name, root / name)  # with the bytecode: who copies keeps the times of files
    for path in [path for pattern in FILES for path in ROOT.glob(pattern)]:
        shutil.copy(path, root)
    for path in ROOT.glob("figures/*.png"):
        (root / "figures" / path.name).symlink_to(path)
    return root


def add(file, snippet, table=None):
    """Put an import, an entry of a table or list, or a statement where a reader would."""
    text = file.read_text(encoding="utf-8")
    nodes = ast.parse(text).body
    if table is not None:
        (value,) = [
            n.value
            for n in nodes
            if isinstance(n, ast.Assign | ast.AnnAssign) and table in ast.unparse(n).split("=")[0]
        ]
        end = position(text, value) - 1
        body = text[:end].rstrip().rstrip(",")
        file.write_text(f"{body},\n{snippet},\n{text[end:]}", encoding="utf-8")
        return
    alike = (ast.Import, ast.ImportFrom) if snippet.startswith(("from ", "import ")) else (ast.Expr,)
    name = snippet.partition(".")[0]
    last = [
        n for n in nodes if isinstance(n, alike) and (alike != (ast.Expr,) or ast.unparse(n).startswith(f"{name}."))
    ][-1]
    end = position(text, last)
    file.write_text(f"{text[:end]}\n{snippet}{text[end:]}", encoding="utf-8")


def position(text, node):
    """Where a node ends in a text."""
    lines = text.encode().splitlines(keepends=True)[: node.end_lineno]
    return len((b"".join(lines[:-1]) + lines[-1][: node.end_col_offset]).decode())


def carry_out(recipe, root):
    """The files and lines of a recipe."""
    for path, text in recipe.steps:
        file = root / path
        assert file.exists() != text.startswith("the cell"), f"{path} is the newcomer's own"
        if path.endswith(".ipynb"):
            nbformat.write(notebook(recipe), file)
        elif text.startswith("the cell"):
            file.write_text(recipe.in_package(), encoding="utf-8")
        elif path.endswith(".md"):
            row = "| [09_systems](notebooks/09_systems.ipynb) | how many systems | 1 | |\n"
            file.write_text(
                re.sub(r"(\| \[run_experiment\])", row + r"\1", file.read_text(encoding="utf-8")), encoding="utf-8"
            )
        else:
            for table, snippet in re.findall(r"(?:in (\w+) )?`([^`]+)`", text):
                add(file, snippet, table or None)


def notebook(recipe):
    """A notebook of the cells of a recipe."""
    cells = [nbformat.v4.new_code_cell(source.strip(), id=tag) for tag, source in recipe.cells()]
    for cell in cells:
        cell.metadata.tags = [cell.id] if cell.id in ("parameters", "nbval-check-output") else []
    return nbformat.v4.new_notebook(cells=cells)


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """The copy with everything added."""
    root = copy(tmp_path_factory.mktemp("newcomer") / "kdlab")
    commands = []
    for recipe in RECIPES.values():
        carry_out(recipe, root)
        commands += [command for command in recipe.commands if command not in commands]
    for command in ("ruff check --fix -q kdlab", "ruff format -q kdlab", *commands):
        code, output = call(root, "-m", *command.split())
        assert code == 0, f"{command}: {output}"
    return root


@pytest.fixture(scope="module")
def outcome(copied):
    """Test of the copy that is about what was added -> what went wrong."""
    about = " or ".join([*ALL, *(recipe.key for recipe in RECIPES.values())])
    about = f"({about}) and not test_generated_parts and not test_every_part"  # `kdlab docs` has just written them
    report = copied / "report.xml"
    _, output = call(copied, "-m", "pytest", "-q", "tests", "notebooks", "-k", about, f"--junitxml={report}")
    assert report.exists(), output
    failures = {}
    for case in ElementTree.parse(report).iter("testcase"):
        wrong = [part.get("message", "") + (part.text or "") for part in case if part.tag in ("failure", "error")]
        failures[f"{case.get('classname').replace('.', '/')}.py::{case.get('name')}"] = wrong
    return failures


def test_every_test_of_what_was_added_passes(outcome):
    failed = [f"{test}\n{text}" for test, wrong in outcome.items() for text in wrong]
    if failed:
        pytest.fail("\n".join(failed), pytrace=False)


@pytest.mark.parametrize("title", RECIPES)
def test_the_guards_of_a_recipe_ran(title, outcome):
    guards = RECIPES[title].guards
    assert [guard for guard in guards if not any(test.startswith(guard) for test in outcome)] == []


def test_a_run_of_all_that_was_added(copied):
    settings = [*ADDED, *SMALL, *(f"teacher.{setting}" for setting in SMALL)]
    code, output = call(copied, "-m", "kdlab", "run", *settings)
    assert code == 0, output
    for column in ("test/logit_margin", "train/head_norm"):
        assert column in output

"""The rooms of the package are in order, and its English; imports are ruled in pyproject.toml (see test_lint)."""

import ast
import subprocess
from pathlib import Path

import pytest

import kdlab

PACKAGE = Path(kdlab.__file__).parent
TREES = {file: ast.parse(file.read_text(encoding="utf-8")) for file in sorted(PACKAGE.rglob("*.py"))}
ROOMS = {
    *("core", "losses", "models", "data", "methods", "experiment", "metrics", "engine", "studies", "plots"),
    *("widgets", "cli"),
}
# Variables are nouns of the field; these say nothing of what they hold
VAGUE = {"told", "found", "asked", "seen", "own", "place", "places", "said", "given", "theirs", "ours"}


def nodes(*kinds):
    """Every node of these kinds, and where it stands."""
    for file, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, kinds):
                yield node, f"{file.relative_to(PACKAGE.parent)}:{getattr(node, 'lineno', 1)}"


def test_rooms():
    entries = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    assert entries == {*ROOMS, "__init__.py", "__main__.py", "py.typed"}


def test_no_line_escapes_the_formatter():
    assert not [file for file in TREES if "fmt: " + "skip" in file.read_text(encoding="utf-8")]


def test_private_names_stay_at_home():
    """Ruff looks at attributes of other objects (SLF001); its rule for imports passes over those of one package."""
    taken = [f"{where} {alias.name}" for node, where in nodes(ast.ImportFrom) for alias in node.names]
    assert not [name for name in taken if name.split()[1].startswith("_") and not name.endswith("__")]


def test_images_are_loaded_and_methods_made_in_one_place():
    loaded = {
        where.split(":")[0]
        for node, where in nodes(ast.ImportFrom)
        if node.module == "data" and "load" in {alias.name for alias in node.names}
    }
    made = {
        where.split(":")[0]
        for node, where in nodes(ast.Call)
        if isinstance(node.func, ast.Subscript) and ast.unparse(node.func.value) == "METHODS"
    }
    assert loaded == made == {str(Path("kdlab/experiment/setup.py"))}


def test_first_lines_of_docstrings_are_short():
    texts = {
        where: ast.get_docstring(node) or ""
        for node, where in nodes(ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    }
    assert not [f"{where} {text}" for where, text in texts.items() if len(text.partition("\n")[0]) > 80]


def test_variables_are_nouns_of_the_field():
    stored = [(where, node.id) for node, where in nodes(ast.Name) if isinstance(node.ctx, ast.Store)]
    stored += [(where, node.arg) for node, where in nodes(ast.arg)]
    # another name there is other code, by which runs are known: their evidence would count no more
    digested = tuple(str(Path("kdlab", room)) for room in ("methods", "losses"))
    assert not [f"{where} {name}" for where, name in stored if name in VAGUE and not where.startswith(digested)]


def test_nothing_large_is_kept_in_git():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=PACKAGE.parent, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no checkout")
    files = [PACKAGE.parent / name for name in listed.stdout.split("\0") if name]
    assert not [file.name for file in files if file.is_file() and file.stat().st_size > 2_000_000]

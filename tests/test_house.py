"""The rooms of the package are in order; that imports run downwards is tested with the rules of pyproject.toml."""

import ast
import subprocess
from pathlib import Path

import pytest

import kdlab

PACKAGE = Path(kdlab.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))


def module_of(file):
    """("kdlab", "engine", "train")"""
    parts = ("kdlab", *file.relative_to(PACKAGE).with_suffix("").parts)
    return parts[:-1] if parts[-1] == "__init__" else parts


MODULES = {module_of(file) for file in FILES}


def imports(file):
    """Modules of the package that a file imports, wherever in it, and the names it takes from each."""
    here = module_of(file) if file.name == "__init__.py" else module_of(file)[:-1]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.level or (node.module or "").startswith("kdlab")):
            base = here[: len(here) - node.level + 1] if node.level else ()
            base = (*base, *(node.module.split(".") if node.module else ()))
            for alias in node.names:
                module = (*base, alias.name) if (*base, alias.name) in MODULES else base
                yield module, alias.name


@pytest.mark.parametrize("file", FILES, ids=lambda f: str(f.relative_to(PACKAGE)))
def test_private_names_stay_at_home(file):
    taken = {name for _, name in imports(file) if name.startswith("_") and not name.startswith("__")}
    assert not taken
    tree, modules = ast.parse(file.read_text(encoding="utf-8")), {name for _, name in imports(file)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in modules:
            assert not node.attr.startswith("_") or node.attr.startswith("__"), f"{node.value.id}.{node.attr}"


def test_images_are_loaded_in_one_place():
    found = [
        f.name
        for f in FILES
        if module_of(f) != ("kdlab", "data")
        and any(name == "load" and module == ("kdlab", "data") for module, name in imports(f))
    ]
    assert found == ["setup.py"]


def test_methods_are_made_in_one_place():
    """Nobody calls METHODS[key](...) but the engine."""
    calls = []
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            entry = node.func if isinstance(node, ast.Call) else None
            if isinstance(entry, ast.Subscript) and ast.unparse(entry.value) == "METHODS":
                calls.append(file.name)
    assert calls == ["setup.py"]


def test_nothing_large_is_kept_in_git():
    found = subprocess.run(["git", "ls-files", "-z"], cwd=PACKAGE.parent, capture_output=True, text=True, check=False)
    if found.returncode:
        pytest.skip("this is no checkout")
    files = [PACKAGE.parent / name for name in found.stdout.split("\0") if name]
    assert not [file.name for file in files if file.is_file() and file.stat().st_size > 2_000_000]

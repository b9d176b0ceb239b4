"""The code keeps the rules, the layout, the types and the imports that pyproject.toml asks for."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PYTHON = shlex.quote(sys.executable)
TYPES = f"{PYTHON} -m pyrefly check --python-interpreter-path {PYTHON}"
CHECKS = {  # what is run, and what helps when it fails
    "rules": (
        f"{PYTHON} -m ruff check --output-format concise",
        f"{PYTHON} -m ruff check --fix\nmends those with a star; the others are mended by hand",
    ),
    "layout": (
        f"{PYTHON} -m ruff format --check --output-format concise",
        f"{PYTHON} -m ruff format\nmends it",
    ),
    "types": (
        f"{TYPES} --output-format min-text --summary=none",
        f"{TYPES}\nshows them with their lines; they are mended by hand",
    ),
    "imports": (
        f"{PYTHON} -c 'from importlinter import cli; cli.lint_imports_command()' --no-cache",
        "a room imports only those below it, as [tool.importlinter] of pyproject.toml says; lint-imports shows it",
    ),
}


@pytest.mark.parametrize("check", CHECKS)
def test_code(check):
    command, remedy = CHECKS[check]
    run = subprocess.run(shlex.split(command), cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    if run.returncode:
        pytest.fail(f"{run.stdout}{run.stderr}\n{remedy}", pytrace=False)

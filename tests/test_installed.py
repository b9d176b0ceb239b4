"""kdlab as a wheel installs it: without a checkout, in a folder that its user may not write to."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
NOBODY = 65534
COMMANDS = {
    "run": ["run", "labels=20", "width=0.125", "epochs=1", "steps=1", "batch=8"],
    "answers": ["study", "answers", "tour"],
    "docs": ["docs"],
    "copy": ["notebooks", "copy", "mine", "run_experiment"],
    "copy again": ["notebooks", "copy", "mine"],
    "execute": ["notebooks", "execute", "run_experiment"],
    "data": ["data", "list"],
    "blocked": ["run", "labels=20", "width=0.125", "epochs=1", "steps=1", "batch=8"],
    "blocked tour": ["tour", "-p", "budget=smoke"],
}
SCRIPT = """
import contextlib, io, json, os, sys
from pathlib import Path
from kdlab.cli import app as cli

for name, words in json.loads(sys.argv[1]).items():
    out, err, sys.argv = io.StringIO(), io.StringIO(), ["kdlab", *words]
    if name == "blocked":
        Path("blocked").mkdir()
        os.chdir("blocked")
        Path("runs").touch()  # a file where the folder of runs would be
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            cli.call()
        except SystemExit as end:
            code = end.code or 0
        except BaseException as error:
            code = repr(error)
    print(json.dumps([name, code, out.getvalue(), err.getvalue()]))
"""


def listing(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if "__pycache__" not in path.parts)


@pytest.fixture(scope="module")
def directory():
    """A folder that every user may enter: pytest's own are closed to others."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def site(directory):
    """Where the package lies, and nothing else of the repository."""
    pytest.importorskip("hatchling", reason="what builds the wheel is not installed")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-index", "--no-deps", "--no-build-isolation", "-w", str(directory), str(ROOT)],
        check=True,
        env={**os.environ, "TMPDIR": str(directory)},
    )
    (wheel,) = directory.glob("*.whl")
    site = directory / "site"
    subprocess.run([*pip, "install", "--no-index", "--no-deps", "--target", str(site), str(wheel)], check=True)
    for path in (site, *site.rglob("*")):
        path.chmod(path.stat().st_mode & ~0o222)
    return site


@pytest.fixture(scope="module")
def call(directory, site):
    """Starts Python in an empty folder with the installed package, as a user who may not write to it where possible."""
    home, empty = directory / "home", directory / "empty"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("KDLAB_", "XDG_"))}
    environment |= {"HOME": str(home), "PYTHONPATH": str(site), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    other = {}
    if getattr(os, "geteuid", lambda: 1)() == 0:
        user = {"user": NOBODY, "group": NOBODY, "extra_groups": []}
        with contextlib.suppress(OSError):  # no right to change users, or a Python that others cannot start
            started = subprocess.run([sys.executable, "-c", "import numpy"], capture_output=True, check=False, **user)
            other = {} if started.returncode else user
    for folder in (home, empty):
        folder.mkdir()
        if other:
            os.chown(folder, NOBODY, NOBODY)

    def call(*words):
        return subprocess.run(
            [sys.executable, *words], cwd=empty, env=environment, capture_output=True, text=True, check=False, **other
        )

    return call


@pytest.fixture(scope="module")
def said(call):
    """What each of COMMANDS did, in one process: exit code, output, errors."""
    done = call("-c", SCRIPT, json.dumps(COMMANDS))
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    assert [line[0] for line in lines] == list(COMMANDS), done.stderr
    return {name: rest for name, *rest in lines}


def test_runs_are_kept_where_one_is_and_the_package_is_left_alone(said, directory, site):
    code, out, err = said["run"]
    assert code == 0, err
    (folder,) = (directory / "empty" / "runs").glob("digits-*")
    assert str(folder.resolve()) in out and (folder / "weights.safetensors").exists()
    assert not [name for name in listing(site) if "runs" in Path(name).parts]
    assert json.loads((folder / "result.json").read_text())["environment"]["commit"] is None


@pytest.mark.parametrize("name", ["blocked", "blocked tour"])
def test_where_runs_cannot_be_kept_the_way_out_is_named(said, name):
    code, out, err = said[name]
    assert code == 2 and out == "" and err.count("\n") == 1 and "KDLAB_RUNS" in err, (code, err)


def test_the_committed_answers_come_along(said):
    code, out, err = said["answers"]
    assert code == 0 and "Does a teacher help the student?" in out and "no seed was run" not in out + err
    assert out.count(" yes\n") >= 3


def test_data_lie_in_the_users_own_folder(said, directory, site):
    code, out, _ = said["data"]
    assert code == 0 and str(site) not in out and str(directory / "home") in out


def test_pages_of_a_checkout_are_refused_in_one_line(said):
    code, out, err = said["docs"]
    assert code == 2 and out == "" and err.count("\n") == 1 and "checkout" in err


def test_notebooks_are_copied_and_those_of_the_package_left_alone(said, directory):
    code, out, err = said["copy"]
    assert code == 0, err
    copied = directory / "empty" / "mine" / "run_experiment.ipynb"
    assert Path(out.strip()).name == copied.name
    assert copied.read_bytes() == (ROOT / "notebooks" / copied.name).read_bytes()
    code, out, err = said["copy again"]
    assert code == 2 and out == "" and "run_experiment.ipynb is there already" in err
    assert [path.name for path in copied.parent.iterdir()] == [copied.name], "nothing is copied then"
    code, out, err = said["execute"]
    assert code == 2 and "kdlab notebooks copy" in err and err.count("\n") == 1


def test_a_notebook_runs_beside_it(call, directory, site):
    before = listing(site)
    words = ["notebooks", "run", "run_experiment", "out.ipynb", "-p", "epochs=1", "-p", "steps=1", "-p", "labels=20"]
    done = call("-c", "from kdlab.cli.app import main; main()", *words)
    assert done.returncode == 0, done.stderr[-500:]
    assert (directory / "empty" / "out.ipynb").exists() and listing(site) == before
    assert "█" not in done.stderr and "it/s" not in done.stderr, "no bars where stderr is no terminal"

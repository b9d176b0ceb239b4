#!/usr/bin/env python3
"""Stand-alone entry point to kdlab: needs Python 3.11 or newer and nothing else.

    python lab.py tour                 the whole path in a minute
    python lab.py lab                  JupyterLab with the notebooks
    python lab.py test [arguments]     the tests and every notebook on all cores; the arguments go to pytest
    python lab.py COMMAND ...          any other kdlab command: run, table, methods, notebooks ...

The first call makes an environment in .venv beside this file, or in the folder that KDLAB_VENV names, unless Python
already runs in an environment where kdlab is installed.
"""

from __future__ import annotations  # lets a Python that is too old get as far as the message that says so

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path


def say(text: str) -> None:
    print("lab.py:", text, file=sys.stderr, flush=True)  # standard output belongs to the command


def stop(text: str, code: int = 1) -> None:
    say(text)
    raise SystemExit(code)


def environment() -> Path:
    """The folder that KDLAB_VENV names, else .venv beside this file."""
    chosen = os.environ.get("KDLAB_VENV") or ROOT / ".venv"
    try:
        return Path(chosen).expanduser().absolute()
    except RuntimeError:
        stop(f"KDLAB_VENV={chosen}: there is no such home folder, give another path", 2)


ROOT = Path(__file__).resolve().parent
VENV = environment()
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
STAMP = VENV / "kdlab.stamp"


def usable_as_is(words: list[str]) -> bool:
    """Whether the Python that reads this already has what `words` need."""
    if Path(sys.prefix).resolve() == VENV.resolve():
        return False  # the stamp knows better
    from importlib.metadata import distributions

    # from this folder `import kdlab` always works: ask for an installed distribution, and elsewhere
    elsewhere = [entry for entry in sys.path if Path(entry).resolve() != ROOT]
    of_tests = ["pytest", "nbval", "xdist", "ruff", "pyrefly", "importlinter"]
    needed = ["torch", "papermill", *(of_tests if words[0] == "test" else [])]
    return any(distributions(name="kdlab", path=elsewhere)) and all(map(find_spec, needed))


def fingerprint() -> str:
    """What an environment depends on; the folders belong to it because an environment cannot be moved."""
    facts = repr((str(ROOT), str(VENV), sys.version_info[:2])).encode()
    files = [ROOT / "pyproject.toml", ROOT / "requirements.lock"]
    return hashlib.sha256(facts + b"".join(file.read_bytes() for file in files)).hexdigest()


def ready() -> bool:
    try:
        return PYTHON.exists() and STAMP.read_text() == fingerprint()
    except OSError:  # nothing there, or not for this user
        return False


@contextmanager
def one_at_a_time():
    """Hold a file lock, which the system drops when its last owner ends, however that happens."""
    refuse_what_is_not_ours()  # before the lock is made, which would stay beside it
    VENV.parent.mkdir(parents=True, exist_ok=True)
    with Path(f"{VENV}.lock").open("a") as file:
        waiting = False
        while True:
            try:
                if os.name == "nt":
                    import msvcrt

                    msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
                else:
                    import fcntl

                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except (BlockingIOError, PermissionError):
                if not waiting:
                    say(f"waiting for another call that sets up {VENV}")
                waiting = True
                time.sleep(0.5)
        yield file


def refuse_what_is_not_ours() -> None:
    """Stop where something else lies in the place of the environment, or on the way to it."""
    way_out = "let KDLAB_VENV name another folder"
    if VENV.parent == VENV:
        stop(f"{VENV} is no place for an environment: {way_out}", 2)
    for folder in (VENV, *VENV.parents):
        if os.path.lexists(folder) and not folder.is_dir():
            stop(f"{folder} is no folder: remove it, or {way_out}", 2)
    if VENV.is_dir() and any(VENV.iterdir()) and not STAMP.exists():
        stop(f"{VENV} was not made by lab.py: remove it, or {way_out}", 2)


def clear() -> None:
    """Empty the folder, but for the stamp, which says that it was made here: nothing else is ever deleted."""
    refuse_what_is_not_ours()  # it may have come while another call was waited for
    VENV.mkdir(exist_ok=True)
    STAMP.write_text("unfinished")
    for path in set(VENV.iterdir()) - {STAMP}:
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()


def set_up(lock) -> None:
    import venv

    def call(*command: str, **options) -> None:
        # the installer inherits the lock: when only lab.py is killed, the next call waits for what was left running
        keep = {} if os.name == "nt" else {"pass_fds": [lock.fileno()]}
        subprocess.run(command, cwd=ROOT, check=True, stdin=subprocess.DEVNULL, **{"stdout": 2, **keep, **options})

    uv = shutil.which("uv")
    try:
        call(uv or "uv", "--version", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        uv = None  # not there, or a shim that only knows of other Pythons' uv
    if not uv and not find_spec("ensurepip"):
        stop("this Python brings no pip: install uv, or on Debian and Ubuntu the package python3-venv")
    say(
        f"setting up {VENV} with {'uv' if uv else 'pip'}: once, 2 to 4 minutes, about 6 GB on Linux because of "
        "PyTorch's CUDA libraries, less elsewhere"
    )
    began = time.monotonic()
    clear()
    venv.create(VENV, symlinks=os.name != "nt", with_pip=not uv, prompt="kdlab")
    install = [uv, "pip", "install", "--python", str(PYTHON)] if uv else [str(PYTHON), "-m", "pip", "install"]
    install += [] if sys.stderr.isatty() else ["--quiet"]
    # uv compiles nothing by itself: without it every start does so where Python may not write
    call(*install, *(["--compile-bytecode"] if uv else []), "--require-hashes", "-r", "requirements.lock")
    # what builds is in the lock, with its hash: in isolation the newest would be fetched, unseen
    call(*install, "--no-build-isolation", "--no-deps", "-e", ".")
    STAMP.write_text(fingerprint())  # last: without it the next call starts over
    say(f"ready after {time.monotonic() - began:.0f} s")


def ensure() -> None:
    try:
        with one_at_a_time() as lock:
            if not ready():  # the call that was waited for may have done it
                set_up(lock)
    except (OSError, subprocess.CalledProcessError) as error:
        if isinstance(error, OSError) and error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENAMETOOLONG):
            stop(f"{error.filename} ({error.strerror}): let KDLAB_VENV name a folder that can be written to", 2)
        code = max(1, getattr(error, "returncode", 1))  # negative after a signal
        reason = f"the installer ended with code {code}" if isinstance(error, subprocess.CalledProcessError) else error
        free = shutil.disk_usage(VENV if VENV.exists() else ROOT).free / 1e9
        stop(
            f"the set-up failed, {reason}: look at the network and the disk ({free:.0f} GB free there), then give the "
            "same command again; it starts over",
            code,
        )


def launch(python: str, words: list[str]) -> int:
    test = words[0] == "test"
    # more than eight processes would wait for the longest notebook and cost memory; words that follow have the last say
    on_all_cores = ["-n", "auto", "--maxprocesses", "8"]
    command = [python, "-m", *(["pytest", *on_all_cores, *words[1:]] if test else ["kdlab", *words])]
    if test:
        os.chdir(ROOT)
    # the kernels of notebooks shall use this checkout too, even where another copy of kdlab is installed
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    if os.name != "nt":
        return os.execv(python, command)
    with subprocess.Popen(command) as child:  # Windows' exec would give the prompt back at once
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                pass  # the child got it as well, and decides


def main(words: list[str]) -> int:
    if sys.version_info < (3, 11):
        stop(f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}")
    if not words:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    if usable_as_is(words):
        return launch(sys.executable, words)
    if not ready():
        if words[0] in ("-h", "--help"):
            print(__doc__.strip())  # a question is no reason to fetch gigabytes
            return 0
        ensure()
    return launch(str(PYTHON), words)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        say("interrupted")
        sys.exit(130)

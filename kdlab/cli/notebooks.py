"""Notebooks from the outside: execute and normalise them, check them with nbval, run them through papermill."""

import ast
import json
import logging
import os
import platform
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ..core import files
from ..core.errors import Error, known, lookup
from ..core.places import checkout, folder_from, shipped
from ..core.settings import bars

HERE = shipped()  # of notebooks, and of the figures that they save
NOTEBOOKS = HERE / "notebooks"
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"  # random model ids, dead without their kernel
CELL_SECONDS = 3600
BAR = "{desc} {bar:30} {n_fmt}/{total_fmt} cells {elapsed}"
PAGES, IDLE_SECONDS = 8, 300  # of the gallery: kernels at a time, and how long one waits for its page
# Folders where a kernel is looked for before this interpreter's own. There are none: what JUPYTER_PATH and the user's
# folders call python3 may be another Python, with another kdlab
KERNEL_FOLDERS: list[str] = []


def find(names: Sequence[Path] | None) -> list[Path]:
    """Return notebook files, by path or by name (00_tour); without names all that come with kdlab."""
    stems = {path.stem: path for path in sorted(NOTEBOOKS.glob("*.ipynb"))}
    return [_find(name, stems) for name in map(Path, names or stems or ["00_tour"])]


def _find(name: Path, stems: Mapping[str, Path]) -> Path:
    """Return the file of one notebook."""
    with suppress(OSError):  # a name too long for a file, or a folder that nobody may read
        if name.is_file():
            return name
        if name.is_dir():
            raise Error(f"{name} is a folder: name a notebook in it")
    if len(name.parts) > 1:
        raise Error(f"there is no notebook {name}")
    if not stems:
        raise Error(f"there is no {NOTEBOOKS}: this installation of kdlab is not whole, install it again")
    return lookup("notebook", name.stem if name.suffix == ".ipynb" else name.name, stems)


def read(path: Path) -> Any:
    """Read a notebook in the current format; what is none raises an `Error`."""
    import nbformat

    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)
        if not isinstance(content, dict) or not {"cells", "worksheets"} & content.keys():
            raise ValueError("it has no cells")
        notebook = nbformat.v4.upgrade(nbformat.reads(text, 4), 4, 4) if content.get("nbformat_minor", 5) < 5 else None
        notebook = notebook or nbformat.reads(text, 4)
        nbformat.validate(notebook)
    except OSError as error:
        raise Error(f"{path} cannot be read: {error.strerror}") from None
    except Exception as error:  # nbformat fails in many ways on what is no notebook
        reason = str(error).partition("\n")[0]
        raise Error(f"{path} is no notebook: {reason or type(error).__name__}") from None
    return notebook


def copy(place: Path, names: Sequence[Path] | None = None) -> list[Path]:
    """Copy the package's notebooks, or those of these names, into the folder `place`; return the copies.

    An `Error` where one of them is there already: it may hold somebody's work. Nothing is copied then.
    """
    copies = {path: place / path.name for path in find(names)}
    if place.exists() and not place.is_dir():
        raise Error(f"{place} is a file: give a folder")
    if there := [path for path in copies.values() if path.exists()]:
        raise Error(f"{there[0]} is there already: move it, or give another folder")
    place.mkdir(parents=True, exist_ok=True)
    for path, made in copies.items():
        files.write_bytes(made, path.read_bytes())
    return list(copies.values())


# A kernel reads this before it runs a cell, so that what cells register runs first at its end. Taking the interpreter
# apart takes two seconds once torch is loaded; a process that a cell forks ends as it likes
KERNEL = """
import atexit, os

atexit.register(lambda kernel=os.getpid(): os.getpid() == kernel and os._exit(0))
c.IPKernelApp.log_level = 40
"""


@contextmanager
def quiet_kernels(**environment: str) -> Iterator[None]:
    """Kernels started inside see `environment`, no start-up files of the user, print no warnings, and end at once."""
    before = os.environ.copy()
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder, "profile_default")
        profile.mkdir()
        (profile / "ipython_kernel_config.py").write_text(KERNEL)
        os.environ.update(
            {
                "IPYTHONDIR": folder,
                "KDLAB_PROGRESS": "0",
                "KDLAB_WIDGETS": "0",
                "PYDEVD_DISABLE_FILE_VALIDATION": "1",
                **environment,
            }
        )
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


@contextmanager
def clean_kernels() -> Iterator[Path]:
    """Quiet kernels with an empty runs folder, and a figures folder in it; gives the runs folder, which does not last.

    On one thread, as studies are run: other threads round otherwise, and pages should not depend on cores.
    """
    with (
        tempfile.TemporaryDirectory() as runs,
        quiet_kernels(KDLAB_RUNS=runs, KDLAB_FIGURES=f"{runs}/figures", OMP_NUM_THREADS="1"),
    ):
        yield Path(runs)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Leave this block as after an error when the process is asked to end: kernels and temporary files go with it."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals reach the main thread alone
        return

    def leave(number: int, _: Any) -> None:
        sys.exit(128 + number)

    asked = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {number: signal.signal(number, leave) for number in asked if signal.getsignal(number) == signal.SIG_DFL}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def own_kernel() -> Any:
    """Return the class of kernels of this interpreter, whatever is installed elsewhere under the name python3."""
    from jupyter_client.kernelspec import KernelSpecManager
    from jupyter_client.manager import AsyncKernelManager

    class OwnKernel(AsyncKernelManager):
        def __init__(self, **options: Any) -> None:
            super().__init__(kernel_spec_manager=KernelSpecManager(kernel_dirs=KERNEL_FOLDERS), **options)

    return OwnKernel


@contextmanager
def kernel_failures(path: Path) -> Iterator[None]:
    """Say in one sentence why the kernel of a notebook did not start, or did not last."""
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    try:
        yield
    except DeadKernelError:
        raise Error(
            f"the kernel died while {path.name} ran, perhaps for want of memory: finished runs are kept, so try again"
        ) from None
    except CellTimeoutError:
        raise Error(f"a cell of {path.name} ran for more than {CELL_SECONDS} s") from None
    except RuntimeError as error:
        raise Error(
            f"no kernel starts for {path.name} ({str(error).partition(chr(10))[0]}): "
            f"{sys.executable} -m ipykernel_launcher says why"
        ) from None


def machine() -> str:
    """Return the kind of machine that rounds like this one, where notebooks are executed: on one thread.

    Processors of two makers round differently with the same instructions.
    """
    import torch

    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu"
    capability, version = torch.backends.cpu.get_cpu_capability(), torch.__version__.partition("+")[0]
    return f"{_processor()}, {capability}, {device}, torch {version}, 1 thread"


def _processor() -> str:
    """Return what the system calls its processor; Linux also numbers its family and model."""
    with suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
        found = dict(re.findall(r"^(model name|cpu family|model)\s*: (.*)$", text.partition("\n\n")[0], re.MULTILINE))
        if found:
            return " ".join(found[name] for name in ("model name", "cpu family", "model") if name in found)
    return platform.processor() or platform.machine()


def made_elsewhere(notebook: Any) -> bool:
    """Whether a notebook says that its outputs were made on another kind of machine."""
    made = notebook.metadata.get("kdlab", {}).get("machine")
    return made is not None and made != machine()


def execute(path: Path) -> None:
    """Execute a notebook from a clean kernel and an empty runs folder, and write it back in canonical form.

    Figures and tables that it saves replace the committed ones when all of it has run; evidence of studies does not:
    one live seed is no evidence that others should find.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    _check_own(path)
    notebook, figures = read(path), HERE / "figures" if checkout() else _own_figures()
    before = {cell.id: (cell.source, cell.get("outputs")) for cell in notebook.cells}
    with ended_by_signals(), clean_kernels() as place:
        client = NotebookClient(
            notebook,
            timeout=CELL_SECONDS,
            kernel_name="python3",
            kernel_manager_class=own_kernel(),
            record_timing=False,
            resources={"metadata": {"path": str(path.parent)}},
        )
        try:
            # cell by cell: `client.execute` has its own ideas of what a signal means
            with kernel_failures(path), client.setup_kernel():
                for index, cell in enumerate(notebook.cells):
                    client.execute_cell(cell, index)
        except CellExecutionError as error:
            raise Error(f"{path.name}: {error.ename}: {error.evalue}") from None
        _take_figures(place / "figures", figures)
    for cell in notebook.cells:
        source, outputs = before[cell.id]
        if "volatile" in cell.metadata.get("tags", ()) and cell.source == source and outputs:
            cell.outputs = outputs  # timings differ from run to run: they stay as first measured
    notebook.metadata["kdlab"] = {"machine": machine()}
    write(path, notebook)


def clean(path: Path) -> bool:
    """Write a notebook in canonical form without running it; return whether that changed its bytes."""
    _check_own(path)
    before = path.read_bytes()
    write(path, read(path))
    return path.read_bytes() != before


def write(path: Path, notebook: Any) -> None:
    """Write a notebook in canonical form."""
    import nbformat

    normalise(notebook)
    nbformat.validate(notebook)
    files.write_text(path, nbformat.writes(notebook) + "\n")


def _check_own(path: Path) -> None:
    """Raise an `Error` where a notebook cannot be written, or came with an installed package."""
    if checkout() is None and path.resolve().is_relative_to(NOTEBOOKS.resolve()):
        raise Error(f"{path.name} belongs to the installed package: kdlab notebooks copy FOLDER, and take the copy")
    if not (os.access(path, os.W_OK) and os.access(path.resolve().parent, os.W_OK)):
        raise Error(f"{path} cannot be written: take a copy of it")


def _own_figures() -> Path:
    """Where notebooks save figures without a checkout, whose committed ones they would replace."""
    from ..engine.store import runs_root

    return folder_from("KDLAB_FIGURES", lambda: runs_root() / "figures")


def _take_figures(made: Path, figures: Path) -> None:
    """Put what a notebook saved in the place of the figures that are committed."""
    for file in sorted(made.rglob("*.png")) + sorted(made.rglob("*.csv")):
        if file.suffix == ".csv" and "identity" in file.read_text(encoding="utf-8").partition("\n")[0].split(","):
            continue
        place = figures / file.relative_to(made)
        place.parent.mkdir(parents=True, exist_ok=True)
        files.write_bytes(place, file.read_bytes())


def normalise(notebook: Any) -> None:
    """Reduce a notebook to what belongs in version control, in place: the same run gives the same bytes."""
    import nbformat

    executed = {"kdlab": notebook.metadata["kdlab"]} if "kdlab" in notebook.metadata else {}
    notebook.metadata = nbformat.from_dict({**METADATA, **executed})
    notebook.nbformat_minor = 5
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({key: value for key, value in cell.metadata.items() if key == "tags"})
        if cell.cell_type != "code":
            continue
        cell.outputs = _joined(cell.outputs)
        for output in cell.outputs:
            output.get("data", {}).pop(WIDGET_VIEW, None)
            output.pop("metadata", None)
            if output.output_type in ("display_data", "execute_result"):
                output["metadata"] = {}
            if output.output_type == "stream":
                output.text = re.sub(r"\S*ipykernel_\d+[/\\]\d+\.py", "<cell>", output.text)


def _joined(outputs: Sequence[Any]) -> list[Any]:
    """Texts of one stream that follow each other as one: how they are cut depends on the moment."""
    joined: list[Any] = []
    for output in outputs:
        if output.output_type == "stream" and joined and joined[-1].get("name") == output.name:
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def check(paths: Sequence[Path], strict: bool = False) -> int:
    """Run notebooks under nbval and return pytest's exit code: the same in every folder, see `kdlab.cli.strictness`."""
    if find_spec("pytest") is None or find_spec("nbval") is None:
        raise Error("notebooks are checked with pytest and nbval: pip install 'kdlab[test]'")
    for path in paths:
        read(path)  # pytest would say at length what is wrong with one that is none
    options = [
        "-o",
        "addopts=",
        "-p",
        "no:cacheprovider",
        "-p",
        "kdlab.cli.strictness",
        "--nbval" if strict else "--nbval-lax",
        "--nbval-current-env",
        "--nbval-cell-timeout",
        str(CELL_SECONDS),
    ]
    # this kdlab, also for the kernels, and none that lies in the folder where the command was typed
    package = os.pathsep.join(filter(None, [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH")]))
    with ended_by_signals(), clean_kernels():
        command = [sys.executable, "-P", "-m", "pytest", *options, *(str(path.resolve()) for path in paths)]
        return subprocess.call(command, env={**os.environ, "PYTHONPATH": package})


def parameters_of(notebook: Any) -> list[str]:
    """Return the names that may be set from outside: those of the parameters cell, or every field of a Config.

    A notebook that makes its Config with `Config.from_params(globals())` takes each field, named in that cell or not.
    """
    names: list[str] = []
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
    for cell in tagged[:1]:
        for statement in _python(cell.source).body:
            targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
            stored = [node for target in targets if target for node in ast.walk(target)]
            names += [node.id for node in stored if isinstance(node, ast.Name)]
    calls = [node for cell in notebook.cells if cell.cell_type == "code" for node in ast.walk(_python(cell.source))]
    if any(isinstance(node, ast.Attribute) and node.attr == "from_params" for node in calls):
        from ..experiment.config import Config

        names += [name for name in (*Config.model_fields, "preset") if name not in names]
    return names


def _python(source: str) -> ast.Module:
    """Parse a cell, magics included; one that is no Python parses as nothing."""
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        return ast.parse(TransformerManager().transform_cell(source))
    except SyntaxError:
        return ast.Module([], [])


def _unfinished(path: Path, output: Path) -> Path:
    """Make the file that a run is written to until it has ended; say at once where that, or `output`, is impossible."""
    try:
        if output.is_dir():
            raise Error(f"{output} is a folder: name the notebook to write, such as {output / path.name}")
        part = output.with_suffix(".part.ipynb")
        for place in (output, part):
            if place.exists() and place.samefile(path):
                raise Error(f"{output}: writing it would replace {path}, the notebook to run: give another name")
            if place.exists() and not place.is_file():
                raise Error(f"{place} is no file that could be replaced: name the notebook to write")
        output.parent.mkdir(parents=True, exist_ok=True)
        if output.exists() and not os.access(output, os.W_OK):
            raise Error(f"{output} cannot be written: it is there, and nobody may change it")
        part.write_text("", encoding="utf-8")
    except OSError as error:
        raise Error(f"{output} cannot be written: {error.strerror or error}") from None
    return part


def run_notebook(path: Path, output: Path, parameters: Mapping[str, Any], **environment: str) -> Path:
    """Run a notebook through papermill into `output`, with a progress bar.

    Parameters that the notebook does not have are refused (papermill only warns), and so is an output that cannot be
    written, before the first cell. The output has its final name only after every cell ran; where a cell failed,
    `<name>.part.ipynb` holds what ran so far, and after any other end there is neither.
    """
    import papermill

    notebook = read(path)
    language = notebook.metadata.get("kernelspec", {}).get("language") or "python"
    if language.lower() != "python":
        raise Error(f"{path} is a notebook of {language}: here Python's are run")
    allowed = parameters_of(notebook)
    for name in parameters:
        known(f"parameter of {path.name}", name, allowed)
    logging.getLogger("papermill").setLevel(logging.ERROR)  # its own reading of the parameters cell misses some names
    bar = {"desc": path.stem, "unit": "cell", "bar_format": BAR, "disable": bars()}
    with quiet_kernels(**environment), ended_by_signals():
        part = _unfinished(path, output)
        try:
            with kernel_failures(path):
                papermill.execute_notebook(
                    _literal(path),
                    _literal(part),
                    dict(parameters),
                    kernel_name="python3",
                    language="python",
                    kernel_manager_class=own_kernel(),
                    progress_bar=bar,
                )
        except papermill.PapermillExecutionError as error:
            raise Error(
                f"{error.ename}: {error.evalue} (cell {error.exec_count} of {path.name}; what ran so far is in {part})"
            ) from None
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        os.replace(part, output)
    return output


def _literal(path: Path) -> str:
    """A path as papermill takes it: braces would be parameters."""
    return str(path).replace("{", "{{").replace("}", "}}")


def tour(parameters: Mapping[str, Any]) -> None:
    """Run the tour into `runs/tour/`, then print its table, where everything is, and the wall time."""
    import pandas as pd

    from ..engine.store import runs_root

    began = time.perf_counter()
    place = runs_root() / "tour"
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Error(f"{place} cannot be made ({error.strerror}): set KDLAB_RUNS to a folder that can hold it") from None
    notebook = run_notebook(find([Path("00_tour")])[0], place / "00_tour.ipynb", parameters, KDLAB_FIGURES=str(place))
    frame = pd.read_csv(place / "data" / "00_tour.csv", index_col=0)
    print(f"\n{frame.to_string(float_format=lambda value: f'{value:.1f}', na_rep='')}\n")
    print(f"notebook  {notebook}\nfigures   {place}\nruns      {runs_root()}")
    print(f"wall time {time.perf_counter() - began:.0f} s")


def lab(arguments: Sequence[str] = ()) -> int:
    """Open JupyterLab in the notebooks folder of the checkout and return its exit code; `arguments` are JupyterLab's.

    An installed package's notebooks are not to be written to: there it opens in the current folder. On POSIX this
    process becomes JupyterLab: a signal that ends the one ends the other, and its kernels.
    """
    place = NOTEBOOKS if checkout() else Path.cwd()
    if not any(place.glob("*.ipynb")):
        warnings.warn(f"no notebook in {place}: kdlab notebooks copy FOLDER brings those of kdlab", stacklevel=2)
    # JupyterLab refuses the user root, who is the usual one in a container; it serves this machine alone, by a token
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    command = [sys.executable, "-m", "jupyterlab", *root, *arguments]
    if os.name == "posix":
        os.chdir(place)
        sys.stdout.flush()
        sys.stderr.flush()
        os.execv(sys.executable, command)
    return subprocess.call(command, cwd=place)


def gallery(port: int, browser: bool) -> int:
    """Serve `kdlab.widgets.gallery()` as a page without code, until it is interrupted; return the exit code.

    The server is this process: whatever ends it ends the kernels of the pages too. A page that nobody looks at any more
    loses its kernel after some minutes, and only browsers on this machine get one, by its own name.
    """
    import nbformat

    if find_spec("voila") is None:
        raise Error("a page without code needs voila: pip install 'kdlab[app]', or open 08_explorers with kdlab lab")
    from voila.app import Voila

    cell = nbformat.v4.new_code_cell("import kdlab\n\nkdlab.widgets.gallery()", id="gallery")
    metadata = {**METADATA, "title": "kdlab: explorers"}
    with ended_by_signals(), tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "explorers.ipynb")
        nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=metadata), path)
        words = [str(path), f"--port={port}", *([] if browser else ["--no-browser"])]
        Voila.launch_instance(words, config=_served())
    return 0


def _served() -> Any:
    """The settings of the gallery's server."""
    from jupyter_client.kernelspec import KernelSpecManager
    from traitlets.config import Config

    class OwnKernels(KernelSpecManager):
        """Kernels of this interpreter alone."""

        def __init__(self, **options: Any) -> None:
            super().__init__(**{**options, "kernel_dirs": KERNEL_FOLDERS})

    config: Any = Config()
    config.Voila.tornado_settings = {"allow_remote_access": False}  # a page elsewhere may give our address a name
    config.VoilaConfiguration.prelaunch_hook = _admit
    config.VoilaConfiguration.kernel_spec_manager_class = OwnKernels
    config.MappingKernelManager.cull_idle_timeout = IDLE_SECONDS
    config.MappingKernelManager.cull_interval = IDLE_SECONDS // 5
    return config


def _admit(request: Any, **_: Any) -> None:
    """Refuse a page, and so a kernel, to what is no page, such as an image of another site, and beyond `PAGES`."""
    from tornado.web import HTTPError

    headers = request.request.headers
    if headers.get("Sec-Fetch-Site") == "cross-site" and headers.get("Sec-Fetch-Dest") != "document":
        raise HTTPError(403, reason="another site may not open the gallery")
    if len(request.kernel_manager.list_kernel_ids()) >= PAGES:
        raise HTTPError(503, reason=f"{PAGES} pages are open: close one and wait {IDLE_SECONDS // 60} minutes")

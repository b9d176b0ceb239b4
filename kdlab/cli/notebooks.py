"""Execute notebooks, check them with nbval, run them through papermill.

At the end stand the commands: `kdlab notebooks ...`, and `kdlab tour`, `lab` and `gallery`, which open one.
"""

import ast
import json
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any

import typer

from ..core.errors import Error, known, lookup
from ..core.output import write_bytes, write_text
from ..core.places import PACKAGE, bars, checkout, environment, shipped
from ..core.settings import of_kind, parse

HERE = shipped()  # of notebooks, and of the figures that they save
NOTEBOOKS = HERE / "notebooks"
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"  # random model ids, dead without their kernel
CELL_SECONDS = 3600
BAR = "{desc} {bar:30} {n_fmt}/{total_fmt} cells {elapsed}"
QUIET = "c.IPKernelApp.log_level = 40\n"  # or every kernel warns that it talks without encryption
PAGES, IDLE_SECONDS = 8, 300  # of the gallery: kernels at a time, and how long each waits for its page


def find(names: Sequence[Path] | None) -> list[Path]:
    """Return notebooks by path or by name (00_tour), without names all of kdlab."""
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
        raise Error(f"there is no {NOTEBOOKS}: this installation of kdlab is incomplete, install it again")
    return lookup("notebook", name.stem if name.suffix == ".ipynb" else name.name, stems)


def read(path: Path) -> Any:
    """Read a notebook in the current format; raise an `Error` where a file is none."""
    import nbformat

    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text)
        if not isinstance(content, dict) or not {"cells", "worksheets"} & content.keys():
            raise ValueError("it has no cells")
        notebook = nbformat.reads(text, 4)
        if content.get("nbformat_minor", 5) < 5:
            notebook = nbformat.v4.upgrade(notebook, 4, 4)  # cells get their ids
        nbformat.validate(notebook)
    except OSError as error:
        raise Error(f"{path} cannot be read: {error.strerror}") from None
    except Exception as error:  # nbformat fails in many ways on what is no notebook
        reason = str(error).partition("\n")[0]
        raise Error(f"{path} is no notebook: {reason or type(error).__name__}") from None
    return notebook


# Kernels


@contextmanager
def quiet_kernels(**variables: str) -> Iterator[None]:
    """Start kernels inside with these environment variables, and quiet ones.

    They read no start-up files of the user and show no bars, no widgets and no warnings of their own.
    """
    with tempfile.TemporaryDirectory() as folder:
        profile = Path(folder, "profile_default")
        profile.mkdir()
        (profile / "ipython_kernel_config.py").write_text(QUIET)
        quiet = {"KDLAB_PROGRESS": "0", "KDLAB_WIDGETS": "0", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        with environment(IPYTHONDIR=folder, **quiet, **variables):
            yield


@contextmanager
def clean_kernels() -> Iterator[Path]:
    """Start quiet kernels inside with an empty, temporary runs folder; give it.

    Figures go into a folder in it. Kernels have one thread, as studies have: more of them round otherwise, and outputs
    should not depend on cores.
    """
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as runs,  # what a kernel began may end after it
        quiet_kernels(KDLAB_RUNS=runs, KDLAB_FIGURES=f"{runs}/figures", OMP_NUM_THREADS="1"),
    ):
        yield Path(runs)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """End this block by SystemExit when the process is asked to end.

    So kernels and temporary files go with it.
    """

    def leave(number: int, _: Any) -> None:
        sys.exit(128 + number)

    numbers = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    if threading.current_thread() is not threading.main_thread():
        numbers = []  # Python lets only the main thread handle signals
    before = {number: signal.signal(number, leave) for number in numbers if signal.getsignal(number) == signal.SIG_DFL}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def own_kernelspecs() -> Any:
    """Return the class that finds only this interpreter's kernel.

    What JUPYTER_PATH and the user's folders call python3 may be another Python, with another kdlab.
    """
    from jupyter_client.kernelspec import KernelSpecManager

    class OwnKernelspecs(KernelSpecManager):
        def __init__(self, **options: Any) -> None:
            super().__init__(**{**options, "kernel_dirs": []})

    return OwnKernelspecs


def own_kernel() -> Any:
    """Return the class of kernel managers that start this interpreter's kernel."""
    from jupyter_client.manager import AsyncKernelManager

    class OwnKernel(AsyncKernelManager):
        def __init__(self, **options: Any) -> None:
            super().__init__(kernel_spec_manager=own_kernelspecs()(), **options)

    return OwnKernel


@contextmanager
def kernel_failures(path: Path) -> Iterator[None]:
    """Raise an `Error` that says why a notebook's kernel did not start or last."""
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    try:
        yield
    except DeadKernelError:
        raise Error(
            f"the kernel died while {path.name} ran, perhaps because memory ran out: finished runs are kept, try again"
        ) from None
    except CellTimeoutError:
        raise Error(f"a cell of {path.name} ran for more than {CELL_SECONDS} s") from None
    except RuntimeError as error:
        raise Error(
            f"no kernel starts for {path.name} ({str(error).partition(chr(10))[0]}): "
            f"{sys.executable} -m ipykernel_launcher says why"
        ) from None


def machine() -> str:
    """Return the kind of this machine: those of one kind round alike, on one thread."""
    import torch

    from ..experiment.device import processor

    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu"
    return f"{processor()}, {device}, torch {torch.__version__.partition('+')[0]}, 1 thread"


def made_elsewhere(notebook: Any) -> bool:
    """Return whether a notebook was executed on another kind of machine, as it says."""
    made = notebook.metadata.get("kdlab", {}).get("machine")
    return made is not None and made != machine()


# Execute


def execute(path: Path) -> None:
    """Execute a notebook from a clean kernel and write it back in canonical form.

    Its runs folder is empty at the start. Figures and tables that it saves replace the committed ones when all of it
    has run; evidence of studies does not: one live seed is no evidence that others should find.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    from ..core.places import figures_root

    _check_writable(path)
    notebook, figures = read(path), HERE / "figures" if checkout() else figures_root()
    before = {cell.id: (cell.source, cell.get("outputs")) for cell in notebook.cells}
    with ended_by_signals(), clean_kernels() as runs:
        client = NotebookClient(
            notebook,
            timeout=CELL_SECONDS,
            kernel_name="python3",
            kernel_manager_class=own_kernel(),
            record_timing=False,
            resources={"metadata": {"path": str(path.parent)}},
        )
        try:
            # cell by cell: `client.execute` would install signal handlers of its own
            with kernel_failures(path), client.setup_kernel():
                for index, cell in enumerate(notebook.cells):
                    client.execute_cell(cell, index)
        except CellExecutionError as error:
            raise Error(f"{path.name}: {error.ename}: {error.evalue}") from None
        _take_figures(runs / "figures", figures)
    for cell in notebook.cells:
        source, outputs = before[cell.id]
        if "volatile" in cell.metadata.get("tags", ()) and cell.source == source and outputs:
            cell.outputs = outputs  # timings differ from run to run: they stay as first measured
    notebook.metadata["kdlab"] = {"machine": machine()}
    write(path, notebook)


def write(path: Path, notebook: Any) -> None:
    """Write a notebook in canonical form."""
    import nbformat

    normalise(notebook)
    nbformat.validate(notebook)
    write_text(path, nbformat.writes(notebook) + "\n")


def _check_writable(path: Path) -> None:
    """Raise an `Error` where a notebook cannot be written or is the package's."""
    if checkout() is None and path.resolve().is_relative_to(NOTEBOOKS.resolve()):
        raise Error(f"{path.name} belongs to the installed package: kdlab notebooks copy FOLDER, and take the copy")
    if not (os.access(path, os.W_OK) and os.access(path.resolve().parent, os.W_OK)):
        raise Error(f"{path} cannot be written: take a copy of it")


def _take_figures(saved: Path, figures: Path) -> None:
    """Replace committed figures and tables by those that a notebook saved.

    Tables of evidence, with a column `identity`, stay.
    """
    for file in sorted(saved.rglob("*.png")) + sorted(saved.rglob("*.csv")):
        if file.suffix == ".csv" and "identity" in file.read_text(encoding="utf-8").partition("\n")[0].split(","):
            continue
        target = figures / file.relative_to(saved)
        target.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(target, file.read_bytes())


def normalise(notebook: Any) -> None:
    """Reduce a notebook to its canonical form, in place.

    That is what belongs in version control: the same run gives the same bytes.
    """
    import nbformat

    executed = {"kdlab": notebook.metadata["kdlab"]} if "kdlab" in notebook.metadata else {}
    notebook.metadata = nbformat.from_dict({**METADATA, **executed})
    notebook.nbformat_minor = 5
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({key: value for key, value in cell.metadata.items() if key == "tags"})
        if cell.cell_type != "code":
            continue
        outputs: list[Any] = []
        for output in cell.outputs:  # join texts of one stream: where the kernel cuts them depends on the moment
            if output.output_type == "stream" and outputs and outputs[-1].get("name") == output.name:
                outputs[-1].text += output.text
            else:
                outputs.append(output)
        cell.outputs = outputs
        for output in outputs:
            output.get("data", {}).pop(WIDGET_VIEW, None)
            output.pop("metadata", None)
            if output.output_type in ("display_data", "execute_result"):
                output["metadata"] = {}
            if output.output_type == "stream":
                output.text = re.sub(r"\S*ipykernel_\d+[/\\]\d+\.py", "<cell>", output.text)


# Run with parameters


def parameters_of(notebook: Any) -> list[str]:
    """Return the parameters of a notebook: the names that its parameters cell sets.

    A notebook that calls `Config.from_params(globals())` takes every field of a Config, set in that cell or not.
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
    """Make the file that a run is written to until it ends, beside `output`.

    Raise an `Error` at once where that, or `output`, cannot be written.
    """
    try:
        if output.is_dir():
            raise Error(f"{output} is a folder: name the notebook to write, such as {output / path.name}")
        part = output.with_suffix(".part.ipynb")
        for file in (output, part):
            if file.exists() and file.samefile(path):
                raise Error(f"{output}: writing it would replace {path}, the notebook to run: give another name")
            if file.exists() and not file.is_file():
                raise Error(f"{file} is no file that could be replaced: name the notebook to write")
        output.parent.mkdir(parents=True, exist_ok=True)
        if output.exists() and not os.access(output, os.W_OK):
            raise Error(f"{output} cannot be written: it is there already, write-protected")
        part.write_text("", encoding="utf-8")
    except OSError as error:
        raise Error(f"{output} cannot be written: {error.strerror or error}") from None
    return part


def check_parameters(path: Path, chosen: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the parameters that a notebook has, which must be of Python.

    An `Error` names one that is `chosen` and that it does not have, or a value of another kind than its parameters cell
    says (`a: int = 1`).
    """
    notebook = read(path)
    language = notebook.metadata.get("kernelspec", {}).get("language") or "python"
    if language.lower() != "python":
        raise Error(f"{path} is a notebook of {language}: only Python's are run here")
    allowed, kinds = parameters_of(notebook), _kinds(notebook)
    for parameters in chosen:
        for name, value in parameters.items():
            of_kind(known(f"parameter of {path.name}", name, allowed), value, kinds.get(name, object))
    return set(allowed)


def _kinds(notebook: Any) -> dict[str, type]:
    """Return what a parameters cell says: {"a": int} of `a: int = 1`."""
    cells = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
    known_kinds = {kind.__name__: kind for kind in (bool, int, float, str, list, tuple, dict)}
    stated = [s for cell in cells[:1] for s in _python(cell.source).body if isinstance(s, ast.AnnAssign)]
    named = {ast.unparse(each.target): ast.unparse(each.annotation) for each in stated}
    return {name: known_kinds[kind] for name, kind in named.items() if kind in known_kinds}


def run_notebook(path: Path, output: Path, parameters: Mapping[str, Any], **variables: str) -> Path:
    """Run a notebook through papermill into `output`, with a progress bar.

    Parameters that the notebook does not have are refused (papermill only warns), and values of another kind.
    """
    check_parameters(path, [parameters])
    bar = {"desc": path.stem, "unit": "cell", "bar_format": BAR, "disable": bars()}
    with quiet_kernels(**variables), ended_by_signals():
        return write_run(path, output, parameters, kernel_manager_class=own_kernel(), progress_bar=bar)


def write_run(path: Path, output: Path, parameters: Mapping[str, Any], **options: Any) -> Path:
    """Run a notebook through papermill, which takes the `options`, into `output`.

    An output that cannot be written is refused before the first cell. It has its final name only after every cell ran;
    where a cell failed, `<name>.part.ipynb` holds what ran so far, and after any other end there is neither.
    """
    import papermill

    logging.getLogger("papermill").setLevel(logging.ERROR)  # its own reading of the parameters cell misses some names
    part = _unfinished(path, output)
    # papermill takes single braces in a path for parameters
    source, target = (str(file).replace("{", "{{").replace("}", "}}") for file in (path, part))
    try:
        with kernel_failures(path):
            papermill.execute_notebook(
                source, target, dict(parameters), kernel_name="python3", language="python", **options
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


# The commands

app = typer.Typer(no_args_is_help=True, help="Execute, check, copy and run the notebooks.")
opening = typer.Typer()  # tour, lab and gallery: words of kdlab itself
Names = Annotated[list[Path] | None, typer.Argument(help="notebooks, by name or path; default: all")]
Parameters = Annotated[list[str] | None, typer.Option("-p", help="notebook parameter, name=value; may be repeated")]


@app.command(name="execute")
def execute_(names: Names = None) -> None:
    """Execute notebooks and write them back, outputs included, in canonical form."""
    for path in find(names):
        print(path.name, flush=True)
        execute(path)


@app.command()
def clean(names: Names = None) -> None:
    """Write notebooks in canonical form without running them; outputs stay."""
    for path in find(names):
        _check_writable(path)
        before = path.read_bytes()
        write(path, read(path))
        if path.read_bytes() != before:
            print(path)


@app.command()
def check(
    names: Names = None,
    strict: Annotated[bool, typer.Option("--strict", help="compare every output, not check cells alone")] = False,
) -> None:
    """Run notebooks under nbval and tell which outputs differ from the committed ones."""
    if find_spec("pytest") is None or find_spec("nbval") is None:
        raise Error("notebooks are checked with pytest and nbval: pip install 'kdlab[test]'")
    paths = find(names)
    for path in paths:
        read(path)  # pytest would say at length what is wrong with one that is none
    # the plugin sees to it that the same cells are compared in every folder
    mode = "--nbval" if strict else "--nbval-lax"
    options = f"-o addopts= -p no:cacheprovider -p kdlab.cli.strictness {mode} --nbval-current-env"
    options += f" --nbval-cell-timeout={CELL_SECONDS}"
    command = [sys.executable, "-P", "-m", "pytest", *options.split(), *(str(path.resolve()) for path in paths)]
    # this kdlab, also for the kernels, and none that lies in the folder where the command was typed
    package = os.pathsep.join(filter(None, [str(PACKAGE.parent), os.environ.get("PYTHONPATH")]))
    with ended_by_signals(), clean_kernels():
        raise typer.Exit(subprocess.call(command, env={**os.environ, "PYTHONPATH": package}))


@app.command()
def copy(folder: Annotated[Path, typer.Argument(help="made where it is missing")], names: Names = None) -> None:
    """Copy notebooks into a folder, to work with; no file there is replaced."""
    copies = {path: folder / path.name for path in find(names)}
    if folder.exists() and not folder.is_dir():
        raise Error(f"{folder} is a file: give a folder")
    if there := [path for path in copies.values() if path.exists()]:
        raise Error(f"{there[0]} is there already: move it, or give another folder")
    folder.mkdir(parents=True, exist_ok=True)
    for path, target in copies.items():
        write_bytes(target, path.read_bytes())
        print(target)


@app.command(name="run")
def run_(
    notebook: Annotated[Path, typer.Argument(help="a notebook, by name or path")],
    output: Annotated[Path, typer.Argument(help="the notebook to write")],
    parameter: Parameters = None,
) -> None:
    """Run a notebook through papermill with parameters of yours."""
    print(run_notebook(find([notebook])[0], output, parse(parameter or [])))


@opening.command()
def tour(parameter: Parameters = None) -> None:
    """Run the whole path on real digits in a minute: teacher, student, pictures."""
    import pandas as pd

    from ..core.places import runs_root
    from ..engine.lock import check_holds

    began = time.perf_counter()
    check_holds(runs_root())
    folder = runs_root() / "tour"
    folder.mkdir(exist_ok=True)
    parameters, output = parse(parameter or []), folder / "00_tour.ipynb"
    run_notebook(find([Path("00_tour")])[0], output, parameters, KDLAB_FIGURES=str(folder))
    frame = pd.read_csv(folder / "data" / "00_tour.csv", index_col=0)
    print(f"\n{frame.to_string(float_format=lambda value: f'{value:.1f}', na_rep='')}\n")
    print(f"notebook  {output}\nfigures   {folder}\nruns      {runs_root()}")
    print(f"wall time {time.perf_counter() - began:.0f} s")


@opening.command(context_settings={"ignore_unknown_options": True, "help_option_names": ["-h", "--help"]})
def lab(
    arguments: Annotated[
        list[str] | None, typer.Argument(help="passed on to JupyterLab, such as --no-browser --port=8890")
    ] = None,
) -> None:
    """Open the notebooks in JupyterLab.

    They are those of the checkout; where kdlab is installed without one, those in the current folder.
    """
    folder = NOTEBOOKS if checkout() else Path.cwd()
    if not any(folder.glob("*.ipynb")):
        warnings.warn(f"no notebook in {folder}: kdlab notebooks copy FOLDER brings those of kdlab", stacklevel=2)
    # JupyterLab refuses the user root, who is the usual one in a container; it serves this machine alone, by a token
    root = ["--allow-root"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    command = [sys.executable, "-m", "jupyterlab", *root, *(arguments or [])]
    if os.name == "posix":
        os.chdir(folder)
        sys.stdout.flush()
        sys.stderr.flush()
        # this process becomes JupyterLab: a signal that ends the one ends the other, and its kernels
        os.execv(sys.executable, command)
    raise typer.Exit(subprocess.call(command, cwd=folder))


@opening.command()
def gallery(
    port: Annotated[int, typer.Option(help="of the page on this machine")] = 8866,
    browser: Annotated[bool, typer.Option(help="open it in a browser")] = True,
) -> None:
    """Show all explorers in the browser, as a page without code."""
    import nbformat

    if not 1 <= port < 1 << 16:
        raise Error(f"--port {port}: give a number from 1 to 65,535")
    if find_spec("voila") is None:
        raise Error("a page without code needs voila: pip install 'kdlab[app]', or open 08_explorers with kdlab lab")
    from traitlets.config import Config
    from voila.app import Voila

    settings: Any = Config()
    settings.Voila.tornado_settings = {"allow_remote_access": False}  # a page elsewhere may give our address a name
    settings.VoilaConfiguration.prelaunch_hook = _admit
    settings.VoilaConfiguration.kernel_spec_manager_class = own_kernelspecs()
    settings.MappingKernelManager.cull_idle_timeout = IDLE_SECONDS  # a page that was closed loses its kernel
    settings.MappingKernelManager.cull_interval = IDLE_SECONDS // 5
    cell = nbformat.v4.new_code_cell("import kdlab\n\nkdlab.widgets.gallery()", id="gallery")
    metadata = {**METADATA, "title": "kdlab: explorers"}
    # the server is this process: whatever ends it ends the kernels of the pages too
    with ended_by_signals(), tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "explorers.ipynb")
        nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=metadata), path)
        words = [str(path), f"--port={port}", *([] if browser else ["--no-browser"])]
        Voila.launch_instance(words, config=settings)


def _admit(request: Any, **_: Any) -> None:
    """Refuse a kernel to more than `PAGES` pages, and to what is no page.

    Another site may ask for the address as for an image.
    """
    from tornado.web import HTTPError

    headers = request.request.headers
    if headers.get("Sec-Fetch-Site") == "cross-site" and headers.get("Sec-Fetch-Dest") != "document":
        raise HTTPError(403, reason="another site may not open the gallery")
    if len(request.kernel_manager.list_kernel_ids()) >= PAGES:
        raise HTTPError(503, reason=f"{PAGES} pages are open: close one and wait {IDLE_SECONDS // 60} minutes")

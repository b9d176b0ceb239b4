"""Notebooks from the outside: execute and normalise them, check them with nbval, run them through papermill."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from .errors import Error, known, lookup

HERE = Path(__file__).parents[1]
NOTEBOOKS = HERE / "notebooks"
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"  # random model ids, dead without their kernel
CELL_SECONDS = 3600
BAR = "{desc} {bar:30} {n_fmt}/{total_fmt} cells {elapsed}"


def find(names: Sequence[Path] | None) -> list[Path]:
    """Notebook files by path or by name (00_tour); none given: all of them."""
    if not NOTEBOOKS.is_dir():
        raise Error(
            f"there is no {NOTEBOOKS}: the notebooks come with a clone of the repository, installed with "
            "pip install -e ."
        )
    stems = {path.stem: path for path in sorted(NOTEBOOKS.glob("*.ipynb"))}
    return [name if name.is_file() else lookup("notebook", name.stem, stems) for name in map(Path, names or stems)]


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


def execute(path: Path) -> None:
    """Execute a notebook from a clean kernel and an empty runs folder, and write it back in canonical form.

    Figures and tables that it saves replace the committed ones when all of it has run; evidence of studies does not:
    one live seed is no evidence that others should find.
    """
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    notebook: Any = nbformat.read(path, 4)
    before = {cell.id: (cell.source, cell.get("outputs")) for cell in notebook.cells}
    with clean_kernels() as place:
        client = NotebookClient(
            notebook, timeout=CELL_SECONDS, kernel_name="python3", record_timing=False,
            resources={"metadata": {"path": str(path.parent)}},
        )  # fmt: skip
        try:
            client.execute()
        except CellExecutionError as error:
            raise Error(f"{path.name}: {error.ename}: {error.evalue}") from None
        _take_figures(place / "figures")
    for cell in notebook.cells:
        source, outputs = before[cell.id]
        if "volatile" in cell.metadata.get("tags", ()) and cell.source == source and outputs:
            cell.outputs = outputs  # timings differ from run to run: they stay as first measured
    normalise(notebook)
    nbformat.validate(notebook)
    temporary = path.with_suffix(".tmp")
    nbformat.write(notebook, temporary)
    os.replace(temporary, path)


def _take_figures(made: Path) -> None:
    """Move what a notebook saved into the figures that are committed."""
    for file in sorted(made.rglob("*.png")) + sorted(made.rglob("*.csv")):
        if file.suffix == ".csv" and "identity" in file.read_text(encoding="utf-8").partition("\n")[0].split(","):
            continue
        place = HERE / "figures" / file.relative_to(made)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(file, place)


def normalise(notebook: Any) -> None:
    """Reduce a notebook to what belongs in version control, in place: the same run gives the same bytes."""
    import nbformat

    notebook.metadata = nbformat.from_dict(METADATA)
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
    """Run notebooks under nbval and return pytest's exit code; `pyproject.toml` has the options of the test suite."""
    mode = [
        "-o",
        "addopts=",
        "--nbval",
        "--nbval-current-env",
        "--nbval-sanitize-with",
        str(HERE / "tests" / "nbval.cfg"),
    ]
    command = [sys.executable, "-m", "pytest", *(mode if strict else []), *map(str, paths)]
    return subprocess.call(command, cwd=HERE, env={**os.environ, "OMP_NUM_THREADS": "1"})  # as `execute`


def run_notebook(path: Path, output: Path, parameters: Mapping[str, Any], **environment: str) -> Path:
    """Run a notebook through papermill into `output`, with a progress bar.

    Parameters that the notebook does not have are refused (papermill only warns). The output has its final name only
    after every cell ran; a run that failed or was killed leaves `<name>.part.ipynb`.
    """
    import papermill
    from nbclient.exceptions import DeadKernelError

    with quiet_kernels(**environment):
        allowed = papermill.inspect_notebook(str(path))
        for name in parameters:
            known(f"parameter of {path.name}", name, allowed)
        output.parent.mkdir(parents=True, exist_ok=True)
        part = output.with_suffix(".part.ipynb")
        try:
            papermill.execute_notebook(
                str(path), str(part), dict(parameters), kernel_name="python3",
                progress_bar={"desc": path.stem, "unit": "cell", "bar_format": BAR},
            )  # fmt: skip
        except papermill.PapermillExecutionError as error:
            raise Error(
                f"{error.ename}: {error.evalue} (cell {error.exec_count} of {path.name}; what ran so far is in {part})"
            ) from None
        except DeadKernelError:
            raise Error(
                f"the kernel died while {path.name} ran, perhaps for want of memory: finished runs are kept, "
                "so try again"
            ) from None
    os.replace(part, output)
    return output


def tour(parameters: Mapping[str, Any]) -> None:
    """Run the tour into `runs/tour/`, then print its table, where everything is, and the wall time."""
    import pandas as pd

    from .engine.store import runs_root

    began = time.perf_counter()
    place = runs_root() / "tour"
    notebook = run_notebook(find([Path("00_tour")])[0], place / "00_tour.ipynb", parameters, KDLAB_FIGURES=str(place))
    frame = pd.read_csv(place / "data" / "00_tour.csv", index_col=0)
    print(f"\n{frame.to_string(float_format=lambda value: f'{value:.1f}', na_rep='')}\n")
    print(f"notebook  {notebook}\nfigures   {place}\nruns      {runs_root()}")
    print(f"wall time {time.perf_counter() - began:.0f} s")


def lab() -> int:
    """Open JupyterLab in the notebooks folder and return its exit code."""
    find(None)
    return subprocess.call([sys.executable, "-m", "jupyterlab"], cwd=NOTEBOOKS)


def gallery(port: int, browser: bool) -> int:
    """Serve `kdlab.widgets.gallery()` as a page without code, until it is interrupted; return the exit code."""
    import nbformat

    if find_spec("voila") is None:
        raise Error("a page without code needs voila: pip install 'kdlab[app]', or open 08_explorers with kdlab lab")
    cell = nbformat.v4.new_code_cell("import kdlab\n\nkdlab.widgets.gallery()", id="gallery")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "explorers.ipynb")
        nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=METADATA), path)
        command = [sys.executable, "-m", "voila", str(path), f"--port={port}"]
        return subprocess.call([*command, *([] if browser else ["--no-browser"])])

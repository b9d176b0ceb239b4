"""One notebook with many values of its parameters, in kernels that stay warm.

A kernel takes seconds to start and to import what a notebook needs, so each worker keeps one, and empties its namespace
between two notebooks. Modules stay loaded: what a notebook changes in one lasts until its worker ends.
"""

import ast
import json
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from queue import Empty, SimpleQueue
from statistics import median
from threading import Event
from typing import Any

import pandas as pd
import psutil
from tqdm.auto import tqdm

from ..core.errors import Error
from ..core.output import duration, replacing
from ..core.places import bars, processors, runs_root
from ..core.settings import nested, typed
from ..engine.identity import hash_of
from ..experiment.grid import check_stages, combinations, handed_on, table_value, varying, without_idle_fields
from .notebooks import (
    check_parameters,
    ended_by_signals,
    find,
    kernel_failures,
    own_kernel,
    quiet_kernels,
    read,
    write_run,
)

# What a kernel runs between two notebooks: figures are closed, names and history are gone
EMPTY = """import os, sys
os.environ["KDLAB_FIGURES"] = {figures!r}
os.chdir({folder!r})
if "matplotlib.pyplot" in sys.modules:
    sys.modules["matplotlib.pyplot"].close("all")
get_ipython().reset(new_session=True)
"""
INJECTED = "injected-parameters"  # papermill's tag of the cell that sets them
# Of the text of a dict: strings, <objects that are no Python>, brackets and commas, what stands between them
PARTS = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|<(?:[^<>]|<[^<>]*>)*>|[^'"<]""", re.DOTALL)
OPENING, CLOSING = ("(", "[", "{"), (")", "]", "}")
SCALAR = re.compile(r"tensor|array|((np|numpy)\.)?(u?int\d+|float\d+|longdouble|str_|bool_)")  # calls around a number


def run_all(
    path: Path, jobs: Mapping[Path, Mapping[str, Any]], workers: int, each: Callable[[Path, str], None]
) -> None:
    """Run a notebook once for each output with its parameters, so many at a time.

    `each` is called with an output that is done, and why it failed or an empty text. Figures that a notebook saves lie
    in a folder beside its output. An interrupt, or a signal that ends this process, ends the kernels too; what they had
    begun is not there then.
    """
    waiting, stop, kernels = SimpleQueue[tuple[Path, Mapping[str, Any]]](), Event(), set[int]()
    for job in jobs.items():
        waiting.put(job)

    def work() -> None:
        with suppress(Empty):
            output, parameters = waiting.get_nowait()
            while not stop.is_set():
                with kernel_failures(path), _kernel(kernels) as client:
                    reason = ""
                    while not (reason or stop.is_set()):  # after a failure in another kernel
                        reason = _run(path, output, parameters, client)
                        if not stop.is_set():
                            each(output, reason)
                            output, parameters = waiting.get_nowait()

    count = min(workers, len(jobs))
    with quiet_kernels(OMP_NUM_THREADS="1"), ended_by_signals(), ThreadPoolExecutor(count or 1) as pool:
        try:
            for future in [pool.submit(work) for _ in range(count)]:
                future.result()
        finally:
            stop.set()
            for number in list(kernels):
                with suppress(psutil.NoSuchProcess):
                    psutil.Process(number).kill()


@contextmanager
def _kernel(kernels: set[int]) -> Iterator[Any]:
    """Start a kernel, and yield its client; its process is one of `kernels` meanwhile."""
    from nbclient import NotebookClient
    from nbformat.v4 import new_code_cell, new_notebook

    client: Any = NotebookClient(
        new_notebook(cells=[new_code_cell()]), kernel_name="python3", kernel_manager_class=own_kernel()
    )
    with client.setup_kernel():
        number = client.km.provisioner.pid
        kernels.add(number)
        try:
            yield client
        finally:
            kernels.discard(number)


def _run(path: Path, output: Path, parameters: Mapping[str, Any], client: Any) -> str:
    """Run a notebook in a kernel that others may have used; return why it failed."""
    cell = client.nb.cells[0]
    cell.source = EMPTY.format(figures=str(output.resolve().with_suffix("")), folder=str(Path.cwd()))
    try:
        with kernel_failures(path):
            client.execute_cell(cell, 0, store_history=False)
        write_run(path, output, parameters, engine_name=_engine(), client=client, progress_bar=False)
    except Error as error:
        return str(error)
    return ""


@cache
def _engine() -> str:
    """Return the name of papermill's engine for kernels that go on afterwards."""
    from papermill.clientwrap import PapermillNotebookClient
    from papermill.engines import Engine, papermill_engines

    class Warm(Engine):
        @classmethod
        def execute_managed_notebook(cls, nb_man: Any, kernel_name: str, **options: Any) -> None:
            client = options["client"]
            notebook = PapermillNotebookClient(nb_man, km=client.km, kernel_name=kernel_name)
            notebook.kc = client.kc  # a client for each notebook would leave its sockets open
            notebook.execute()

    papermill_engines.register("warm", Warm)
    return "warm"


def results(output: Path) -> dict[str, Any]:
    """Return the numbers and texts in dicts that cells of a notebook ended with.

    Numbers are Python's, numpy's, and tensors of one number, as they are printed. Other values of a dict are left out,
    and so are infinity and NaN.
    """
    values: dict[str, Any] = {}
    for cell in read(output).cells:
        for shown in cell.get("outputs", ()):
            text = shown.get("data", {}).get("text/plain", "") if shown.output_type == "execute_result" else ""
            for item in _items(text):
                with suppress(ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
                    tree = ast.parse(f"{{{item}}}", mode="eval").body
                    if isinstance(tree, ast.Dict) and (name := tree.keys[0]):
                        (value,) = tree.values  # noqa: PD011  # of Python's syntax, no table
                        values[str(ast.literal_eval(name))] = _number(value)
    return {name: value for name, value in values.items() if isinstance(value, int | float | str)}


def _items(text: str) -> list[str]:
    """Split the text of a dict into those of its items, None for what is no Python."""
    if not (text.startswith("{") and text.endswith("}")):
        return []
    items, depth = [""], 0
    for part in PARTS.findall(text[1:-1]):
        depth += (part in OPENING) - (part in CLOSING)
        if part == "," and not depth:
            items.append("")
        else:
            items[-1] += "None" if part.startswith("<") else part
    return [item.strip() for item in items if item.strip()]


def _number(node: ast.expr) -> Any:
    """Return a number or text as it was printed: 0.5, np.float64(0.5), tensor(0.5)."""
    if isinstance(node, ast.Call) and node.args and SCALAR.fullmatch(ast.unparse(node.func)):
        node = node.args[0]
    if isinstance(node, ast.Attribute) and node.attr in ("True_", "False_"):
        return node.attr == "True_"
    return ast.literal_eval(node)


class Notebooks:
    """A notebook with every combination of values of its parameters.

    As `sweep.Runs` has `rows` of values that vary, in these fields, `varied`. Outputs lie in one folder, with a `table`
    of all of them.
    """

    def __init__(self, notebook: Path, fields: Mapping[str, Any], folder: Path | None) -> None:
        self.path = find([notebook])[0]
        points, hand = combinations(fields), dict[str, Any]
        if check_parameters(self.path, map(nested, points)) >= {"method", "teacher", "init"}:  # those of a Config
            for name in points[0]:
                check_stages(name)
            points, hand = without_idle_fields(points), handed_on
        self.varied, self.folder = varying(points), folder or runs_root() / "sweeps" / self.path.stem
        self.table = self.folder / "table.csv"
        self.jobs, self.values = dict[Path, dict[str, Any]](), dict[Path, dict[str, Any]]()
        for point in points:
            values = {name: table_value(point.get(name, "")) for name in self.varied}
            text = re.sub(r"[^A-Za-z0-9.=+-]+", "_", "_".join(f"{n}={v}" for n, v in values.items() if n in point))
            output = self.folder / f"{self.path.stem}-{text[:100]}-{hash_of(point)[:8]}.ipynb"
            self.jobs[output], self.values[output] = json.loads(json.dumps(hand(nested(point)))), values
        self.rows = list(self.values.values())

    def _is_there(self, output: Path) -> bool:
        """Return whether an output is this notebook as it is now, run to its end."""
        if not output.exists():
            return False
        made = read(output)
        cells = [cell.source for cell in made.cells if INJECTED not in cell.metadata.get("tags", ())]
        as_now = cells == [cell.source for cell in read(self.path).cells]
        return as_now and made.metadata.get("papermill", {}).get("parameters") == self.jobs[output]

    def expected(self, workers: int) -> tuple[list[dict[str, Any]], str]:
        """Return which outputs are there, and a sentence on the time of the others."""
        there = [output for output in self.jobs if self._is_there(output)]
        rows = [{**values, "state": "there" if output in there else "to run"} for output, values in self.values.items()]
        text = f"{len(rows)} notebooks in {self.folder}, {len(there)} there"
        if not there:
            return rows, f"{text}: how long one takes shows the first"
        each = median(read(output).metadata.papermill.duration for output in there)
        left = len(rows) - len(there)
        return (
            rows,
            f"{text}; the others: about {duration(each * left / min(workers, left or 1))} at {workers} at a time",
        )

    def run(self, workers: int | None) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Return rows of the outputs that are there in the end, and of those that failed."""
        jobs = {output: parameters for output, parameters in self.jobs.items() if not self._is_there(output)}
        reasons: dict[Path, str] = {}
        with tqdm(total=len(jobs), desc=self.path.stem, unit="notebook", disable=bars()) as bar:

            def note(output: Path, reason: str) -> None:
                reasons[output] = reason
                bar.update()
                if bar.disable and bars() is None:
                    print(f"kdlab: {len(reasons)} of {len(jobs)} notebooks done", file=sys.stderr)

            run_all(self.path, jobs, workers or processors(), note)
        failed = [{**self.values[o], "message": r, "command": self._command(o)} for o, r in reasons.items() if r]
        rows = [
            {**values, **results(output), **values, "notebook": str(output)}
            for output, values in self.values.items()
            if not reasons.get(output)
        ]
        with replacing(self.table) as temporary:
            pd.DataFrame(rows).to_csv(temporary, index=False)
        return rows, failed

    def _command(self, output: Path) -> str:
        """Return the command that makes an output."""
        words = [each for word in typed(self.jobs[output]) for each in ("-p", word)]
        return shlex.join(["kdlab", "notebooks", "run", str(self.path), str(output), *words])

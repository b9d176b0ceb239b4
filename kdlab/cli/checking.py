"""Check cells without nbval: a notebook is run from a clean kernel and its outputs compared with the committed ones.

The verdicts are those of nbval (lax, or strict), which the tests use: were it to break with a new pytest, this goes on.
"""

import copy
import difflib
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .notebooks import CELL_SECONDS, HERE, WIDGET_VIEW, clean_kernels, made_elsewhere, own_kernel, read

SANITIZE = HERE / "tests" / "nbval.cfg"
MARKS = {  # as comments in a cell, or as its tags in small letters with hyphens: what is set, and to what
    "NBVAL_CHECK_OUTPUT": ("check", True),
    "NBVAL_IGNORE_OUTPUT": ("check", False),
    "NBVAL_RAISES_EXCEPTION": ("raises", True),
    "NBVAL_SKIP": ("skip", True),
}
TAGS = {mark.lower().replace("_", "-"): what for mark, what in MARKS.items()} | {"raises-exception": ("raises", True)}
# Pictures and model ids differ from machine to machine, and so does what libraries print on stderr
NOT_COMPARED = {
    "metadata",
    "traceback",
    "output_type",
    "name",
    "execution_count",
    "image/png",
    "image/jpeg",
    "stderr",
    WIDGET_VIEW,
}
OVERWRITTEN = re.compile(r"^.*\r(?=[^\n])", re.MULTILINE)  # what a progress bar has drawn over
MOST = 12  # lines told of a difference


def compare(path: Path, strict: bool = False, seconds: int = CELL_SECONDS) -> list[str]:
    """Run a notebook and tell, cell by cell, what differs from its committed outputs; nothing is written back.

    Checked are cells with the tag nbval-check-output, or all but those with nbval-ignore-output if `strict`, unless the
    outputs were made on another kind of machine. A cell that fails is told in either mode, and the next ones still run,
    unless the kernel died or the cell took too long.
    """
    from nbclient import NotebookClient
    from nbclient.exceptions import CellTimeoutError, DeadKernelError

    notebook = read(path)
    strict = strict and not made_elsewhere(notebook)
    committed = copy.deepcopy(notebook.cells)
    rules, told = _rules(SANITIZE.read_text(encoding="utf-8")), []
    with clean_kernels():
        client = NotebookClient(
            notebook,
            timeout=seconds,
            kernel_name="python3",
            kernel_manager_class=own_kernel(),
            record_timing=False,
            allow_errors=True,
            resources={"metadata": {"path": str(path.parent)}},
        )
        with client.setup_kernel():
            for index, cell in enumerate(notebook.cells):
                marks = _marks(cell, strict)
                if cell.cell_type != "code" or marks["skip"]:
                    continue
                name = f"{path.name}, cell {cell.get('id', index)}"
                try:
                    client.execute_cell(cell, index)
                except CellTimeoutError:
                    return [*told, f"{name}: it ran for more than {seconds} s; the cells after it were not run"]
                except DeadKernelError:
                    return [*told, f"{name}: the kernel died; the cells after it were not run"]
                told += [f"{name}: {what}" for what in _complaints(cell, committed[index], marks, rules)]
    return told


def _rules(text: str) -> list[tuple[str, str]]:
    """(regular expression, what it is replaced by) of a file of nbval's."""
    return re.findall(r"^regex: (.*)\nreplace: (.*)$", text, flags=re.MULTILINE)


def _marks(cell: Any, strict: bool) -> dict[str, bool]:
    """What is asked of a cell; its comments go before its tags."""
    comments = [line.strip().lstrip("#").strip() for line in cell.source.splitlines() if line.strip().startswith("#")]
    tags = [TAGS[tag] for tag in cell.metadata.get("tags", ()) if tag in TAGS]
    return {
        "check": strict,
        "raises": False,
        "skip": False,
        **dict(tags),
        **dict(MARKS[comment] for comment in comments if comment in MARKS),
    }


def _complaints(cell: Any, before: Any, marks: dict[str, bool], rules: list[tuple[str, str]]) -> list[str]:
    """What is wrong with a cell that has been run: one sentence, or none."""
    errors = [output for output in cell.outputs if output.output_type == "error"]
    if errors and not marks["raises"]:
        return [f"{errors[0].ename}: {errors[0].evalue}"]
    if before.execution_count is None:
        return ["it has outputs but no number: execute the notebook and commit it anew"] if before.outputs else []
    if not marks["check"]:
        return []
    expected, got = (_values(outputs, rules) for outputs in (before.outputs, cell.outputs))
    for key in [*expected, *(key for key in got if key not in expected)]:
        if expected[key] != got[key]:
            return [f"{key} differs{_difference(expected[key], got[key])}"]
    return []


def _values(outputs: Sequence[Any], rules: list[tuple[str, str]]) -> defaultdict[str, list[Any]]:
    """The values of all outputs under "stdout", "text/plain", "ename" and so on: only their order under a name counts.

    Text of one stream is joined: where it is cut depends on the moment.
    """
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for output in outputs:
        if output.output_type == "stream":
            found[output.name] = ["".join([*found[output.name], output.text])]
            continue
        for key, value in {**output, **output.get("data", {})}.items():
            if key != "data":
                found[key].append(value)
    for name in ("stdout", "stderr"):
        found[name] = [OVERWRITTEN.sub("", text) for text in found[name]]
    kept = {key: values for key, values in found.items() if values and key not in NOT_COMPARED}
    return defaultdict(list, {key: [_sanitized(value, rules) for value in values] for key, values in kept.items()})


def _sanitized(value: Any, rules: list[tuple[str, str]]) -> Any:
    if isinstance(value, str):
        for pattern, replacement in rules:
            value = re.sub(pattern, replacement, value)
    return value


def _difference(expected: list[Any], got: list[Any]) -> str:
    """The lines that differ, committed ones first; how many outputs there are where that differs."""
    before, now = ("\n".join(map(str, values)).splitlines() for values in (expected, got))
    marked = [line for line in list(difflib.unified_diff(before, now, n=0, lineterm=""))[2:] if line[0] in "+-"]
    told = [("  expected  " if line[0] == "-" else "  got       ") + line[1:] for line in marked]
    if len(told) > MOST:
        told[MOST:] = [f"  and {len(told) - MOST} more lines"]
    number = f": {len(expected)} outputs expected, {len(got)} got" if len(expected) != len(got) else ""
    return "\n".join([number, *told])

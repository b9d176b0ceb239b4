"""A plugin of pytest for nbval: which cells of a notebook are compared, the same in every folder.

`--nbval` compares every output with the committed one where these were made: on a machine that rounds alike. On another
one numbers differ in their last digits, so that only cells with the tag nbval-check-output are compared, as with
`--nbval-lax`; one line says so. A notebook that does not say where it was made is compared whole.
"""

from typing import Any

import pytest

from .notebooks import HERE, machine, made_elsewhere

SANITIZE = HERE / "tests" / "nbval.cfg"
ELSEWHERE = "kdlab_elsewhere"  # of a worker of pytest-xdist: the notebooks that were made on another kind of machine


def pytest_configure(config: pytest.Config) -> None:
    """Let an explicit `--nbval` win over the `--nbval-lax` of pyproject.toml, and let kernels keep a history.

    Without a history a semicolon at the end of a cell would hide nothing, as it does where notebooks are read.
    """
    option = config.option
    if not hasattr(option, "nbval"):
        return  # nbval is not there
    option.nbval_lax = option.nbval_lax and not option.nbval
    if option.nbval_sanitize_with is None and SANITIZE.is_file():
        option.nbval_sanitize_with = str(SANITIZE)
    from nbval.kernel import RunningKernel

    RunningKernel.execute_cell_input = _with_history


def _with_history(self: Any, cell_input: str, allow_stdin: bool | None = None) -> str:
    """What nbval's kernel does, and the cell is kept in `In`."""
    return self.kc.execute(cell_input, allow_stdin=allow_stdin, stop_on_error=False)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Say of each cell whether its output is compared."""
    cells: list[Any] = [item for item in items if hasattr(item.parent, "skip_compare")]
    files = {cell.parent for cell in cells}
    elsewhere = {file for file in files if config.option.nbval and made_elsewhere(file.nb)}
    for cell in cells:
        # what libraries print on stderr differs from machine to machine
        cell.parent.skip_compare = tuple({*cell.parent.skip_compare, "stderr"})
        cell.output_timeout = 60  # seconds from the end of a cell to its output: on busy cores nbval's 5 are few
        if cell.parent in elsewhere:
            cell.options["check"] = _tagged(cell.cell)
    found = sorted({file.path.name for file in elsewhere})
    config.stash[FOUND] = found
    if hasattr(config, "workeroutput"):
        config.workeroutput[ELSEWHERE] = found


FOUND = pytest.StashKey[list[str]]()


def _tagged(cell: Any) -> bool:
    """Whether a cell itself asks to be compared."""
    from nbval.plugin import find_comment_markers, find_metadata_tags

    return bool({**dict(find_metadata_tags(cell.metadata)), **dict(find_comment_markers(cell.source))}.get("check"))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker of pytest-xdist found."""
    found = getattr(node, "workeroutput", {}).get(ELSEWHERE, [])
    node.config.stash[FOUND] = sorted({*node.config.stash.get(FOUND, []), *found})


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Say in one line that outputs were not compared."""
    if found := config.stash.get(FOUND, []):
        terminalreporter.write_line(
            f"{', '.join(found)}: made on another kind of machine than this ({machine()}): only cells with the tag "
            "nbval-check-output were compared"
        )

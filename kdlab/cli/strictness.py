"""A pytest plugin for nbval: it compares the same cells in every folder.

`--nbval` compares every output with the committed one where these were made: on a machine that rounds alike. On another
machine numbers differ in their last digits. There only cells with the tag nbval-check-output are compared, as with
`--nbval-lax`, and one line says so. A notebook that does not say where it was made is compared whole.
"""

from typing import Any

import pytest

from .notebooks import HERE, machine, made_elsewhere, read

SANITIZE = HERE / "tests" / "nbval.cfg"
OUTPUT_SECONDS = 60  # from the end of a cell to its output: nbval's 5 are few on busy cores


def pytest_configure(config: pytest.Config) -> None:
    """Let `--nbval` win over the `--nbval-lax` of pyproject.toml, and set defaults."""
    option = config.option
    if not hasattr(option, "nbval"):
        return  # nbval is not installed
    option.nbval_lax = option.nbval_lax and not option.nbval
    if option.nbval_sanitize_with is None and SANITIZE.is_file():
        option.nbval_sanitize_with = str(SANITIZE)
    from nbval.kernel import RunningKernel

    RunningKernel.execute_cell_input = _with_history


def _with_history(self: Any, cell_input: str, allow_stdin: bool | None = None) -> str:
    """Execute a cell as nbval does, but keep it in `In`.

    Without a history a semicolon at the end of a cell would not hide its value, as it does in JupyterLab.
    """
    return self.kc.execute(cell_input, allow_stdin=allow_stdin, stop_on_error=False)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Set for each cell whether its output is compared."""
    cells: list[Any] = [item for item in items if hasattr(item.parent, "skip_compare")]
    strict = config.option.nbval if cells else False
    elsewhere = {file for file in {cell.parent for cell in cells} if strict and made_elsewhere(file.nb)}
    for cell in cells:
        # what libraries print on stderr differs from machine to machine
        cell.parent.skip_compare = (*cell.parent.skip_compare, "stderr")
        cell.output_timeout = OUTPUT_SECONDS
        if cell.parent in elsewhere:
            from nbval.plugin import find_comment_markers, find_metadata_tags

            markers = [*find_metadata_tags(cell.cell.metadata), *find_comment_markers(cell.cell.source)]
            cell.options["check"] = bool(dict(markers).get("check"))  # what the cell itself asks for


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """Name the notebooks of which not every output was compared."""
    if not getattr(config.option, "nbval", False):
        return
    # from the reports, which workers of pytest-xdist send: the process that distributes the tests collects none
    reports = [report for group in terminalreporter.stats.values() for report in group if hasattr(report, "location")]
    paths = {config.rootpath / report.location[0] for report in reports}
    elsewhere = [path.name for path in sorted(paths) if path.suffix == ".ipynb" and made_elsewhere(read(path))]
    if elsewhere:
        terminalreporter.write_line(
            f"{', '.join(elsewhere)}: made on another kind of machine than this ({machine()}): only cells with the tag "
            "nbval-check-output were compared"
        )

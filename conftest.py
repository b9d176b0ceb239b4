"""Tests and notebooks run with runs and figures folders of their own and quiet kernels; unit tests on one thread.

With pytest-xdist (`-n`) every worker process has such folders, and its kernels run on one thread too.
"""

import contextlib
import gc
import os
import sys
import tempfile
from pathlib import Path

import pytest

# A container may forbid bytecode: a hundred processes of tests would compile the package, each worker all tests, anew
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

if "PYTEST_XDIST_WORKER" in os.environ:
    # read when torch is imported: on shared cores two threads make a step of a small network 20 to 80 times slower
    os.environ["OMP_NUM_THREADS"] = "1"


FIRST = (  # what takes longest, so that all cores end at about the same time
    "test_browser.py",
    ".ipynb",
    "test_run.py",
    "test_process.py",
    "test_notebooks_cells.py",
    "test_newcomer.py",
    "test_sweep.py",
    "test_gpu.py",
    "test_replication.py",
    "test_pairs_assembled.py",
    "test_identity.py",
    "test_restamping.py",
    "test_widgets.py",
    "test_study.py",
    "test_texts.py",
    "test_strictness.py",
)


def pytest_addoption(parser):
    parser.addoption(
        "--thorough", action="store_true", help="also what takes long and shows of every case what others show"
    )


def pytest_configure(config):
    config.addinivalue_line(
        "markers", "thorough: takes long; others show the same of one case of each kind (--thorough)"
    )
    config.option.maxworkerrestart = "0"  # what crashes a worker fails and ends the run: it would crash the next too
    config.option.loadscopereorder = False  # the order is that of `FIRST`, not of the number of tests
    config.pluginmanager.import_plugin("kdlab.cli.strictness")


OPEN = contextlib.ExitStack()  # what lasts as long as the tests


def pytest_sessionstart(session):
    distributes = getattr(session.config.option, "dist", "no") != "no" and not hasattr(session.config, "workerinput")
    if distributes:
        fork_kernels(session.config)
        return  # this process runs no tests
    gc.disable()  # until all tests are collected: what imports and collection make stays
    import torch

    from kdlab.cli.notebooks import quiet_kernels

    torch.set_num_threads(1)  # the networks of unit tests are too small to share
    # no fixture: the cells of a notebook ask for none
    folders = {f"KDLAB_{name}": OPEN.enter_context(tempfile.TemporaryDirectory()) for name in ("RUNS", "FIGURES")}
    # kernels on one thread, as those that made the committed outputs: others round otherwise
    OPEN.enter_context(quiet_kernels(**folders, OMP_NUM_THREADS="1"))
    fork_kernels(session.config)


def fork_kernels(config):
    """Let kernels be forks of one process, for all workers.

    The option --nbval-current-env would start what it always starts.
    """
    import forking

    if forking.SOCKET not in os.environ:
        OPEN.enter_context(forking.kernels(Path(OPEN.enter_context(tempfile.TemporaryDirectory()))))
    if forking.SOCKET in os.environ:
        config.option.nbval_current_env, config.option.nbval_kernel_name = False, "python3"


def pytest_sessionfinish(session):
    gc.unfreeze()  # libraries complain of what is never freed
    OPEN.close()


def pytest_collection_modifyitems(config, items):
    if is_brief(config):
        left_out = [item for item in items if item.get_closest_marker("thorough")]
        items[:] = [item for item in items if item not in left_out]
        config.hook.pytest_deselected(items=left_out)
    items.sort(key=lambda item: next((i for i, name in enumerate(FIRST) if item.path.name.endswith(name)), len(FIRST)))


def is_brief(config):
    """Thorough tests are left out: nobody wants all, or names a test."""
    return not (config.option.thorough or any("::" in str(each) for each in config.args))


def pytest_terminal_summary(terminalreporter, config):
    if is_brief(config):
        terminalreporter.write_line("thorough tests were left out: --thorough runs them, too")


def pytest_collection_finish():
    gc.freeze()  # a million objects of imports and tests stay; each full collection looks at them for half a second
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config):
    """One worker more than cores, as tests of browsers and processes wait now and then."""
    from xdist.plugin import pytest_xdist_auto_num_workers as count

    return count(config) + ("PYTEST_XDIST_AUTO_NUM_WORKERS" not in os.environ)  # the user's number is what it says


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling

    class WholeFiles(LoadScopeScheduling):
        """A file goes to one worker: the cells of a notebook in order, what its tests make once for all of them."""

        def _split_scope(self, nodeid):
            return nodeid.split("::")[0]

    return WholeFiles(config, log)

"""Tests and notebooks run with runs and figures folders of their own and quiet kernels; unit tests on one thread.

With pytest-xdist (`-n`) every worker process has such folders, and its kernels run on one thread too.
"""

import os

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:
    # read when torch is imported: on shared cores two threads make a step of a small network 20 to 80 times slower
    os.environ["OMP_NUM_THREADS"] = "1"


def pytest_configure(config):
    config.option.maxworkerrestart = "0"  # what crashes a worker fails and ends the run: it would crash the next too


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory):
    import torch  # here: the process that distributes the tests reads this file as well, and needs neither

    from kdlab.notebooks import quiet_kernels

    torch.set_num_threads(1)  # the networks of unit tests are too small to share; kernels without xdist share theirs
    folders = {f"KDLAB_{name}": str(tmp_path_factory.mktemp(name.lower())) for name in ("RUNS", "FIGURES")}
    with quiet_kernels(**folders):
        yield


def pytest_collection_modifyitems(items):
    for item in items:
        if hasattr(item.parent, "skip_compare"):  # a cell of a notebook
            # what libraries print on stderr differs from machine to machine
            item.parent.skip_compare = (*item.parent.skip_compare, "stderr")
            item.output_timeout = 60  # seconds from the end of a cell to its output: on busy cores nbval's 5 are few


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    from xdist.scheduler import LoadScopeScheduling

    class WholeNotebooks(LoadScopeScheduling):
        """The cells of a notebook stay together, in order; long notebooks go first, every test goes by itself."""

        def _split_scope(self, nodeid):
            file = nodeid.split("::")[0]
            return file if file.endswith(".ipynb") else nodeid

    return WholeNotebooks(config, log)

"""Tests and notebooks run with runs and figures folders of their own and quiet kernels; unit tests on one thread."""

import pytest
import torch

from kdlab.runner import quiet_kernels

torch.set_num_threads(
    1
)  # the networks of the unit tests are too small to share; kernels of notebooks take what they like


@pytest.fixture(scope="session", autouse=True)
def own_folders(tmp_path_factory):
    folders = {f"KDLAB_{name}": str(tmp_path_factory.mktemp(name.lower())) for name in ("RUNS", "FIGURES")}
    with quiet_kernels(**folders):
        yield


def pytest_collection_modifyitems(items):
    for item in items:  # what libraries print on stderr differs from machine to machine
        if hasattr(item.parent, "skip_compare"):
            item.parent.skip_compare = (*item.parent.skip_compare, "stderr")

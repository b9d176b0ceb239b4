"""What the tests of data share: nothing is read before a test, and a small data set of two classes."""

import pytest
from own_images import pets

from kdlab.data import load


@pytest.fixture(autouse=True)
def nothing_loaded():
    load.cache_clear()
    yield
    load.cache_clear()


@pytest.fixture
def root(tmp_path):
    return pets(tmp_path / "pets")

"""Large libraries are loaded without garbage collection, which goes on afterwards."""

import gc
import sys
from types import ModuleType

import pytest

from kdlab.core.loading import MANY, without_collection


@pytest.fixture(autouse=True)
def collected():
    """Nothing is frozen before a test, and what was frozen is so again after it."""
    frozen = gc.get_freeze_count()
    gc.unfreeze()
    yield
    gc.unfreeze()
    if frozen:
        gc.freeze()


def load(monkeypatch, count):
    for i in range(count):
        monkeypatch.setitem(sys.modules, f"loaded_{i}", ModuleType(f"loaded_{i}"))


@pytest.mark.parametrize("count, frozen", [(MANY, False), (MANY + 1, True)])
def test_what_a_large_library_made_is_not_looked_at_again(count, frozen, monkeypatch):
    with without_collection():
        assert not gc.isenabled()
        load(monkeypatch, count)
        with without_collection():
            assert not gc.isenabled()
        assert not gc.isenabled() and not gc.get_freeze_count(), "the block within leaves the rest to this one"
    assert gc.isenabled() and (gc.get_freeze_count() > 0) == frozen


def test_an_import_that_fails_leaves_collection_on():
    with pytest.raises(ImportError), without_collection():
        raise ImportError
    assert gc.isenabled()


def test_who_has_switched_collection_off_keeps_it_so(monkeypatch):
    gc.disable()
    try:
        with without_collection():
            load(monkeypatch, MANY + 1)
        assert not gc.isenabled() and not gc.get_freeze_count()
    finally:
        gc.enable()

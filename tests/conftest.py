"""What several tests need: an empty runs folder that keeps a checkpoint of every epoch, figures closed."""

import signal
import sys

import pytest


@pytest.fixture(autouse=True)
def closed_figures():
    """Figures of a test are closed after it: pyplot keeps them otherwise."""
    yield
    if plt := sys.modules.get("matplotlib.pyplot"):
        plt.close("all")


@pytest.fixture
def runs(tmp_path, monkeypatch):
    """An empty runs folder, and a checkpoint after every epoch."""
    from kdlab.engine import store  # here: the process that distributes the tests reads this file too

    monkeypatch.setenv("KDLAB_RUNS", str(tmp_path))
    monkeypatch.setattr(store, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(store, "CHECKPOINT_SHARE", float("inf"))
    return tmp_path


@pytest.fixture
def interrupts():
    """An interrupt raises KeyboardInterrupt, also in a process that runs in the background and would ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def small_files(tmp_path_factory):
    """CIFAR-10, CIFAR-100 and STL-10 with few images, and ImageNet weights that nobody trained."""
    import torch
    from test_sources import write_cifar, write_stl10
    from torchvision.datasets import CIFAR10, CIFAR100
    from torchvision.models import get_model, get_model_weights

    from kdlab.data import load

    root = tmp_path_factory.mktemp("published")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KDLAB_DATA", str(root))
        write_cifar(root, CIFAR10, patch, "labels", CIFAR10.meta, [f"c{i}" for i in range(10)])
        write_cifar(root, CIFAR100, patch, "fine_labels", CIFAR100.meta, [f"c{i}" for i in range(100)], rows=200)
        write_stl10(root, patch)
        patch.setattr(torch.hub, "get_dir", lambda: str(root / "hub"))
        url = get_model_weights("mobilenet_v2")["IMAGENET1K_V1"].url
        file = root / "hub" / "checkpoints" / url.rpartition("/")[2]
        file.parent.mkdir(parents=True)
        torch.save(get_model("mobilenet_v2").state_dict(), file)
        load.cache_clear()
        yield
        load.cache_clear()

"""What several tests need: an empty runs folder that keeps a checkpoint of every epoch, small files, cheap stages."""

import hashlib
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
    from genuine import write_cifar, write_stl10
    from torchvision.datasets import CIFAR10, CIFAR100
    from torchvision.models import get_model, get_model_weights

    from kdlab.data import load

    root = tmp_path_factory.mktemp("published")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KDLAB_DATA", str(root))
        names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
        write_cifar(root, CIFAR10, patch, "labels", CIFAR10.meta, names)
        write_cifar(root, CIFAR100, patch, "fine_labels", CIFAR100.meta, [f"c{i}" for i in range(100)], rows=200)
        write_stl10(root, patch)
        patch.setattr(torch.hub, "get_dir", lambda: str(root / "hub"))
        folder = root / "hub" / "checkpoints"
        folder.mkdir(parents=True)
        torch.save(get_model("mobilenet_v2").state_dict(), folder / "weights.pth")
        digest = hashlib.sha256((folder / "weights.pth").read_bytes()).hexdigest()
        (folder / "weights.pth").rename(folder / f"mobilenet_v2-{digest[:8]}.pth")
        weights = get_model_weights("mobilenet_v2")["IMAGENET1K_V1"].value
        patch.setattr(weights, "url", f"models/mobilenet_v2-{digest[:8]}.pth")
        load.cache_clear()
        yield
        load.cache_clear()


@pytest.fixture(scope="module")
def networks():
    """Networks that the runs of a module share, by what they are built from."""
    return {}


@pytest.fixture
def shared_stages(networks, monkeypatch):
    """A network is built once for all runs of a module, and keeps its layout: weights of large ones take long to write.

    For tests that only put runs together.
    """
    import torch

    from kdlab.experiment import setup

    build = setup.build_network

    def shared(config, images):
        key = (config.model, config.width, config.pretrained, config.normalise, images.classes, images.mean)
        if key not in networks:
            networks[key] = build(config, images)
        return networks[key]

    monkeypatch.setattr(setup, "build_network", shared)
    monkeypatch.setattr(setup, "layout", lambda *_: torch.contiguous_format)


@pytest.fixture
def figures(tmp_path, monkeypatch):
    """No evidence."""
    monkeypatch.setenv("KDLAB_FIGURES", str(tmp_path / "figures"))

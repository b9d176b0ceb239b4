"""Data sets in their own file formats: genuine files written here, and the real ones where they are present."""

import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from genuine import write_idx
from torchvision.datasets import MNIST

from kdlab.core.errors import Error
from kdlab.data import load, split


@pytest.fixture
def data_root(tmp_path, monkeypatch):
    monkeypatch.setenv("KDLAB_DATA", str(tmp_path))
    load.cache_clear()
    yield tmp_path
    load.cache_clear()


def test_mnist_files(data_root):
    draw = np.random.default_rng(0)
    written = {}
    for part, count in (("train", 40), ("t10k", 20)):
        images, labels = (
            draw.integers(0, 256, (count, 28, 28), dtype=np.uint8),
            (np.arange(count) % 10).astype(np.uint8),
        )
        write_idx(data_root / f"MNIST/raw/{part}-images-idx3-ubyte", images)
        write_idx(data_root / f"MNIST/raw/{part}-labels-idx1-ubyte", labels)
        written[part] = images, labels
    mnist = load("mnist")
    assert (mnist.train_x[:, 0].numpy() == written["train"][0]).all() and mnist.test_y.tolist() == written["t10k"][
        1
    ].tolist()
    assert mnist.mean == (0.1307,) and mnist.style == "digits" and split(mnist, 10).labelled.numel() == 10
    for labels in (np.full(40, 200, np.uint8), np.zeros(39, np.uint8)):  # of no class, one too few
        write_idx(data_root / "MNIST/raw/train-labels-idx1-ubyte", labels)
        load.cache_clear()
        with pytest.raises(Error, match="the MNIST files in .*raw have labels that do not fit"):
            load("mnist")


def test_mnist_that_is_not_there(data_root, monkeypatch):
    import torchvision.datasets.mnist as reader

    def offline(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr(reader, "download_and_extract_archive", offline)
    with pytest.raises(Error, match="MNIST is not under .* set KDLAB_DATA"):
        load("mnist")


class Halves(BaseHTTPRequestHandler):
    """Promises a thousand bytes, sends five hundred, and closes."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.end_headers()
        self.wfile.write(bytes(500))

    def log_message(self, *_):
        pass


def test_a_download_that_stops_half_way_leaves_nothing(data_root, monkeypatch):
    with ThreadingHTTPServer(("127.0.0.1", 0), Halves) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(MNIST, "mirrors", [f"http://127.0.0.1:{server.server_port}/"])
        with pytest.raises(Error, match="MNIST is not under .* and could not be downloaded: put its files into"):
            load("mnist")
        server.shutdown()
    assert not [file for file in data_root.rglob("*") if file.is_file()]


@pytest.mark.skipif(
    not (Path(os.environ.get("KDLAB_DATA", "data")) / "MNIST" / "raw").is_dir(), reason="no MNIST under KDLAB_DATA"
)
def test_real_mnist():
    mnist = load("mnist")
    assert mnist.train_x.shape == (60_000, 1, 28, 28) and mnist.test_y[:5].tolist() == [7, 2, 1, 0, 4]
    pixels = mnist.train_x.double() / 255
    assert round(pixels.mean().item(), 4) == mnist.mean[0] and round(pixels.std().item(), 4) == mnist.std[0]

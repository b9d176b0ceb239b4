"""Rows that are kept by image: what was never written, half written, flipped or cut is never given out as whole."""

import errno
import os
import threading
import warnings

import numpy as np
import pytest
import torch

from kdlab import Error
from kdlab.data import KeptRows, cache
from kdlab.data.by_image import _check

ROWS, WIDTH = 7, 5
VALUES = torch.arange(ROWS * WIDTH, dtype=torch.float32).view(ROWS, WIDTH) - 3


def table(folder):
    return KeptRows(folder / "set_train-8-0123456789ab-0123456789abcdef.npy", ROWS, WIDTH)


def written(folder, rows):
    kept, rows = table(folder), torch.tensor(rows)
    with kept.lock("testing"):
        kept.write(rows, VALUES[rows])
    return kept


def place(kept, row):
    """Where a row begins in the file."""
    return kept.path.stat().st_size - (ROWS - row) * kept.row.itemsize


def test_rows_come_back_in_the_order_that_is_asked_and_others_are_missing(tmp_path):
    wanted = torch.tensor([4, 0, 4, 6])
    assert not table(tmp_path).read(wanted)[1].any()
    written(tmp_path, [4, 6])
    values, there = table(tmp_path).read(wanted)
    assert there.tolist() == [True, False, True, True]
    assert torch.equal(values[there], VALUES[wanted[there]])


@pytest.mark.parametrize("byte", [0, 4 * WIDTH - 1, 4 * WIDTH])
def test_a_flipped_byte_is_noticed_at_any_time(byte, tmp_path):
    kept = written(tmp_path, range(ROWS))
    assert kept.read(torch.arange(ROWS))[1].all()
    with kept.path.open("r+b") as file:
        file.seek(place(kept, 3) + byte)
        (before,) = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([before ^ 8]))
    with pytest.warns(UserWarning, match="1 rows of .* are damaged: they are computed anew"):
        there = kept.read(torch.arange(ROWS))[1]
    assert there.tolist() == [row != 3 for row in range(ROWS)]


def test_a_row_in_the_place_of_another_does_not_count(tmp_path):
    kept = written(tmp_path, [1, 2])
    content = bytearray(kept.path.read_bytes())
    first, second, length = place(kept, 1), place(kept, 2), kept.row.itemsize
    content[first : first + length] = content[second : second + length]
    kept.path.write_bytes(content)
    with pytest.warns(UserWarning, match="damaged"):
        assert table(tmp_path).read(torch.tensor([1, 2]))[1].tolist() == [False, True]


def test_a_process_that_is_killed_within_a_row_leaves_none(tmp_path):
    kept = written(tmp_path, [0])
    with kept.path.open("r+b") as file:
        file.seek(place(kept, 1))
        file.write(VALUES[1].numpy().tobytes())
    assert table(tmp_path).read(torch.tensor([0, 1]))[1].tolist() == [True, False]


@pytest.mark.parametrize("left", [0, 10, 100, 140])
@pytest.mark.parametrize("mapped", [False, True])
def test_a_file_that_was_cut_is_begun_anew(left, mapped, tmp_path):
    kept = written(tmp_path, range(ROWS))
    os.truncate(kept.path, min(left, kept.path.stat().st_size - 1))
    kept = kept if mapped else table(tmp_path)
    with pytest.warns(UserWarning, match="is damaged"):
        assert not kept.read(torch.arange(ROWS))[1].any()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        written(tmp_path, [2])
    assert kept.read(torch.tensor([2]))[1].all()


def test_a_file_that_another_process_began_anew_is_read(tmp_path):
    kept = written(tmp_path, [1])
    assert kept.read(torch.tensor([1]))[1].all()
    assert cache.OURS.fullmatch(kept.path.name), "kdlab data clear knows it"
    table(tmp_path).forget()
    assert not kept.read(torch.tensor([1]))[1].any()
    written(tmp_path, [2])
    assert kept.read(torch.tensor([1, 2]))[1].tolist() == [False, True]


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(np.lib.format, "open_memmap", full)
    with pytest.raises(Error, match="has no room for 0 MB of features: make room .* or set KDLAB_CACHE"):
        written(tmp_path, [1])


def test_one_process_writes_at_a_time(tmp_path):
    inside = threading.Event()

    def hold():
        with table(tmp_path).lock("testing"):
            inside.set()

    thread = threading.Thread(target=hold)
    with table(tmp_path).lock("testing"):
        thread.start()
        assert not inside.wait(0.2)
    thread.join()
    assert inside.is_set()


def test_no_row_has_the_checksum_of_an_empty_one():
    assert all(_check(row, np.zeros(WIDTH, np.float32)) for row in range(1000))

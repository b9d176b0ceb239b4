"""Files are replaced whole, by several processes at a time, and nothing is left of what failed."""

import os
import stat
import threading

import pytest

from kdlab.core.output import replacing, write_bytes, write_text


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "table.csv"
    write_text(path, "old\n")

    def fill():
        with replacing(path) as temporary:
            temporary.write_text("half")
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        fill()
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(os.name == "nt", reason="permissions are POSIX")
def test_the_umask_decides_who_reads(tmp_path):
    def write(path):  # as safetensors does: a private file of its own
        with replacing(path) as temporary:
            temporary.unlink()
            temporary.touch(0o600)

    before = os.umask(0o027)
    try:
        write(tmp_path / "weights")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "weights").stat().st_mode) == 0o640


def test_several_write_one_file(tmp_path):
    path, contents = tmp_path / "figure.png", set()
    texts = [bytes([65 + i]) * 100_000 for i in range(4)]
    threads = [
        threading.Thread(target=lambda text=text: [write_bytes(path, text) for _ in range(20)]) for text in texts
    ]
    [thread.start() for thread in threads]
    while any(thread.is_alive() for thread in threads):
        if path.exists():
            contents.add(path.read_bytes())
    [thread.join() for thread in threads]
    assert contents <= set(texts)
    assert list(tmp_path.iterdir()) == [path]

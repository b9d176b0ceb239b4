"""What a step frees is there for the next one."""

import os
import platform
import subprocess
import sys

import pytest

STEPS = """
import resource, torch
from kdlab.core.memory import keep_freed
torch.set_num_threads(1)
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        blocks = [torch.ones(7 << 20) for _ in range(3)]  # 84 MB, 21,000 pages
        del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
before = faults()
keep_freed()
faults()
print(before, faults())
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_freed_memory_is_not_asked_for_again():
    surely = os.environ | {"MALLOC_MMAP_THRESHOLD_": str(1 << 20)}  # else glibc may happen to keep it at first as well
    done = subprocess.run([sys.executable, "-c", STEPS], env=surely, capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert after < 21_000 < before, "less than one of ten steps asks again, several did before"

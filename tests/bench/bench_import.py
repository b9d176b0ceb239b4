"""Cost of `import kdlab` beside `import torch, torchvision`: fresh processes, interleaved, median of the rounds.

python tests/bench/bench_import.py
"""

import subprocess
import sys
import time
from statistics import median

WAYS = {
    "import torch, torchvision": "import torch, torchvision",
    "import kdlab": "import kdlab",
    "kdlab.Config and kdlab.run used": "from kdlab import Config, run; Config()",
}


def seconds(code: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.perf_counter() - began


rounds = [{name: seconds(code) for name, code in WAYS.items()} for _ in range(6)][1:]
base = median(r["import torch, torchvision"] for r in rounds)
for name in WAYS:
    took = median(r[name] for r in rounds)
    print(f"{name:34} {took:5.2f} s   ratio {took / base:.2f}")

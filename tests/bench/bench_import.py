"""CPU time of kdlab's starts beside `import torch`: fresh processes, interleaved, median of the rounds.

python tests/bench/bench_import.py
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

RUN = "from kdlab import Config, run; run(Config(epochs=1, steps=2, size=8), fresh={})"
WAYS = {
    "import torch": ["-c", "import torch"],
    "import torch, torchvision": ["-c", "import torch, torchvision"],
    "import kdlab": ["-c", "import kdlab"],
    "kdlab.Config and kdlab.run used": ["-c", "from kdlab import Config, run; Config()"],
    "kdlab methods": ["-m", "kdlab", "methods"],
    "kdlab table": ["-m", "kdlab", "table"],
    "a stored run": ["-c", RUN.format(False)],
    "a new run of two steps": ["-c", RUN.format(True)],
}


def seconds(arguments: list[str], runs: Path) -> float:
    before = os.times()
    environment = {**os.environ, "KDLAB_RUNS": str(runs), "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=environment)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


with tempfile.TemporaryDirectory() as folder:
    seconds(WAYS["a new run of two steps"], Path(folder))
    rounds = [{name: seconds(way, Path(folder)) for name, way in WAYS.items()} for _ in range(4)][1:]
base = median(r["import torch"] for r in rounds)
for name in WAYS:
    took = median(r[name] for r in rounds)
    print(f"{name:34} {took:5.2f} s   ratio {took / base:.2f}")

"""Explorers in JupyterLab: seconds from opening a notebook to its first picture, milliseconds from a key to the next.

    python tests/bench/bench_explorers.py [WORD ...]     a table in Markdown; with words, of what has one in its name

Every notebook with explorers at its smallest budget, and each explorer of the gallery in a notebook of its own, whose
runs are trained before. An explorer is moved twenty times by the keyboard, by its first control that gives another
picture; the time ends when that picture is decoded. On cores that do nothing else; explorers are to take 150 ms.
"""

import sys
import tempfile
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))

import browsing

from kdlab import run
from kdlab.core.places import environment
from kdlab.widgets.gallery import CONFIGS, EXPLORERS

MOVES = 20
HEAD = "| notebook | first picture, s | explorer | pictures | median, ms | slowest, ms |\n|---|---:|---|---:|---:|---:|"


def wanted(name):
    """Whether the command line asks for it."""
    return len(sys.argv) < 2 or any(word in name for word in sys.argv[1:])


def written(folder):
    """The notebooks to open, by name: copies of those of the project, and one for each explorer of the gallery."""
    notebooks = {path.stem: browsing.copy(path, folder) for path in browsing.with_explorers() if wanted(path.stem)}
    for i, name in enumerate(filter(wanted, EXPLORERS)):
        opening = f"import kdlab\n\nkdlab.widgets.gallery({name!r})"
        notebooks[f"gallery: {name}"] = browsing.write(folder / f"gallery-{i}.ipynb", opening)
    return notebooks


def measure(browser, address, name, path):
    """The rows of a notebook."""
    notebook = browsing.Lab(browser, address, path.name)
    notebook.run_all()
    first = notebook.first_picture()
    notebook.wait()
    assert not notebook.failures(), notebook.failures()
    for explorer in notebook.explorers():
        control = explorer.try_controls()
        times = [time for _ in range(MOVES) if (time := explorer.move(control)) is not None]
        print(f"| {name} | {first:.1f} | {explorer.name} | {len(times)} | {median(times):.0f} | {max(times):.0f} |")
    if not notebook.explorers():
        print(f"| {name} | {first:.1f} | | | | |")
    sys.stdout.flush()
    notebook.page.close()
    browsing.stop_kernels(address)


def main():
    with tempfile.TemporaryDirectory() as directory:
        folder, lab = Path(directory, "notebooks"), Path(directory, "lab")
        folder.mkdir()
        lab.mkdir()
        with environment(KDLAB_RUNS=str(lab / "runs"), KDLAB_PROGRESS="0"):
            for config in CONFIGS.values():
                run(config)
        print(HEAD, flush=True)
        with browsing.chromium(Path(directory, "profile")) as browser, browsing.jupyterlab(lab, folder) as address:
            for name, path in written(folder).items():
                measure(browser, address, name, path)


if __name__ == "__main__":
    main()

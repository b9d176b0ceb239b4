"""A finished run: numbers, and on demand networks, log and further metrics."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn

from ..core.errors import Error, known, machine_errors, unknown
from ..data import Images, ImageSet, Normalise
from ..experiment.config import Config
from ..experiment.setup import PARTS, Setup, assemble, build_network
from ..metrics import METRICS, classifies, confusion, distinct, evaluate, extract
from ..models import Features, Network
from .identity import metric_code
from .reading import load_into, read_log
from .store import RunFolder

if TYPE_CHECKING:  # it takes a while to load, and most results are not read as a table
    import pandas as pd


@dataclass(frozen=True)
class Result:
    """A finished run: config, folder, and numbers by column.

    Columns are "test/accuracy", "val/ece", "seconds", ... `result["test/nll"]` gives a column; a metric that the
    run did not compute by itself is computed from its weights. `chain` holds the images of the run and of what it
    stands on, by data set and size.
    """

    config: Config
    folder: Path
    chain: Images = field(repr=False)
    metrics: dict[str, Any] = field(repr=False)

    def __getitem__(self, column: str) -> Any:
        if column not in self.metrics and not self._family(column):
            self.metrics.update(self.measure([column]))
        return self.metrics[column] if column in self.metrics else self._family(column)

    def _family(self, column: str) -> dict[str, Any]:
        """Return the columns under another: {"1": ..., "2": ...} for "test/branch"."""
        return {c.removeprefix(f"{column}/"): v for c, v in self.metrics.items() if c.startswith(f"{column}/")}

    def measure(self, columns: Iterable[str]) -> dict[str, float]:
        """Compute metrics of the trained network: `measure(["test/knn", "train/ece"])`."""
        setup, numbers = self.setup(), {}
        with machine_errors(self.folder), setup.cached():
            for column in columns:
                part, _, name = column.partition("/")
                if not name:
                    known("column", column, [*self.metrics, *(f"{p}/{m}" for p in PARTS for m in METRICS)])
                if part not in PARTS:
                    raise Error(f"{unknown('part', part, PARTS)}; columns by epoch, such as losses, are in log()")
                metric = known("metric", name.partition("/")[0], METRICS)
                new = evaluate(setup, part, [metric])
                if column not in new and not any(c.startswith(f"{column}/") for c in new):
                    raise Error(f"{column} cannot be measured on {self.folder.name}: {self._why(setup, part, metric)}")
                numbers |= new
        return numbers

    @staticmethod
    def _why(setup: Setup, part: str, metric: str) -> str:
        if not len(setup.part(part)[1]):
            return f"the run has no {'labelled training' if part == 'train' else part} images"
        if not METRICS[metric].suits(setup.method):
            fitting = ", ".join(name for name, m in METRICS.items() if m.suits(setup.method))
            return f"of method {setup.config.method!r} there are {fitting}"
        return f"{metric} gave no such number"

    def confusion(self, part: str = "test") -> "pd.DataFrame":
        """Count images by true class, a row each, and predicted class, a column each.

        Class names as in "test/per_class": where several share one, with their numbers.
        """
        import pandas as pd

        setup = self.setup(teacher=False)
        y = setup.part(part)[1]
        if not len(y) or not classifies(setup.method):
            why = self._why(setup, part, "per_class")
            raise Error(f"{part} confusion cannot be measured on {self.folder.name}: {why}")
        names = distinct(setup.images.classes)
        rows, columns = (pd.Index(names, name=f"{which} class") for which in ("true", "predicted"))
        return pd.DataFrame(confusion(setup.features(part).logits, y).numpy(), rows, columns)

    @property
    def images(self) -> ImageSet:
        """The data set of the run, at its image size."""
        return self.chain[self.config.dataset, self.config.size]

    def setup(self, teacher: bool = True) -> Setup:
        """Assemble the run with its trained network and parts, and its trained teacher."""
        setup = assemble(self.config, self.chain)
        folder = RunFolder(self.config, self.chain, self.folder.parent)
        runs = {"result.config": (setup, folder)}
        if teacher and "teacher" in setup.nested:
            runs["result.config.teacher"] = setup.nested["teacher"], folder.stages["teacher"]
        for config, (untrained_setup, stored) in runs.items():
            with machine_errors(stored.path):
                if stored.result() is None:
                    raise Error(f"{stored.path.name} is gone, or a part of it: kdlab.run({config}) brings it back")
                stored.load_weights(*untrained_setup.foundation)
            untrained_setup.method.eval()
        return setup

    def network(self, trained: bool = True) -> Network:
        """Return the trained network, or the untrained one; on the CPU, in eval mode.

        The untrained one is that which training starts from without `init`.
        """
        images, first = (self.chain[each.dataset, each.size] for each in (self.config, self.config.start))
        net = build_network(self.config, images, first)
        if trained:
            with machine_errors(self.folder):
                load_into(net, self.folder / "weights.safetensors")
        return net.eval()

    def parts(self) -> dict[str, nn.Module]:
        """Return the heads and branches that the method kept; on the CPU, in eval mode."""
        return {name: part.cpu() for name, part in self.setup(teacher=False).method.parts.items()}

    def test_features(self, trained: bool = True) -> Features:
        """Compute pooled features and logits of the test images, in their order."""
        net = self.network(trained)
        return extract(net, self.images.test_x, Normalise(net.mean, net.std))

    def log(self) -> "pd.DataFrame":
        """Read the log, a row an epoch.

        Columns are loss, loss/TERM, lr, val/METRIC, train/DIAGNOSTIC, seconds.
        """
        import pandas as pd

        with machine_errors(self.folder):
            lines = read_log(self.folder)
        text = "".join(f"{json.dumps(line)}\n" for line in lines)
        return pd.read_json(StringIO(text), lines=True) if lines else pd.DataFrame()  # a run of 0 epochs has none


def trusted(stored: dict[str, Any], now: dict[str, str] | None = None) -> dict[str, Any]:
    """Drop columns of metrics that compute something else today."""
    then, now = stored.get("code", {}).get("metrics", {}), now or metric_code()
    changed = {name for name in now if then.get(name) != now[name]}
    return {c: value for c, value in stored.items() if not (c.count("/") and c.split("/")[1] in changed)}

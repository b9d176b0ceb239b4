"""A gallery of all explorers, on small runs that are trained at their first use."""

from collections.abc import Mapping
from html import escape
from typing import Any

import ipywidgets

from ..core.errors import Error, known
from ..engine.result import Result
from ..engine.run import run
from ..experiment.config import Config
from ..plots.style import visible
from .frame import EXPLORERS, Explorer, Shown

SMALL = {"dataset": "digits", "labels": 50, "size": 10, "width": 0.25, "steps": 10, "epochs": 10}
TEACHER = Config(**SMALL, model="resnet18", batch=64, lr=1e-2)
CONFIGS = {
    "teacher": TEACHER,
    "simclr": Config(**SMALL, method="simclr", model="resnet18", batch=64, lr=1.6e-2),
    "student": Config(**SMALL, method="litenet_ssd", model="litenet_dsc", teacher=TEACHER, batch=16, lr=3e-2),
    "lsskd": Config(
        dataset="digits",
        labels=50,
        model="resnet8",
        width=0.5,
        steps=10,
        epochs=12,
        method="lsskd",
        lr=1.6e-2,
        batch=10,
    ),
}
TITLE = (
    "<h2>kdlab: explorers</h2>Pictures that move with a control, of how small image classifiers learn from few labels: "
    "what a teacher adds, what images without labels add, and how much several seeds can say. Choose one, guess, move."
)
WIDE = {"width": "560px", "max_width": "100%"}


class Gallery(Shown):
    """A list of explorers and the one that is chosen."""

    def __init__(self, runs: Mapping[str, Result], chosen: str) -> None:
        self.runs, self.made = runs, dict[str, Shown]()
        titles = sorted(EXPLORERS, key=lambda title: EXPLORERS[title].chapter)
        options = [(f"{title} ({EXPLORERS[title].chapter})", title) for title in titles]
        self.choice = ipywidgets.Dropdown(options=options, value=chosen, description="explorer", layout=WIDE)
        self.place = ipywidgets.VBox()
        self.choice.observe(self.show, "value")
        super().__init__([ipywidgets.HTML(TITLE), self.choice, self.place])
        self.show()

    @property
    def shown(self) -> Shown:
        """The explorer that is chosen, made when it is first asked for."""
        name = str(self.choice.value)
        if name not in self.made:
            entry, subjects, codes = EXPLORERS[name], list[Any](), list[str]()
            for subject in entry.subjects:
                role, dot, attribute = subject.partition(".")
                result = self.runs[role] if role in self.runs else small_run(role)
                subjects.append(getattr(result, attribute) if attribute else result)
                # Runs that were given are called as they were given
                variable = role if role in self.runs else f"kdlab.widgets.small_run({role!r})"
                codes.append(f"{variable}{dot}{attribute}")
            self.made[name] = made = entry.make(*subjects)
            if isinstance(made, Explorer) and codes:
                made.stands_on(", ".join(codes))
        return self.made[name]

    @property
    def png(self) -> bytes:
        """Its picture."""
        return self.shown.png

    @property
    def code(self) -> str:
        """The line that opens the gallery at it."""
        return f"kdlab.widgets.gallery({self.choice.value!r})"

    def show(self, change: object = None) -> None:
        """Open the chosen explorer; it is made once."""
        self.place.children = [ipywidgets.HTML("one moment: networks are trained ...")]
        try:
            self.place.children = [self.shown]
        except Error as error:
            self.place.children = [ipywidgets.HTML(f"<i>{escape(visible(str(error)))}</i>")]


def small_run(role: str) -> Result:
    """Return a small run of the gallery by role, trained at its first use in seconds."""
    return run(CONFIGS[known("run of the gallery", role, CONFIGS)])


def gallery(chosen: str = "contrast and collapse on a circle", **runs: Result) -> Gallery:
    """Show all explorers, to choose from a list.

    `runs` are runs of your own to look at: `teacher` and `student` of the digits (the student by litenet_ssd), `simclr`
    and `lsskd`. Those that are not given are trained small when an explorer first needs them, in seconds.
    """
    known("explorer", chosen, EXPLORERS)
    for role in runs:
        known("run of the gallery", role, CONFIGS)
    return Gallery(runs, chosen)

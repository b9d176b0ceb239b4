"""All explorers in one place, each made when it is opened, on small runs that are trained at their first use."""

from collections.abc import Callable, Mapping
from html import escape

import ipywidgets

from ..core.errors import Error, known
from ..engine.result import Result
from ..engine.run import run
from ..experiment.config import Config
from ..plots.texts import visible
from ..studies import STUDIES
from .augmentation import augmentation
from .browse import browse
from .budgets import budgets
from .circle import circle
from .drawing import draw_digit
from .embedding import embedding
from .feature_maps import feature_maps
from .frame import Explorer, Shown
from .pseudo_labels import pseudo_labels
from .ramp import ramp
from .seeds import seeds
from .similarity import similarity
from .targets import targets
from .temperature import temperature
from .training import training

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
TEACHERS = "student of the SimCLR teacher", "student of the labels-only teacher"  # compared in the tour, seed by seed
GAIN = "gain by a SimCLR teacher, points"
TITLE = (
    "<h2>kdlab: explorers</h2>Pictures that move with a control, of how small image classifiers learn from few labels: "
    "what a teacher adds, what images without labels add, and how much several seeds can say. Choose one, guess, move."
)
WIDE = {"width": "430px", "max_width": "100%"}
Made = Callable[[Callable[[str], Result]], Shown]
EXPLORERS: dict[str, Made] = {
    "contrast and collapse on a circle": lambda of: circle(),
    "seeds against interval": lambda of: seeds(STUDIES["tour"]().differences(*TEACHERS).tolist(), label=GAIN),
    "augmentation": lambda of: augmentation(of("teacher").images),
    "similarity matrix of a batch": lambda of: similarity(of("simclr")),
    "map of the features": lambda of: embedding(of("simclr")),
    "temperature and soft targets": lambda of: temperature(of("teacher"), of("student")),
    "pseudo-labels and their threshold": lambda of: pseudo_labels(of("student")),
    "feature maps and the adapter": lambda of: feature_maps(of("student")),
    "ramps and early stopping": lambda of: ramp(of("teacher")),
    "joint labels and softened targets": lambda of: targets(of("lsskd")),
    "labels and wrong labels against accuracy": lambda of: budgets(),
    "draw a digit": lambda of: draw_digit(of("teacher"), of("student")),
    "all runs": lambda of: browse(),
    "train, live": lambda of: training(CONFIGS["student"]),
}
# What an explorer is made of here, as code: runs by their role
SUBJECTS = {
    "seeds against interval": f'kdlab.STUDIES["tour"]().differences{TEACHERS}',
    "augmentation": "{teacher}.images",
    "similarity matrix of a batch": "{simclr}",
    "map of the features": "{simclr}",
    "temperature and soft targets": "{teacher}, {student}",
    "pseudo-labels and their threshold": "{student}",
    "feature maps and the adapter": "{student}",
    "ramps and early stopping": "{teacher}",
    "joint labels and softened targets": "{lsskd}",
    "draw a digit": "{teacher}, {student}",
}


class Gallery(Shown):
    """A list of explorers and the one that is chosen."""

    def __init__(self, runs: Mapping[str, Result], chosen: str) -> None:
        self.runs, self.made = runs, dict[str, Shown]()
        self.choice = ipywidgets.Dropdown(options=list(EXPLORERS), value=chosen, description="explorer", layout=WIDE)
        self.place = ipywidgets.VBox()
        self.choice.observe(self.show, "value")
        super().__init__([ipywidgets.HTML(TITLE), self.choice, self.place])
        self.show()

    @property
    def shown(self) -> Shown:
        """The explorer that is chosen, made when it is first asked for."""
        name = str(self.choice.value)
        if name not in self.made:
            self.made[name] = made = EXPLORERS[name](self._run_of)
            if isinstance(made, Explorer) and name in SUBJECTS:
                made.stands_on(SUBJECTS[name].format(**{role: self._code_of(role) for role in CONFIGS}))
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

    def _run_of(self, role: str) -> Result:
        return self.runs[role] if role in self.runs else small_run(role)

    def _code_of(self, role: str) -> str:
        """What a run is called in a line of code; those that were given by the names that they were given by."""
        return role if role in self.runs else f"kdlab.widgets.small_run({role!r})"


def small_run(role: str) -> Result:
    """One of the small runs that explorers of the gallery stand on, by role; trained at its first use, in seconds."""
    return run(CONFIGS[known("run of the gallery", role, CONFIGS)])


def gallery(chosen: str = "contrast and collapse on a circle", **runs: Result) -> Gallery:
    """All explorers, to choose from a list.

    `runs` are runs of your own to look at: `teacher` and `student` of the digits (the student by litenet_ssd), `simclr`
    and `lsskd`. Those that are not given are trained small when an explorer first needs them, in seconds.
    """
    known("explorer", chosen, EXPLORERS)
    for role in runs:
        known("run of the gallery", role, CONFIGS)
    return Gallery(runs, chosen)

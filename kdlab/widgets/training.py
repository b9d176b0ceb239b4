"""A live panel: start, pause and stop a run, and see its curves while it trains."""

import asyncio
from html import escape

import ipywidgets

from ..core.errors import Error
from ..engine.process import process_of
from ..engine.reading import log_lines
from ..engine.result import Result
from ..engine.run import run
from ..experiment.config import Config
from ..metrics import monitored
from ..plots.explorers import is_number, plot_training
from ..plots.style import visible
from .frame import PICTURE, Shown, in_gallery, show
from .gallery import CONFIGS

EVERY = 0.5  # seconds between two looks


class Panel(Shown):
    """Buttons, a bar and curves of one run; its teacher runs are trained first.

    The run is that of `kdlab.run(config)`: it trains in a process of its own, goes on from its checkpoints, and when
    it is done `result` has it. All panels of a notebook on one run move one process; that of another notebook waits
    until this one ends. `tick` looks at the run's folder once.
    """

    def __init__(self, config: Config) -> None:
        self.config, self.process = config, process_of(config)
        self.folders = self.process.folders
        self.watching: asyncio.Task[None] | None = None
        self.buttons = {name: ipywidgets.Button(description=name) for name in ("start", "pause", "stop")}
        for name, button in self.buttons.items():
            button.on_click(getattr(self, name))
        self.bar, self.message = ipywidgets.IntProgress(layout={"width": "60%"}), ipywidgets.HTML()
        self.image = ipywidgets.Image(**PICTURE)
        self.drawn: object = None  # what the picture shows
        super().__init__([ipywidgets.HBox([*self.buttons.values()]), self.bar, self.message, self.image])
        self._watch()

    @property
    def result(self) -> Result:
        """The finished run."""
        if self.folders[-1].result() is None:
            raise Error("this run is not done: start it, and wait until the bar is full")
        return run(self.config)

    @property
    def code(self) -> str:
        """The line that makes this panel."""
        return "kdlab.widgets.training(config)"

    def start(self, button: object = None) -> None:
        """Train, or go on after a pause."""
        if self.process.paused:
            self.process.go_on()
        self.process.start()  # which does nothing where it trains
        self._watch()

    def pause(self, button: object = None) -> None:
        """Hold still."""
        self.process.pause()
        self.tick()

    def stop(self, button: object = None) -> None:
        """End the process; `start` goes on from the last checkpoint."""
        self.process.stop()
        self.tick()

    def _watch(self) -> None:
        """Look again and again while it trains, between the cells of the notebook."""
        self.tick()
        if self.watching is None or self.watching.done():
            try:
                self.watching = asyncio.get_running_loop().create_task(self._look())
            except RuntimeError:  # no kernel: who called looks by itself
                self.watching = None

    async def _look(self) -> None:
        while self.tick() and self.comm is not None:  # until it is done, or closed
            await asyncio.sleep(EVERY)

    def tick(self) -> bool:
        """Show how it stands, or why that cannot be known; whether there is more to come."""
        try:
            return self._show()
        except (Error, OSError) as error:  # somebody has changed, or closed, its folder
            self.message.value = f"<i>{escape(visible(str(error)))}</i>"
            return False

    def _show(self) -> bool:
        alive = self.process.alive
        paused = alive and self.process.paused
        now = next((folder for folder in self.folders if folder.result() is None), self.folders[-1])
        log, config, done = log_lines(now.path), now.config, now.result() is not None
        if done and paused:  # another process was faster
            self.process.go_on()
        self.bar.max, self.bar.value = max(1, config.epochs), config.epochs if done else len(log)
        stage = f"{config.method} {config.model}, seed {config.seed}"
        if len(self.folders) > 1:
            stage += f" ({self.folders.index(now) + 1} of {len(self.folders)} runs)"
        elsewhere = not done and self.process.elsewhere
        state = (
            "done"
            if done
            else self.process.failure
            or (
                "paused"
                if paused
                else "waiting for another process, which trains it or pauses"
                if alive and elsewhere
                else "training"
                if alive
                else "trained by another process"
                if elsewhere
                else "stopped"
                if log
                else "not started"
            )
        )
        seconds = [line["seconds"] for line in log[-5:] if is_number(line.get("seconds"))]
        recent = seconds if alive and not paused else []
        left = f", about {sum(recent) / len(recent) * (config.epochs - len(log)):.0f} s left" if recent else ""
        epoch = f"epoch {self.bar.value} of {config.epochs}{left}"
        self.message.value = f"<b>{escape(visible(state))}</b>: {escape(visible(stage))}, {epoch}"
        self.buttons["start"].disabled = done or (alive and not paused)
        self.buttons["pause"].disabled, self.buttons["stop"].disabled = not alive or paused, not alive
        if self.drawn != (content := (now.path, len(log))):
            show(plot_training(log, config.epochs, f"val/{monitored(config)}"), self.image)
            self.drawn = content
        return not done


@in_gallery("train, live", "08_explorers")
def training(config: Config | None = None) -> Panel:
    """Show a panel that trains a run, the gallery's small student say, and its curves."""
    return Panel(config or CONFIGS["student"])

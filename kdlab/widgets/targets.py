"""Joint labels of rotated images, and targets that soften by epoch."""

from typing import Any

import matplotlib.pyplot as plt
import torch
from torch import Tensor, nn

from .. import losses
from ..core.errors import Error
from ..data.augment import ops
from ..engine.result import Result
from ..engine.run import watch
from ..experiment.setup import Setup
from ..metrics import accuracy, branch_accuracy, extract
from ..plots.explorers import plot_soft_target
from .frame import Choice, Explorer, Slider, explore, in_gallery

PREDICT = (
    "In the first epoch the target is the label alone, by the last one four fifths of it are what the network said of "
    "the image before. Move the epoch: when does another class enter, and how much does it get?"
)
COUNT, TURNS = 30, 4


@in_gallery("joint labels and softened targets", "06_layered_self_distillation", "lsskd")
def targets(result: Result, image: int = -1, turn: int = 0, exit: str = "classifier", epoch: int = -1) -> Explorer:
    """Show the targets of an LSSKD run: labels, softened by past predictions.

    The classifier learns the class of the upright image, a branch its class and turn. It starts at the image whose
    label has the smallest share in the end. The run is looked at from inside (`kdlab.watch`), where its table of the
    past is read.
    """
    config = result.config
    if config.method != "lsskd" or config.hp.get("past", "table") != "table" or not config.hp.get("alpha", 1):
        raise Error(f"a run of {config.method!r} keeps no table of the past: give one of lsskd, with past='table'")
    past, accuracies = zip(*watch(config, _look), strict=True)  # by epoch
    setup = result.setup(teacher=False)
    x, y = (part[:COUNT] for part in setup.part("train"))
    method: Any = setup.method
    names = ["classifier", *(f"branch {i + 1}" for i in range(len(accuracies[0]) - 1))]
    exits = dict(zip(names, zip(*accuracies, strict=True), strict=True))
    classes = [*setup.images.classes]

    if image < 0:
        image = int(past[-1][0].gather(1, y[:, None]).argmin())

    def draw(image: int, turn: int, exit: str, epoch: int) -> plt.Figure:
        which, alpha = names.index(exit), method.weight_of_past(epoch / config.epochs)
        before = past[epoch][which][image]
        label = losses.joint_labels(y[image : image + 1])[turn : turn + 1] if which else y[image : image + 1]
        target = losses.soften(label, (before[turn] if which else before)[None], alpha)[0]
        shown = ops.rotations(x[image][None])[turn if which else 0]
        title = f"epoch {epoch + 1}: the label's class has {target[label].item():.2f} of the target"
        return plot_soft_target(shown, target, int(label), classes, exits, epoch, title)

    last = config.epochs - 1
    return explore(
        draw,
        "kdlab.widgets.targets(result, {})",
        PREDICT,
        image=Slider(image, 0, len(y) - 1),
        turn=Slider(turn, 0, TURNS - 1, label="turn of the branches, x 90°"),
        exit=Choice(exit, names),
        epoch=Slider(last if epoch < 0 else min(epoch, last), 0, last, label="epochs trained before"),
    )


def _look(setup: Setup) -> tuple[list[Tensor], list[float]]:
    """Return past predictions and accuracies in %, of the classifier and each branch.

    Predictions are (images, K) of the classifier, (images, turns, 4 K) of a branch.
    """
    method: Any = setup.method
    rows, K = setup.data.labelled[:COUNT], method.model.num_classes
    rows, y = (each.to(setup.device) for each in (rows, setup.data.y[rows]))  # where the tables are
    hard = losses.smooth(y, K, 0.0)
    turned = (TURNS * rows[:, None] + torch.arange(TURNS, device=rows.device)).flatten()  # an image's rows, together
    of_turns = losses.smooth(losses.joint_labels(y), TURNS * K, 0.0)
    first, *others = method.past.tables
    past = [first.read(rows, hard), *(table.read(turned, of_turns).view(len(rows), TURNS, -1) for table in others)]
    x, truth = setup.part("test")
    branches = nn.ModuleList(method.parts["branches"].children())
    known = branch_accuracy(method.model, branches, x, truth, setup.normalise, losses.class_log_probabilities)
    classifier = accuracy(extract(method.model, x, setup.normalise).logits, truth)
    return [p.cpu() for p in past], [classifier, *(upright for _, upright in known)]

"""The similarity matrix of a batch, and what the temperature makes of it."""

from functools import cache

import matplotlib.pyplot as plt
import torch
from torch import Tensor

from ..core.errors import Error
from ..engine.result import Result
from ..losses import similarity as cosines_of
from ..metrics.embeddings import embeds
from ..models import evaluating
from ..plots.explorers import plot_batch
from .embedding import MOMENTS, methods_at
from .frame import Explorer, Slider, explore, in_gallery

PREDICT = (
    "Two views of one image meet on the diagonal. At T = 0.1 it holds more of the probability than an equal share. "
    "What is left of that at T = 2, though no cosine changes? And at the first moment, untrained?"
)


@in_gallery("similarity matrix of a batch", "02_ssl_pretraining", "simclr")
def similarity(result: Result, T: float = 0.1, batch: int = 12, again: int = 0, moment: int = MOMENTS - 1) -> Explorer:
    """Show cosines of the embeddings of two views of a batch, and their softmax.

    The images are test images, in an order that `again` draws, their views those of the run's own method. The run is
    looked at from inside (`kdlab.watch`) at up to seven moments: the heads that make embeddings are not kept otherwise.
    """
    setup, images = result.setup(teacher=False), result.images
    if not embeds(setup.method):
        raise Error(f"a run of {result.config.method!r} has no embeddings: give one of simclr, moco or byol")
    methods = methods_at(result.config, result.folder)
    moments = list(methods)

    @cache  # moving T moves no image
    def looked(batch: int, again: int, moment: int) -> tuple[Tensor, Tensor]:
        draw = torch.Generator().manual_seed(again)
        x = images.test_x[torch.randperm(len(images.test_x), generator=draw)[:batch]]
        method = methods[moments[moment]]
        with evaluating(method):
            both = (setup.batches.views * 2)[:2]  # of a method with one view it is drawn twice
            views = [setup.normalise(view(x, draw).to(setup.device)) for view in both if view]
            first, second = (method.embed(view.cpu()) for view in views)  # where the methods of moments are
        assert first is not None  # as asked above
        assert second is not None
        return x, cosines_of(first, second).cpu()

    def draw(T: float, batch: int, again: int, moment: int) -> plt.Figure:
        x, cosines = looked(batch, again, moment)
        return plot_batch(x, cosines, T, moments[moment])

    return explore(
        draw,
        "kdlab.widgets.similarity(result, {})",
        PREDICT,
        T=Slider(T, 0.02, 5.0, log=True, label="temperature"),
        batch=Slider(batch, 8, 24, label="batch"),
        again=Slider(again, 0, 20, label="draw again"),
        moment=Slider(min(moment, len(moments) - 1), 0, len(moments) - 1, label="moment of training"),
    )

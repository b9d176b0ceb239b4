"""A map of features by epoch, with the nearest neighbours of a chosen image."""

import copy
from functools import lru_cache
from itertools import count
from pathlib import Path

import matplotlib.pyplot as plt
import torch
from sklearn.manifold import TSNE

from ..data import Normalise
from ..engine.result import Result
from ..engine.run import watch
from ..experiment.config import Config
from ..experiment.setup import Setup
from ..losses import similarity as cosines_of
from ..methods import Method
from ..metrics import extract
from ..plots.explorers import plot_map
from .frame import Explorer, Slider, explore, in_gallery

PREDICT = (
    "Set the moment to 0 and move on: which two classes will be the last to part? And are the nearest neighbours of "
    "the chosen image of its class (green) before the map shows it?"
)
COUNT, NEAREST = 240, 5
MOMENTS = 7


@lru_cache(maxsize=1)
def methods_at(config: Config, _: Path) -> dict[int, Method]:
    """Return the method, on the CPU, at up to seven moments: {epochs done: method}.

    They lie evenly from before training to its end. The run is watched for that, once for all explorers that look at it
    one after the other; its folder tells apart what other code has trained.
    """
    moments, epochs = {round(e) for e in torch.linspace(0, config.epochs, MOMENTS).tolist()}, count()

    def look(setup: Setup) -> tuple[int, Method] | None:
        return (epoch, copy.deepcopy(setup.method).cpu()) if (epoch := next(epochs)) in moments else None

    return dict(filter(None, watch(config, look)))


@in_gallery("map of the features", "02_ssl_pretraining", "simclr")
def embedding(result: Result, moment: int = MOMENTS - 1, image: int = 0) -> Explorer:
    """Show t-SNE maps of the features of test images at moments of training.

    There are up to seven moments; each map begins at the one before. The run is looked at from inside
    (`kdlab.watch`). Neighbours are the nearest by cosine of the features, not on the map.
    """
    images = result.images
    x, y = images.test_x[:COUNT], images.test_y[:COUNT]
    nets = {epoch: method.model for epoch, method in methods_at(result.config, result.folder).items()}
    features = {epoch: extract(net, x, Normalise(net.mean, net.std)).pooled for epoch, net in nets.items()}
    moments = list(features)
    maps, nearest, points = [], [], None
    for vectors in features.values():
        start = "pca" if points is None else (points / points.std() * 1e-2).numpy()  # near the map before
        tsne = TSNE(
            2,
            init=start,
            max_iter=300,
            perplexity=min(20, max(1, (len(x) - 1) // 3)),
            early_exaggeration=8,
            random_state=0,
        )
        points = torch.from_numpy(tsne.fit_transform(vectors.numpy()))
        maps.append(points)
        nearest.append(cosines_of(vectors, vectors).fill_diagonal_(-2).topk(NEAREST, 1).indices)

    def draw(moment: int, image: int) -> plt.Figure:
        near = nearest[moment][image].tolist()
        agree = 100 * (y[nearest[moment]] == y[:, None]).double().mean().item()
        title = f"after epoch {moments[moment]}: {agree:.0f} % of the five nearest are of the same class"
        return plot_map(maps[moment], y, images.classes, image, near, x, title)

    return explore(
        draw,
        "kdlab.widgets.embedding(result, {})",
        PREDICT,
        moment=Slider(min(moment, len(moments) - 1), 0, len(moments) - 1, label="moment of training"),
        image=Slider(image, 0, len(x) - 1, label="chosen image"),
    )

"""The map of a network's features by epoch, with the nearest neighbours of a chosen image."""

import matplotlib.pyplot as plt
import torch
from sklearn.manifold import TSNE
from torch import Tensor

from ..data import Normalise
from ..engine.result import Result
from ..losses import similarity as cosines_of
from ..metrics import extract
from ..plots.explorers import plot_map
from .controls import Slider
from .frame import Explorer, explore
from .moments import MOMENTS, methods_at

PREDICT = (
    "Set the moment to 0 and move on: which two classes will be the last to part? And are the nearest neighbours of "
    "the chosen image of its class (green) before the map shows it?"
)
COUNT, NEAREST = 240, 5


def embedding(result: Result, moment: int = MOMENTS - 1, image: int = 0) -> Explorer:
    """t-SNE of the features of 240 test images at up to seven moments of training, each map begun at the one before.

    The run is looked at from inside (`kdlab.watch`). Neighbours are the nearest by cosine of the features, not on the
    map.
    """
    images = result.images
    x, y = images.test_x[:COUNT], images.test_y[:COUNT]
    nets = {epoch: method.model for epoch, method in methods_at(result).items()}
    seen = {epoch: extract(net, x, Normalise(net.mean, net.std)).pooled for epoch, net in nets.items()}
    moments = list(seen)
    maps, nearest, place = [], [], None
    for features in seen.values():
        place = _map(features, place)
        maps.append(place)
        nearest.append(cosines_of(features, features).fill_diagonal_(-2).topk(NEAREST, 1).indices)

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


def _map(features: Tensor, begin: Tensor | None) -> Tensor:
    """(n, 2), near `begin` where one is given."""
    start = "pca" if begin is None else (begin / begin.std() * 1e-2).numpy()
    tsne = TSNE(
        2,
        init=start,
        max_iter=300,
        perplexity=min(20, max(1, (len(features) - 1) // 3)),
        early_exaggeration=8,
        random_state=0,
    )
    return torch.from_numpy(tsne.fit_transform(features.numpy()))

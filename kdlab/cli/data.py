"""The `kdlab data` commands."""

import os
import tempfile
import warnings
from inspect import getdoc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.errors import Error
from ..core.output import say, shown

if TYPE_CHECKING:  # data and figures load late
    import pandas as pd

    from ..data import ImageSet, Split

app = typer.Typer(
    no_args_is_help=True, help="List, download and inspect data sets, and clear the cache of decoded images."
)
Name = Annotated[str, typer.Argument(help="a data set of kdlab data list, folder:PATH or csv:FILE")]
Size = Annotated[int | None, typer.Option(min=1, help="pixels per side")]
CLASSES, EACH = 20, 8  # of a contact sheet


@app.command(name="list")
def list_() -> None:
    """List all data sets; where one is missing, the folder to put it in."""
    from .. import data

    root = data.data_root()
    for name, reader in data.DATASETS.items():
        line = f"{name:14} {(getdoc(reader) or name).splitlines()[0]}"
        if name in data.PLACES:
            folder = root / data.PLACES[name]
            if not any(path.is_dir() for path in folder.parent.glob(folder.name)):
                line += f" NOT THERE: its folder is {folder}"
        say(line)
    for stem, size in data.kept().items():
        say(f"in the cache: {stem}, {size / 1e6:,.0f} MB")


@app.command()
def get(name: Name, size: Size = None) -> None:
    """Download and read a data set once, or say where to put it."""
    from .. import data
    from ..data.inspection import headline

    say(headline(data.load(name, size)))


@app.command(name="inspect")
def inspect_(
    name: Name,
    size: Size = None,
    labels: Annotated[str | None, typer.Option(help="a label budget: images in all, or a share such as 0.1")] = None,
    seed: Annotated[int, typer.Option(help="of the label budget and the validation split")] = 0,
    sheet: Annotated[Path | None, typer.Option(help="write some images of each class into this PNG file")] = None,
    verify: Annotated[bool, typer.Option("--verify", help="decode all images again and compare")] = False,
) -> None:
    """Show what a data set holds: images by class, sizes, what is left out.

    Images are counted as a run would use them: for training, labelled (with a label budget if you give one), for
    validation, for testing. Images that are equal are named.
    """
    from .. import data
    from ..core.settings import parse
    from ..data.inspection import inspect

    budget = parse([f"labels={labels}"])["labels"] if labels else None
    if isinstance(budget, bool) or not isinstance(budget, int | float | None):
        raise Error(f"labels={labels}: give a number of images, or a share such as 0.1")
    if sheet is not None and (sheet.suffix != ".png" or sheet.is_dir() or not os.access(sheet.parent, os.W_OK)):
        raise Error(f"--sheet {sheet}: give a name that ends in .png, in a folder that can be written to")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", data.NotRead)  # said below
        inspected = inspect(name, size)
        images = inspected.images
        split = data.split(images, budget, seed=seed)
        if inspected.several_sizes and (sheet or verify):
            raise Error(f"{name} has images of several sizes: give --size as well")
        if inspected.problems:
            sheet, verify = None, False  # neither can be without all images
        say(inspected.headline())
        say(f"\n{_counts(split).to_string()}\n")
        for line in inspected.lines():
            say(shown(line))  # names of files may hold line breaks
        if sheet is not None:
            _draw(images, sheet)
            say(f"\ncontact sheet: {sheet}")
        if verify:
            _verify(name, size, images)
            say("\nverified: the files, decoded once more, give these images")
    if count := len(inspected.problems):
        raise Error(f"{name} has {count:,} file{'s' * (count > 1)} that cannot be read, named above: mend or remove")


@app.command()
def clear() -> None:
    """Clear the cache of decoded images; it is made anew when it is needed."""
    from .. import data

    print(f"{data.clear() / 1e6:,.0f} MB are free again")


def _draw(images: "ImageSet", sheet: Path) -> None:
    """Write a contact sheet: some images of each class, or some without a class."""
    from ..core.output import replacing
    from ..plots import plot_images

    labels = range(min(CLASSES, len(images.classes))) or [-1]
    rows = [row for label in labels for row in (images.train_y == label).nonzero()[:EACH, 0].tolist()]
    names = [images.classes[label] if label >= 0 else "" for label in images.train_y[rows].tolist()]
    with replacing(sheet) as temporary:
        plot_images(images.train_x[rows], names, columns=EACH).savefig(temporary, format="png")


def _counts(split: "Split") -> "pd.DataFrame":
    """Return the number of images of each class in every part of a split."""
    import pandas as pd

    images = split.images
    labels_of = {"training": split.truth, "labelled": split.y, "validation": split.val_y, "test": images.test_y}
    counts = {name: [int((y == label).sum()) for label in range(len(images.classes))] for name, y in labels_of.items()}
    frame = pd.DataFrame(counts, index=[shown(name) for name in images.classes])
    total = pd.Series({name: len(y) for name, y in labels_of.items()} | {"labelled": len(split.labelled)})
    rest = (total - frame.sum()).to_frame("unlabelled").T if (split.truth < 0).any() else frame.iloc[:0]
    return pd.concat([frame, rest, total.to_frame("all").T]).astype(int)


def _verify(name: str, size: int | None, cached: "ImageSet") -> None:
    """Read a data set without the cache; raise an `Error` where images differ."""
    from .. import data
    from ..core.places import environment
    from ..data.photographs import Photographs

    with tempfile.TemporaryDirectory() as folder, environment(KDLAB_CACHE=folder):
        data.load.cache_clear()
        images = data.load(name, size)
        streamed = isinstance(cached.train_x, Photographs)  # decoded in each epoch: no cache
        alike = images.fingerprint() == (cached.fingerprint() if streamed else cached.contents())
        for part in (images.train_x, images.val_x, images.test_x):
            if isinstance(part, Photographs):  # decode each once, to find files that cannot be read
                for _ in part.split(1000):
                    pass
        data.load.cache_clear()
    if not alike:
        raise Error(f"the files of {name} hold other images than those in the cache: kdlab data clear")

"""What several studies need: a baseline that gets as much as what it is compared with, sizes of images."""

from ..experiment.config import Config


def with_images(config: Config, times: int, **fields: object) -> Config:
    """The run with so many times the images a step, in as many steps.

    Where an epoch is one pass over the images, larger batches make it shorter, and there are as many times more epochs.
    """
    longer = {} if config.steps else {"epochs": times * config.epochs}
    return config.replace(batch=times * config.batch, **longer, **fields)


def given(size: int | None) -> dict[str, int]:
    """The field size, where one is given: a recipe has its own."""
    return {"size": size} if size else {}


def one_size(dataset: str) -> int | None:
    """Pixels per side for images that may have many sizes; None: the data set has its own."""
    return 16 if dataset.startswith(("folder:", "photographs:")) else None

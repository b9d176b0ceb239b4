"""Controls: a baseline that gets as much as what it is compared with."""

from ..config import Config


def with_images(config: Config, times: int, **fields: object) -> Config:
    """The run with so many times the images a step, in as many steps.

    Where an epoch is one pass over the images, larger batches make it shorter, and there are as many times more epochs.
    """
    longer = {} if config.steps else {"epochs": times * config.epochs}
    return config.replace(batch=times * config.batch, **longer, **fields)

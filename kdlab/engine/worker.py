"""What a worker of a sweep does. Schedulers read this file too, and need no torch."""

import time
import warnings
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path

from ..core.errors import Error, machine_sentence
from ..core.places import environment, runs_root


def train(
    fields: str, hash_: str, token: str, modules: Iterable[str], track: str | None = None, group: str = ""
) -> tuple[str | None, list[str]]:
    """Train a run in a worker; return why it failed, and the warnings.

    None where another process trains it, so that this one may train others. The runs folder is that of the client, or
    this machine's own, where the client's `token` lies in it. `track` and `group` are those of `run`.
    """
    from ..experiment.config import Config
    from ..experiment.device import one_thread
    from ..experiment.setup import chain_images
    from .run import run
    from .store import RunFolder

    roots = [root for root in (Path(token).parent, runs_root()) if (root / Path(token).name).exists()]
    if not roots:
        return f"the runs folder of its worker, {runs_root()}, is another one: set KDLAB_RUNS there", []
    with warnings.catch_warnings(record=True) as notes, environment(KDLAB_RUNS=str(roots[0])), one_thread():
        try:
            for module in modules:
                import_module(module)
            config = Config.model_validate_json(fields)
            folder = RunFolder(config, chain_images(config))
            if folder.hash != hash_:
                raise Error("its worker has other images, or another version of kdlab")
            if folder.lock.owner():
                time.sleep(1)
                return None, []
            run(config, track=track, group=group)
            message = ""
        except Exception as error:
            known = str(error) if isinstance(error, Error) else machine_sentence(error)
            message = known or f"{type(error).__name__}: {error}"
    return message, [str(note.message) for note in notes]

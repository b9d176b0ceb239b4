"""What a process does that trains along with the one that started it."""

import json
import os
import sys
import threading
from pathlib import Path

from ..core.errors import Error, machine_errors
from ..experiment.config import Config
from ..experiment.setup import assemble, chain_images
from .devices import Team
from .run import with_trained_stages
from .store import RunFolder
from .train import train


def join() -> None:
    """Train along with the process that started this one, and says for what."""
    about = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    kind, rank = about["kind"], about["rank"]
    try:
        with machine_errors():
            config = Config(**about["config"])
            alone = config.replace(device=f"{kind}:{rank}" if kind == "cuda" else kind, devices=1)
            folder = RunFolder(alone, chain_images(alone))
            setup = with_trained_stages(assemble(alone, folder.images), folder)
            print("ready", flush=True)
            team = Team(setup, rank, config.devices, Path(about["meeting"]))
            train(setup, team=team)
    except Error as error:
        print(error, file=sys.stderr, flush=True)
        os._exit(2)
    team.leave()


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)

"""Read run folders in any state: what they hold, or why that cannot be known."""

import functools
import hashlib
import json
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from ..core.errors import Error
from ..core.moving import to_device
from ..experiment.config import Config
from .identity import VERSION, hash_of

STORED = "stored"  # in result.json: digests of the other files, and of result.json itself
ITSELF = "result.json"
SINCE = "methods"  # a room whose code results name since they have digests
ROLES = ("teacher", "init")
NAMED = 5  # of the folders that cannot be read
ANEW = "fresh=True (kdlab run --fresh) trains it anew"


class UnreadableError(Error):
    """A file of a run folder is damaged: cut off, or never what its name says."""


class MissingError(Error):
    """Weights are missing."""


@dataclass(frozen=True)
class Stored:
    """A run as its folder describes it, even if `Config` has changed since.

    `config` holds the fields as they were written, `result` the numbers by column, none of a run that is not done; of
    version 0.1 there is no `identity`.
    """

    folder: Path
    version: str
    config: dict[str, Any]
    identity: dict[str, Any] | None
    result: dict[str, Any]


def stages(run: Stored) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Yield config and identity of a run and of its stages, with a dotted prefix each.

    Of version 0.1 identities are empty.
    """

    def walk(prefix: str, config: dict[str, Any], about: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
        yield prefix, config, about
        for role in ROLES:
            if isinstance(stage := config.get(role), dict) and "method" in stage:
                yield from walk(f"{prefix}{role}.", stage, about.get(role, {}))

    return walk("", run.config, run.identity or {})


def read_runs(root: Path) -> list[Stored]:
    """Return the finished runs under `root`, newest last.

    Folders that cannot be read are named in one warning.
    """
    try:
        folders = sorted(folder for folder in root.iterdir() if not folder.name.startswith("."))
    except FileNotFoundError:
        return []
    runs, unreadable = list[tuple[float, Stored]](), dict[str, str]()
    for folder in folders:
        try:
            if (about := read_run(folder)) is not None:
                runs.append(((folder / ITSELF).stat().st_mtime, about))
        except (Error, OSError) as error:
            unreadable[folder.name] = cause(folder, error)
    if unreadable:
        names = [f"{name} ({why})" for name, why in list(unreadable.items())[:NAMED]]
        more = f" and {len(unreadable) - NAMED} more" if len(unreadable) > NAMED else ""
        warnings.warn(f"left out, as no finished run can be read there: {', '.join(names)}{more}", stacklevel=3)
    return [about for _, about in sorted(runs, key=lambda run: run[0])]


def cause(folder: Path, error: Error | OSError) -> str:
    """Return in a few words why a folder cannot be read, its name aside."""
    if isinstance(error, OSError):
        return error.strerror or type(error).__name__
    return str(error).removeprefix(str(folder))[1:].partition(":")[0]


def read_run(folder: Path) -> Stored | None:
    """Read a finished run; None where there is none, an `Error` where it is damaged."""
    result = read_result(folder)
    if result is None:
        return None
    run = described(folder)
    if run is None:
        raise UnreadableError(f"{folder / 'config.json'} is missing")
    if run.identity is not None and (odd := _odd_field(run.config, run.identity)):
        message = f"config.json was changed after it was written, in {odd}: the result is of other settings"
        warnings.warn(f"{folder.name}: {message}", stacklevel=4)
    return replace(run, result=result)


def described(folder: Path) -> Stored | None:
    """Read what config.json says of a run, finished or not; None where there is none."""
    about = read_object(folder / "config.json")
    if about is None:
        return None
    if "identity" not in about:  # version 0.1 wrote the config alone
        config, identity, version = about, None, "0.1"
    else:
        config, identity, version = about.get("config"), about["identity"], str(about.get("kdlab") or "")
    if not isinstance(config, dict) or "method" not in config or not isinstance(identity, dict | None):
        raise UnreadableError(f"{folder / 'config.json'} describes no run")
    return Stored(folder, version, config, identity, {})


def _odd_field(config: Mapping[str, Any], identity: Mapping[str, Any]) -> str:
    """Return the first field of a config that differs from the identity beside it."""
    decided = identity.get("config")
    if identity.get("version") != VERSION or not isinstance(decided, dict):
        return ""  # defaults were others
    partly = {"dataset", "device", "devices", "weights", "hp"}  # an identity has them in another form
    for name in Config.model_fields:
        if name in ROLES:
            if isinstance(config.get(name), dict) and (odd := _odd_field(config[name], identity.get(name, {}))):
                return f"{name}.{odd}"
        elif name in config and name not in partly and config[name] != decided.get(name, _written_default(name)):
            return name
    return ""


@functools.cache
def _written_default(name: str) -> Any:
    """Return a field's default as JSON has it."""
    return json.loads(json.dumps(Config.model_fields[name].default))


def read_result(folder: Path) -> dict[str, Any] | None:
    """Read result.json, without digests; None where there is none.

    An `Error` where it is not as it was written.
    """
    file = folder / ITSELF
    result = read_object(file)
    if result is None:
        return None
    code = result.get("code", {})
    numbers = any(isinstance(value, int | float) for value in result.values())
    if not numbers or not isinstance(code, dict) or not all(isinstance(part, dict) for part in code.values()):
        raise UnreadableError(f"{file} holds no result")
    digests = result.pop(STORED, None)
    first = digests is None and SINCE not in code.get("far", {})  # of a version that wrote none
    if not first and (not isinstance(digests, dict) or digests.get(ITSELF) != own_digest(result, digests)):
        raise Error(f"{file} was changed after it was written: {ANEW}")
    return result


def seal(result: Mapping[str, Any], digests: Mapping[str, str]) -> dict[str, Any]:
    """Add to a result the digests of the run's other files, and its own."""
    return {**result, STORED: {**digests, ITSELF: own_digest(result, digests)}}


def own_digest(result: Mapping[str, Any], digests: Mapping[str, str]) -> str:
    """Digest a result and the digests in it, but its own."""
    others = {name: each for name, each in digests.items() if name != ITSELF}
    return hash_of(json.loads(json.dumps({"result": result, "files": others})))


def digests_of(folder: Path) -> dict[str, str]:
    """Return the digests in result.json of other files; older versions have none."""
    digests = (read_object(folder / ITSELF) or {}).get(STORED, {})
    return {name: each for name, each in digests.items() if name != ITSELF} if isinstance(digests, dict) else {}


def lost_weights(folder: Path) -> str:
    """Return the name of a file of weights that is gone, or an empty text."""
    names = {"weights.safetensors", *(name for name in digests_of(folder) if name.endswith(".safetensors"))}
    return next((name for name in sorted(names) if not (folder / name).exists()), "")


def digest_of(content: bytes) -> str:
    """Return 32 hexadecimal digits of the content of a file."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def read_object(file: Path) -> dict[str, Any] | None:
    """Read the JSON object in a file; None where there is no file."""
    try:
        value = json.loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, RecursionError):  # cut off, not UTF-8
        raise UnreadableError(f"{file} is damaged") from None
    if not isinstance(value, dict):
        raise UnreadableError(f"{file} is damaged")
    return value


def load_into(module: nn.Module, file: Path) -> None:
    """Load tensors of a finished run into a module, after checking their digest."""
    from safetensors import SafetensorError
    from safetensors.torch import load

    for again in (True, False):  # another process may have just trained it anew: neither is damaged then
        try:
            content = file.read_bytes()
        except FileNotFoundError:
            raise MissingError(f"{file} is gone: {ANEW}") from None
        except IsADirectoryError:
            raise Error(f"{file} is a folder: {ANEW}") from None
        known = digests_of(file.parent).get(file.name)
        if known in (None, digest_of(content)):
            break
        if not again:
            raise Error(f"{file} is damaged: {ANEW}")
    try:
        tensors = load(content)
    except (SafetensorError, ValueError, KeyError) as error:
        raise Error(f"{file} is damaged ({str(error).splitlines()[0]}): {ANEW}") from None
    wanted, another = module.state_dict(), f"{file} holds the weights of another network"
    for name in sorted({*tensors, *wanted}):
        if name not in tensors or name not in wanted:
            raise Error(f"{another} ({name} is {'missing' if name in wanted else 'too much'}): {ANEW}")
        shape, right = tuple(tensors[name].shape), tuple(wanted[name].shape)
        if shape != right:
            raise Error(f"{another} ({name} is {shape}, not {right}): {ANEW}")
    module.load_state_dict({name: to_device(x, wanted[name].device) for name, x in tensors.items()})


def log_lines(folder: Path) -> list[dict[str, Any]]:
    """Read what a run has logged so far, a line an epoch.

    A line that is just being written is left out, and so is a damaged one.
    """
    try:
        written = (folder / "log.jsonl").read_bytes().split(b"\n")[:-1]
    except (FileNotFoundError, NotADirectoryError):
        return []
    lines = parsed(written)
    if bad := [number for number, line in enumerate(lines, start=1) if line is None]:
        warnings.warn(f"{folder / 'log.jsonl'}: line {bad[0]} is damaged and left out", stacklevel=2)
    return [line for line in lines if line is not None]


def read_log(folder: Path) -> list[dict[str, Any]]:
    """Read the log of a finished run; warn where it is not as it was written."""
    file = folder / "log.jsonl"
    known = digests_of(folder).get(file.name)
    # no digest: a run of no epochs, or of version 0.2.0
    if known is not None and (not file.exists() or digest_of(file.read_bytes()) != known):
        warnings.warn(f"{file} is not as it was written: lines are missing or changed; {ANEW}", stacklevel=4)
    return log_lines(folder)


def parsed(written: Iterable[bytes]) -> list[dict[str, Any] | None]:
    """Parse the lines of a log, None for each that is damaged."""
    lines: list[dict[str, Any] | None] = []
    for text in written:
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            line = None
        lines.append(line if isinstance(line, dict) and isinstance(line.get("epoch"), int) else None)
    return lines

"""pyproject.toml, requirements.lock, environment.yml and the workflow tell the same story."""

import ast
import re
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from kdlab import __version__
from kdlab.engine.tracking import TRACKERS

ROOT = Path(__file__).resolve().parents[1]
TOML = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT = TOML["project"]
LOCK = (ROOT / "requirements.lock").read_text()
CONDA = (ROOT / "environment.yml").read_text()

EXTRAS = {name: group for name, group in PROJECT["optional-dependencies"].items() if name not in TRACKERS}
GROUPS = [PROJECT["dependencies"], *EXTRAS.values()]
DECLARED = [Requirement(text) for group in GROUPS for text in group]  # and locked
# one entry of the lock: "name[extra, ...]==1.0 ; marker \", then its hashes on lines of their own
ENTRIES = re.findall(r"^(\S+(?:, \S+)*==[^\\\n]+)((?:\\\n +--hash=sha256:[0-9a-f]{64} ?)*)", LOCK, flags=re.MULTILINE)
PINS = [Requirement(text) for text, _ in ENTRIES]

SYSTEMS = {
    "linux": {"sys_platform": "linux", "platform_system": "Linux", "os_name": "posix", "platform_machine": "x86_64"},
    "macos": {"sys_platform": "darwin", "platform_system": "Darwin", "os_name": "posix", "platform_machine": "arm64"},
    "windows": {"sys_platform": "win32", "platform_system": "Windows", "os_name": "nt", "platform_machine": "AMD64"},
}


@pytest.mark.parametrize("minor", [11, 12, 13])
@pytest.mark.parametrize("system", [None, *SYSTEMS])
def test_lock_satisfies_every_requirement(system, minor):
    here = (
        {}
        if system is None
        else {**SYSTEMS[system], "python_version": f"3.{minor}", "python_full_version": f"3.{minor}.5"}
    )
    pins = {}
    for pin in PINS:
        if pin.marker is None or pin.marker.evaluate(here):
            name = canonicalize_name(pin.name)
            assert name not in pins, f"{name} is pinned twice"
            pins[name] = str(pin.specifier).removeprefix("==")
    for need in DECLARED:
        pinned = pins.get(canonicalize_name(need.name))
        assert pinned and need.specifier.contains(pinned), f"{need} is declared, the lock has {pinned}: make it again"


def test_every_pin_has_a_hash():
    assert len(PINS) == len(re.findall("^[A-Za-z0-9]", LOCK, flags=re.MULTILINE)) > len(DECLARED)
    assert [text for text, hashes in ENTRIES if not hashes] == []


def test_pins_keep_the_extras_that_installed_packages_ask_for():
    """Otherwise pip 23 looks at the newest version of what has extras, and stops when that is not the pinned one."""
    pins = {canonicalize_name(pin.name): pin for pin in PINS}
    count = 0
    for name, pin in pins.items():
        installed = list(metadata.distributions(name=name))
        if not installed or not pin.specifier.contains(installed[0].version):
            continue  # of another system, or not the version that the lock speaks of
        for need in map(Requirement, installed[0].requires or ()):
            if need.extras and (need.marker is None or need.marker.evaluate({"extra": ""})):
                count += 1
                assert need.extras <= pins[canonicalize_name(need.name)].extras, f"{name} asks for {need}"
    if not count:
        pytest.skip("none of them is of the lock's version here")


@pytest.mark.parametrize("text", [LOCK, CONDA], ids=["requirements.lock", "environment.yml"])
def test_no_address(text):
    assert ":" + "//" not in text
    assert not re.search(r"\b[\w-]+\.(org|com|net|io|dev)\b|--[\w-]*(url|index|find-links)", text)


def test_each_dependency_is_declared_once():
    names = [canonicalize_name(need.name) for need in DECLARED]
    assert len(names) == len(set(names))
    listed = re.findall(r"^ *- +[\"']?(.+?)[\"']?$", CONDA.split("dependencies:")[1], flags=re.MULTILINE)
    assert [re.split("[=<> ]", item)[0] for item in listed] == ["python", "pip", "pip:", "-e"]
    (extras,) = re.findall(r"^-e \.\[(.+)\]$", listed[-1])
    assert set(extras.split(",")) == set(EXTRAS), "conda users get what there is"


def test_every_tracker_is_an_extra_of_its_name():
    trackers = {name: PROJECT["optional-dependencies"][name] for name in TRACKERS}
    assert {name: [Requirement(text).name for text in group] for name, group in trackers.items()} == {
        name: [name] for name in TRACKERS
    }


def test_what_builds_the_package_is_pinned_too():
    """So that nothing is fetched by its name alone when the package is installed."""
    pins = {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in PINS}
    for need in map(Requirement, TOML["build-system"]["requires"]):
        pinned = pins.get(canonicalize_name(need.name))
        assert pinned and need.specifier.contains(pinned), f"{need} builds the package, the lock has {pinned}"


def test_what_the_package_imports_is_declared():
    """Not only brought along by another library, which may drop it."""
    declared = {canonicalize_name(Requirement(text).name) for group in GROUPS for text in group}
    homes = metadata.packages_distributions()
    missing = {}
    for file in sorted((ROOT / "kdlab").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and not node.level and node.module else []
            for name in {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names) - {"kdlab"}:
                if name in homes and not declared & {canonicalize_name(home) for home in homes[name]}:
                    missing[name] = file.name
    assert missing == {}


def test_workflow():
    """It uses machines that there are, actions that cannot be exchanged, and no machine twice for one commit."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8"))
    triggers = workflow[True]  # what YAML 1.1 reads in "on"
    assert isinstance(triggers, dict), "push and pull_request both: a branch with a request is tested twice"
    assert triggers["push"] == {"branches": ["main"]} and "pull_request" in triggers
    assert workflow["concurrency"]["cancel-in-progress"] is True and workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert not {"macos-12", "macos-13", "macos-14", "ubuntu-20.04"} & set(job["strategy"]["matrix"]["os"]), (
            "retired"
        )
        used = [step for step in job["steps"] if "uses" in step]
        assert [step["uses"] for step in used if not re.search("@[0-9a-f]{40}$", step["uses"])] == []
        assert any(step.get("with", {}).get("cache") == "pip" for step in used)


def test_versions_of_the_package_python_and_torch():
    assert PROJECT["version"] == __version__
    supported = SpecifierSet(PROJECT["requires-python"])
    for version in ("3.11", "3.12", "3.13"):
        assert f"{version}.0" in supported
        assert f"Programming Language :: Python :: {version}" in PROJECT["classifiers"]
    assert "3.10.9" not in supported
    assert TOML["tool"]["pyrefly"]["python-version"] == "3.11"
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text()
    assert 'python: ["3.11", "3.13"]' in workflow  # the oldest and the newest
    torch = next(need for need in DECLARED if need.name == "torch")
    assert "2.11.0" in torch.specifier and "2.10.9" not in torch.specifier

"""What decides a result: other settings, data or losses are another run; comments and new fields change nothing."""

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from killing import killed
from making import TEACHER, TINY, config_of
from PIL import Image

import kdlab
from kdlab import Config, assemble
from kdlab.engine import identity as room
from kdlab.engine.identity import changed_rooms, hash_of, identity
from kdlab.engine.reading import seal
from kdlab.engine.store import RunFolder
from kdlab.experiment.setup import chain_images

PACKAGE = Path(kdlab.__file__).parent
STUDENT = Config(method="kd", teacher=TEACHER, labels=20)


def key(config):
    return RunFolder(config, chain_images(config)).path.name


# Config and data


@pytest.mark.parametrize(
    "change",
    [
        {"method": "supervised", "teacher": None},
        {"model": "resnet18"},
        {"width": 0.5},
        {"labels": 30},
        {"size": 12, "teacher": TEACHER.replace(size=12)},
        {"labels": 0.5},
        {"epochs": 3},
        {"steps": 3},
        {"batch": 3},
        {"optimizer": "sgd"},
        {"optimizer_hp": {"beta2": 0.9}},
        {"lr": 0.1},
        {"head_lr": 2.0},
        {"momentum": 0.5},
        {"nesterov": True},
        {"weight_decay": 0.1},
        {"schedule": "step"},
        {"milestones": (0.5,)},
        {"decay": 0.5},
        {"warmup": 0.5},
        {"augment": "none"},
        {"weights": {"kd": 2}},
        {"noise": 0.2},
        {"noise_kind": "asymmetric"},
        {"omit": (3,)},
        {"imbalance": 10},
        {"track_test": True},
        {"decay_all": False},
        {"patience": 3},
        {"monitor": "nll"},
        {"select": "test"},
        {"pretrained": True},
        {"cutout": 4},
        {"cutmix": 0.5},
        {"hp": {"T": 2}},
        {"precision": "bf16-mixed"},
        {"normalise": False, "teacher": TEACHER.replace(normalise=False)},
        {"teacher": TEACHER.replace(epochs=2)},
        {"init": Config(method="simclr", labels=20)},
        {"evaluate_every": 2},
        {"validation": 0.2, "teacher": TEACHER.replace(validation=0.2)},
        {"seed": 3, "split": 0},
    ],
)
def test_every_field_that_matters_changes_the_hash(change):
    assert key(STUDENT.replace(**change)) != key(STUDENT)


def test_the_table_of_fields_above_is_complete():
    """A new field belongs into the table, or among those that decide nothing."""
    (table,) = [m for m in test_every_field_that_matters_changes_the_hash.pytestmark if m.name == "parametrize"]
    named = {name for change in table.args[1] for name in change}
    assert named | {"device", "devices", "dataset"} == set(Config.model_fields)


def test_device_and_what_is_said_twice_change_nothing():
    assert key(STUDENT.replace(device="cuda", devices=2, teacher=TEACHER.replace(device="cpu"))) == key(STUDENT)
    assert key(STUDENT.replace(hp={"T": 4.0}, weights={"ce": 0.1})) == key(STUDENT), "they are the method's own"


def test_data_change_the_hash():
    images = chain_images(TEACHER)
    (own,) = images.values()
    other = {("digits", None): replace(own, train_y=own.train_y.roll(1))}
    assert hash_of(identity(TEACHER, images)) != hash_of(identity(TEACHER, other))


def test_a_new_field_with_a_default_changes_no_hash(monkeypatch):
    class Larger(Config):
        colour: str = "blue"

    before = hash_of(identity(TEACHER, chain_images(TEACHER)))
    same, other = Larger(**TEACHER.model_dump()), Larger(**TEACHER.model_dump(), colour="red")
    assert hash_of(identity(same, chain_images(TEACHER))) == before
    assert hash_of(identity(other, chain_images(TEACHER))) != before


DEFAULTS = {
    "method": "supervised",
    "model": "litenet_dsc",
    "width": 0.25,
    "pretrained": False,
    "dataset": "digits",
    "size": None,
    "labels": None,
    "validation": 0.1,
    "split": None,
    "seed": 0,
    "noise": 0.0,
    "noise_kind": "symmetric",
    "omit": (),
    "imbalance": 1.0,
    "track_test": False,
    "epochs": 20,
    "steps": None,
    "batch": 64,
    "optimizer": "adamw",
    "optimizer_hp": {},
    "lr": 2e-3,
    "head_lr": 1.0,
    "momentum": 0.9,
    "nesterov": False,
    "weight_decay": 1e-2,
    "decay_all": True,
    "schedule": "cosine",
    "milestones": (0.625, 0.75, 0.875),
    "decay": 0.1,
    "warmup": 0.1,
    "patience": None,
    "monitor": None,
    "select": "validation",
    "augment": None,
    "normalise": True,
    "cutout": 0,
    "cutmix": 0.0,
    "weights": {},
    "hp": {},
    "evaluate_every": 1,
    "precision": "32-true",
    "device": "auto",
    "devices": 1,
    "teacher": None,
    "init": None,
}


def test_a_changed_default_needs_a_new_version():
    defaults = {name: field.default for name, field in Config.model_fields.items()}
    changed = {name for name in DEFAULTS if defaults[name] != DEFAULTS[name]}
    assert room.VERSION == 3 and not changed, "old folders would be taken for new runs: raise VERSION, and note it here"
    assert set(defaults) == set(DEFAULTS), "note the default of a new field here"


# Code of the package, in a copy of it

PATHS = """
import sys
for root in sys.argv[1:]:
    for name in [name for name in sys.modules if name.partition(".")[0] == "kdlab"]:
        del sys.modules[name]
    sys.path.insert(0, root)
    from kdlab import Config
    from kdlab.experiment.setup import chain_images
    from kdlab.engine.store import RunFolder
    teacher = Config(model="resnet18", labels=20)
    for config in (teacher, Config(method="kd", teacher=teacher, labels=20), Config(method="simclr", labels=20)):
        print(RunFolder(config, chain_images(config)).path.name, end=" ")
    print()
"""


def names(roots):
    """Folders of a supervised run, one of KD, one of SimCLR, as the package under each of `roots` would call them."""
    command = [sys.executable, "-c", PATHS, *map(str, roots)]
    said = subprocess.run(command, cwd=roots[0], capture_output=True, text=True, check=True).stdout
    return [line.split() for line in said.splitlines()]


TWENTY = Config(model="resnet18", labels=20)
TAUGHT = Config(method="kd", teacher=TWENTY, labels=20)
EDITS = {
    "what computes no loss": [
        ("methods/kd.py", "    def compare", "    # a word about it\n    def compare"),
        ("losses/logits.py", '"""', '"""And more. '),
        ("experiment/config.py", "    seed: int = Field", '    colour: str = Field("blue")\n    seed: int = Field'),
        ("models/litenet.py", "(64, 1), (64, 1)", "(64, 1), (32, 1)"),
    ],
    "the temperature": [("methods/kd.py", "T: Positive = 4.0", "T: Positive = 3.0")],
    "a factor in the loss": [("losses/logits.py", "* T * T", "* T")],
}


def test_edits_of_the_package(tmp_path):
    here = [RunFolder(c, chain_images(c)).path.name for c in (TWENTY, TAUGHT, Config(method="simclr", labels=20))]
    supervised, taught, simclr = here
    assert len({supervised, taught, simclr}) == 3
    for name, edits in EDITS.items():
        shutil.copytree(PACKAGE, tmp_path / name / "kdlab")
        for file, old, new in edits:
            path = tmp_path / name / "kdlab" / file
            assert old in path.read_text(), f"{file} no longer has {old!r}"
            path.write_text(path.read_text().replace(old, new, 1))
    digests = dict(zip(EDITS, names([tmp_path / name for name in EDITS]), strict=True))
    assert digests["what computes no loss"] == here, "the same in every process and folder"
    for name in ("the temperature", "a factor in the loss"):
        assert digests[name][1] != taught and digests[name][::2] == [supervised, simclr], name


RENAMED = {
    "losses/logits.py": "losses/softened.py",
    "losses/contrastive.py": "losses/views.py",
    "methods/kd.py": "methods/hinton.py",
    "methods/base.py": "methods/contract.py",
    "data/augment.py": "data/families.py",
}
FRESH = """
import sys
from kdlab.studies import PUBLISHED, STUDIES
from kdlab.core.places import shipped_only
with shipped_only():
    for name in sys.argv[1:]:
        study = {**STUDIES, **PUBLISHED}[name]()
        print(name, len(study.rows()), len(study.stale()))
"""
MEASURED = [
    name
    for name in (*kdlab.STUDIES, *kdlab.PUBLISHED)
    if (PACKAGE.parent / "figures" / "data" / f"{name.replace('/', '_')}.csv").exists()
]


def counted(root, studies=MEASURED):
    """Study -> (rows that count, rows that do not) of the committed evidence, for the package under `root`."""
    command, environment = [sys.executable, "-c", FRESH, *studies], {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name: (int(fresh), int(stale)) for name, fresh, stale in map(str.split, done.stdout.splitlines())}


def copied(directory):
    """A copy of the package, with the committed evidence beside it."""
    shutil.copytree(PACKAGE, directory / "kdlab")
    shutil.copytree(PACKAGE.parent / "figures" / "data", directory / "figures" / "data")
    shutil.copy(PACKAGE.parent / "pyproject.toml", directory)  # by which it is a checkout
    return directory


@pytest.mark.skipif(not MEASURED, reason="no evidence lies beside the package")
def test_files_that_are_renamed_change_no_identity_and_a_factor_does(tmp_path):
    root = copied(tmp_path / "renamed")
    for old, new in RENAMED.items():
        (root / "kdlab" / old).rename(root / "kdlab" / new)
    for old, new in RENAMED.items():
        folder, stem = Path(old).parent.name, Path(old).stem
        for file in (root / "kdlab").rglob("*.py"):
            text = re.sub(rf"\b{folder}\.{stem}\b", f"{folder}.{Path(new).stem}", file.read_text(encoding="utf-8"))
            if (root / "kdlab" / old).parent in file.parents:
                text = text.replace(f".{stem} import", f".{Path(new).stem} import")
            file.write_text(text, "utf-8")
    counts = counted(root)
    rows = {name: len(pd.read_csv(root / "figures" / "data" / f"{name.replace('/', '_')}.csv")) for name in MEASURED}
    assert counts == {name: (rows[name], 0) for name in MEASURED}, "rows that count, and rows of another code"
    file = root / "kdlab" / "losses" / "softened.py"
    assert "* T * T" in file.read_text()
    file.write_text(file.read_text().replace("* T * T", "* T"))
    fresh, stale = counted(root, ["tour"])["tour"]
    assert fresh and stale, "labels only, and what distils with this loss"


def test_every_file_that_a_digest_names_exists():
    named = [*room.NEAR, *room.APART, *(path for paths in room.FAR_ROOMS.values() for path in paths)]
    assert [path for path in named if not (PACKAGE / path).exists()] == []
    files = [file for files in room.far_files().values() for file in files]
    assert len(files) == len(set(files)) and all(room.far_files().values())


NUMBERS = {  # edits that move a number of a run: (file, old, new)
    "weights of terms": ("methods/base.py", "name: float(weight)", "name: 3 * float(weight)"),
    "what is trained": ("methods/base.py", "for name in self.frozen:", "for name in (*self.frozen, 'model'):"),
    "views": ("methods/base.py", "family[role] for role in self.views", "family['clean'] for role in self.views"),
    "the fabric": ("experiment/device.py", "Fabric(", "(lambda **more: Fabric(**more))("),
    "metrics": ("metrics/__init__.py", "def evaluate(", "HALF = 0.5\n\n\ndef evaluate("),
    "what is stored": ("engine/run.py", '"labels": ', '"label_s": '),
    "tracking": ("engine/run.py", "def tracked(", "HALF = 0.5\n\n\ndef tracked("),
    "costs": ("metrics/cost.py", "def report(", "HALF = 0.5\n\n\ndef report("),
    "a default of Config": ("experiment/config.py", "decay_all: bool = Field(True", "decay_all: bool = Field(False"),
    "what is made of a field": ("experiment/config.py", "return self.seed if", "return 1 + self.seed if"),
    "another default": ("experiment/config.py", "weight_decay: float = Field(1e-2", "weight_decay: float = Field(1e-3"),
    "training state": ("engine/train.py", "class Training:", "HALF = 0.5\n\n\nclass Training:"),
    "setup": ("experiment/setup.py", "def extract(", "HALF = 0.5\n\n\ndef extract("),
    "seeds": ("core/seeds.py", "def derive(", "HALF = 0.5\n\n\ndef derive("),
    "arithmetic of losses": ("core/arithmetic.py", "x.float() if", "x.half() if"),
    "what no number depends on": ("plots/style.py", "def save(", "HALF = 0.5\n\n\ndef save("),
}
STORED = """
import sys, warnings
for root in sys.argv[1:]:
    for name in [name for name in sys.modules if name.partition(".")[0] == "kdlab"]:
        del sys.modules[name]
    sys.path.insert(0, root)
    import kdlab
    few = {"labels": 20, "width": 0.125, "epochs": 1, "steps": 1, "batch": 8}
    config = kdlab.Config(method="kd", teacher=kdlab.Config(**few), **few)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        folder = kdlab.run(config).folder.name
    print(folder, *[str(each.message).replace(" ", "_") for each in told if "other code" in str(each.message)])
"""


def test_no_edit_that_moves_numbers_gives_back_the_old_ones_without_a_word(tmp_path):
    roots = [tmp_path / "as it is"]
    copied(roots[0])
    for name, (file, old, new) in NUMBERS.items():
        roots.append(tmp_path / name)
        shutil.copytree(roots[0] / "kdlab", roots[-1] / "kdlab")
        path = roots[-1] / "kdlab" / file
        assert old in path.read_text(), f"{file} no longer has {old!r}"
        path.write_text(path.read_text().replace(old, new, 1))
    variables = {**os.environ, "KDLAB_RUNS": str(tmp_path / "runs"), "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", STORED, *map(str, roots)],
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, *others = [line.split() for line in done.stdout.splitlines()]
    assert len(first) == 1
    noticed = {name: words != first for name, words in zip(NUMBERS, others, strict=True)}
    assert noticed == {name: name != "what no number depends on" for name in NUMBERS}


EDITED = """
import sys, warnings
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import kdlab
few = {"labels": 20, "width": 0.125, "epochs": 1, "steps": 1, "batch": 8}
kdlab.run(kdlab.Config(**few)) if "loaded" in sys.argv else kdlab.Config
file = Path(kdlab.__file__).with_name("core") / "seeds.py"
if "edit" in sys.argv:
    file.write_text(file.read_text().replace("def derive(", "HALF = 0.5\\n\\n\\ndef derive(", 1))
with warnings.catch_warnings(record=True) as told:
    warnings.simplefilter("always")
    kdlab.run(kdlab.Config(**few, seed=1))
print([str(each.message) for each in told])
"""


@pytest.mark.parametrize("first", ["loaded", "fresh"])
def test_code_that_was_edited_after_it_was_loaded_is_not_recorded_as_the_new_one(tmp_path, first):
    root = copied(tmp_path / "copy")
    variables = {**os.environ, "KDLAB_RUNS": str(tmp_path / "runs"), "PYTHONPATH": "", "PYTHONDONTWRITEBYTECODE": "1"}

    def process(*words):
        command = [sys.executable, "-c", EDITED, str(root), *words]
        done = subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    said = process(first, "edit")
    assert "seeds.py was edited" in said, "the process that trains with the older code says so"
    assert "trained by other code" in process("fresh"), "and a process with the new code knows it"


def test_a_result_of_other_code_is_told_once_for_all_seeds(runs):
    results = kdlab.run_seeds(Config(**TINY), [0, 1])
    for result in results:
        assert changed_rooms(result.metrics) == []
        file = result.folder / "result.json"
        stored = json.loads(file.read_text())
        stored["code"]["far"]["models"] = "another"
        file.write_text(json.dumps(seal(stored, stored.pop("stored"))))  # not changed, but written by older code
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("default")
        again = kdlab.run_seeds(Config(**TINY), [0, 1])
    assert [str(each.message).partition("; ")[0] for each in notes] == [
        "a stored supervised was trained by other code: models"
    ]
    assert [each["test/accuracy"] for each in again] == [each["test/accuracy"] for each in results]
    assert list(kdlab.table()["other code"]) == ["models"] * 2
    assert kdlab.run(Config(**TINY), fresh=True).metrics["code"]["far"]["models"] != "another"
    assert sorted(kdlab.table()["other code"]) == ["", "models"]


def test_fresh_trains_the_whole_chain_anew_and_refuses_first(runs, monkeypatch):
    config = config_of("kd")
    first = kdlab.run(config)
    times = {f.parent.name: f.stat().st_mtime_ns for f in runs.glob("*/result.json")}
    with pytest.raises(kdlab.Error, match="less than one a class"):
        kdlab.run(config.replace(labels=5), fresh=True)
    again = kdlab.run(config, fresh=True)
    assert all(f.stat().st_mtime_ns > times[f.parent.name] for f in runs.glob("*/result.json")) and len(times) == 2
    assert again["test/accuracy"] == first["test/accuracy"]


def test_equal_hyper_parameters_are_one_run():
    assert key(STUDENT.replace(hp={"T": 2})) == key(STUDENT.replace(hp={"T": 2.0})) != key(STUDENT)


def test_a_run_that_goes_on_remembers_the_code_that_it_began_with(runs, monkeypatch):
    config = Config(**TINY)
    killed(config, monkeypatch, epoch=1, moment="save")
    (checkpoint,) = runs.glob("*/checkpoint.pt")
    state = torch.load(checkpoint)
    torch.save({**state, "far": {**state["far"], "loop": "another"}}, checkpoint)
    assert changed_rooms(kdlab.run(config).metrics) == ["loop"]


def test_a_table_believes_no_metric_that_has_changed(runs):
    result = kdlab.run(Config(**TINY))
    file = result.folder / "result.json"
    stored = json.loads(file.read_text())
    stored["code"]["metrics"]["accuracy"], stored["test/accuracy"] = "another", 99.99
    file.write_text(json.dumps(seal(stored, stored.pop("stored"))))  # not changed, but written by older code
    assert "test/accuracy" not in kdlab.table() and kdlab.run(Config(**TINY))["test/accuracy"] != 99.99


# Folders of version 0.1


def test_old_folders_are_shown_and_never_returned(runs):
    config = {**Config(**TINY).model_dump(mode="json"), "data": "cd60e6d1f0b3fe5f"}
    old = runs / "digits-litenet_dsc-supervised-0123456789ab"
    old.mkdir()
    (old / "config.json").write_text(json.dumps(config))
    (old / "result.json").write_text(json.dumps({"test_accuracy": 99.0, "labels": 20, "seconds": 1.0}))
    result = kdlab.run(Config(**TINY))
    frame = kdlab.table().set_index("folder")
    assert list(frame.kdlab[[old.name, result.folder.name]]) == ["0.1", kdlab.__version__]
    assert frame.loc[old.name, "test/accuracy"] == 99.0 and result["test/accuracy"] != 99.0


def test_assembled_methods_of_one_config_are_equal():
    a, b = (assemble(config_of("kd")).method.state_dict() for _ in range(2))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_folder_is_known_by_its_name_and_images_not_by_its_path(tmp_path, monkeypatch):
    for part, name in itertools.product(("train", "test"), ("cats", "dogs")):
        directory = tmp_path / "pets" / part / name
        directory.mkdir(parents=True)
        for i in range(6):
            Image.new("L", (8, 8), 40 * i).save(directory / f"{i}.png")
    monkeypatch.chdir(tmp_path)
    assert key(Config(dataset="folder:pets")) == key(Config(dataset=f"folder:{tmp_path / 'pets'}"))


def test_few_steps_are_told(runs):
    with pytest.warns(UserWarning, match="2 steps in all are few to learn from"):
        kdlab.run(Config(**{**TINY, "epochs": 1, "steps": None}))

"""run(): idempotent, unkillable, bit-identical; what stays behind after mistakes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings

import pytest
import torch
from killing import killed, outcome
from making import EPOCHS, TEACHER, TINY, TRAINED, config_of

import kdlab
from kdlab import Config, Error
from kdlab.engine import store

MOMENTS = [(1, "log"), (1, "save"), (2, "within"), (2, "log"), (2, "save"), (3, "log"), (3, "save")]
SMALL = {"student": "resnet8", "teacher": "resnet14"}  # few layers, as what they compute is not looked at
THOROUGH = {"kd", "moco", "lsskd", "fsp"}  # a frozen teacher, a queue and a slow copy, a table, two phases


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """Stored stages for all runs of this module that stand on the same ones."""
    return tmp_path_factory.mktemp("stages")


def with_stages(config, shared, root, monkeypatch):
    """Train what a run stands on, once for all, into `shared`, and copy it to `root`; give `root`."""
    monkeypatch.setenv("KDLAB_RUNS", str(shared))
    for stage in config.chain():
        if stage != config:
            folder = kdlab.run(stage).folder
            shutil.copytree(folder, root / folder.name, dirs_exist_ok=True)
    monkeypatch.setenv("KDLAB_RUNS", str(root))
    return root


@pytest.mark.parametrize("key", EPOCHS)
def test_continuation_is_bit_identical(key, runs, shared, monkeypatch):
    """Killed after an epoch's log line (before its checkpoint), after its checkpoint, and in the middle of one.

    Some methods in each epoch, the others once a kind.
    """
    config, again = config_of(key, **SMALL), runs / "again"
    through = with_stages(config, shared, runs / "through", monkeypatch)
    weights, log, metrics = outcome(config, through, monkeypatch)
    shutil.copytree(through, again)  # its stages are finished
    shutil.rmtree(again / kdlab.run(config).folder.name)
    monkeypatch.setenv("KDLAB_RUNS", str(again))
    for seed, (epoch, moment) in enumerate(MOMENTS if key in THOROUGH else MOMENTS[:3]):
        killed(config, monkeypatch, epoch, moment)
        torch.manual_seed(seed)  # whatever the next process's generators hold
    weights_again, log_again, metrics_again = outcome(config, again, monkeypatch)
    assert all(torch.equal(weights[name], weights_again[name]) for name in weights)
    assert log.equals(log_again) and metrics == metrics_again


def test_interrupted_in_the_middle_of_an_epoch_the_same_call_goes_on(runs, interrupts, monkeypatch):
    """As a cell whose kernel is interrupted, and that is run again."""
    config, steps, backward = Config(**TINY), [], torch.Tensor.backward
    weights, log, metrics = outcome(config, runs / "through", monkeypatch)
    monkeypatch.setenv("KDLAB_RUNS", str(runs / "again"))

    def interrupted(self, *given, **options):
        steps.append(self)
        if len(steps) == 2 * TINY["steps"]:
            signal.raise_signal(signal.SIGINT)
        return backward(self, *given, **options)

    monkeypatch.setattr(torch.Tensor, "backward", interrupted)
    with pytest.raises(KeyboardInterrupt):
        kdlab.run(config)
    again, log_again, metrics_again = outcome(config, runs / "again", monkeypatch)
    assert len(steps) == 2 * TINY["steps"] + 2 * TINY["steps"], "the first epoch is not trained again, the second is"
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    assert log.equals(log_again) and metrics == metrics_again


def test_a_run_that_stopped_within_an_epoch_goes_on_on_the_same_kind_of_device(runs, monkeypatch):
    monkeypatch.setattr(store, "WITHIN_SECONDS", 0.0)
    save = store.RunFolder.save

    def die(self, state):
        if state["within"]:
            assert state["within"]["drawn"] is False, "nothing here draws from the global generators"
            save(self, {**state, "within": {**state["within"], "device": "cuda", "drawn": True}})
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(store.RunFolder, "save", die)
        with pytest.raises(KeyboardInterrupt):
            kdlab.run(Config(**TINY))
    with pytest.raises(Error, match="stopped within an epoch on cuda, whose random numbers cpu does not have"):
        kdlab.run(Config(**TINY))
    assert kdlab.run(Config(**TINY), fresh=True)["epochs"] == TINY["epochs"]


@pytest.mark.parametrize("condition", ["threads", "torch", "none"])
@pytest.mark.parametrize("moment", ["within", "save"])
def test_what_goes_on_under_other_conditions_says_so(condition, moment, runs, monkeypatch):
    """Another number of threads, or another torch, computes other last digits than a run without a break has."""
    config, threads = Config(**TINY), torch.get_num_threads()
    with monkeypatch.context() as patch:
        if condition == "torch":
            patch.setattr(torch, "__version__", "2.1.7")
        torch.set_num_threads(3 if condition == "threads" else 1)
        try:
            killed(config, monkeypatch, 1, moment)
        finally:
            torch.set_num_threads(1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        kdlab.run(config)
    torch.set_num_threads(threads)
    said = [str(w.message) for w in caught if "goes on" in str(w.message)]
    notes = {"threads": "(threads 3 before, 1 now)", "torch": f"(torch 2.1.7 before, {torch.__version__} now)"}
    assert len(said) == (condition != "none")
    assert all(notes[condition] in each and "\n" not in each for each in said)


@pytest.mark.parametrize("key", TRAINED)
def test_half_precision_trains_with_losses_that_make_sense(key, runs, shared, monkeypatch):
    config = config_of(key, **SMALL, precision="bf16-mixed", epochs=1)
    with_stages(config, shared, runs, monkeypatch)
    result = kdlab.run(config)
    assert (result.log().filter(like="loss") >= 0).all(axis=None)


def test_a_finished_run_comes_back_without_training(runs, monkeypatch):
    first = kdlab.run(TEACHER)
    monkeypatch.setattr("kdlab.engine.run.fit", lambda *_: pytest.fail("trained again"))
    again = kdlab.run(Config(**TEACHER.model_dump()).replace(device="cpu"))
    assert again.metrics == first.metrics and again.folder == first.folder


def test_an_untrained_network_is_a_run_of_no_epochs(runs):
    result = kdlab.run(Config(**{**TINY, "epochs": 0, "omit": (3,)}))
    fresh = kdlab.models.build("litenet_dsc", 10, 1, 0.125, seed=kdlab.core.seeds.derive(0, "model")).eval()
    assert all(torch.equal(a, b) for a, b in zip(result.network().parameters(), fresh.parameters(), strict=True))
    assert (result["epochs"], result["images_seen"], len(result.log())) == (0, 0, 0) and result["test/accuracy"] > 0
    assert {"val/omitted", "test/omitted"} <= set(result.metrics)
    with pytest.raises(Error, match="epochs=0 trains nothing"):
        Config(epochs=0, patience=2)


def test_run_folder(runs):
    result = kdlab.run(config_of("litenet_ssd"))
    assert {f.name for f in result.folder.iterdir()} == {
        "config.json",
        "log.jsonl",
        "result.json",
        "weights.safetensors",
    }
    stored = json.loads((result.folder / "config.json").read_text())
    assert (
        stored["config"]["teacher"]["model"] == "resnet18" and stored["identity"]["config"]["method"] == "litenet_ssd"
    )
    log = result.log()
    assert list(log.epoch) == [1, 2, 3] and {"loss", "loss/ce", "loss/kd", "lr", "val/accuracy", "seconds"} <= set(log)
    assert result["images_seen"] == 3 * 2 * 2 * 32 and result["labels"] == 20
    assert result.network()(torch.zeros(1, 1, 8, 8)).shape == (1, 10)


def test_the_callers_generator_is_left_alone(runs):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    kdlab.run(TEACHER)
    assert torch.equal(torch.rand(2), expected)


def test_init_starts_from_the_other_runs_weights(runs):
    ssl = config_of("simclr", model="resnet18")
    start = kdlab.run(ssl).network().state_dict()
    tuned = kdlab.run(config_of("supervised", model="resnet18", init=ssl, lr=1e-9, epochs=1, weight_decay=0)).network()
    moved = [n for n, p in tuned.named_parameters() if not torch.allclose(p, start[n], atol=1e-6)]
    assert not moved, "a vanishing learning rate leaves the initial weights"


@pytest.mark.parametrize("damage", [lambda raw: raw[: len(raw) // 2], lambda raw: b"", lambda raw: b"\0" * len(raw)])
def test_a_damaged_checkpoint_falls_back_and_says_so(damage, runs, monkeypatch):
    config = config_of("supervised")
    weights, *_ = outcome(config, runs / "through", monkeypatch)
    monkeypatch.setenv("KDLAB_RUNS", str(runs / "cut"))
    killed(config, monkeypatch, 2, "save")
    (checkpoint,) = (runs / "cut").glob("*/checkpoint.pt")
    checkpoint.write_bytes(damage(checkpoint.read_bytes()))
    epochs = []
    original = store.RunFolder.log
    monkeypatch.setattr(store.RunFolder, "log", lambda self, line: (epochs.append(line["epoch"]), original(self, line)))
    with pytest.warns(UserWarning, match="is damaged"):
        again, *_ = outcome(config, runs / "cut", monkeypatch)
    assert epochs == [2, 3], "the checkpoint before the damaged one was used"
    assert all(torch.equal(weights[name], again[name]) for name in weights)


def test_a_foreign_run_folder_is_refused(runs):
    result = kdlab.run(TEACHER)
    about = json.loads((result.folder / "config.json").read_text())
    about["identity"]["config"]["batch"] = 9
    (result.folder / "config.json").write_text(json.dumps(about))
    with pytest.raises(Error, match=r"holds another run \(config.batch is 9 there, 8 here\)"):
        kdlab.run(TEACHER)


@pytest.mark.parametrize(
    "step, seconds, kept",
    [(4, 0.0, "the last good checkpoint is kept"), (1, 0.0, "nothing is kept"), (4, 1000.0, "nothing is kept")],
)
def test_a_loss_that_is_not_finite_names_term_and_step(runs, monkeypatch, step, seconds, kept):
    from kdlab.methods.supervised import Supervised

    original, calls = Supervised.terms, []

    def explode(self, batch, progress):
        calls.append(progress)
        terms = original(self, batch, progress)
        return terms if len(calls) != step else {"ce": terms["ce"] * float("nan")}

    monkeypatch.setattr(Supervised, "terms", explode)
    monkeypatch.setattr(kdlab.engine.store, "CHECKPOINT_SECONDS", seconds)
    with pytest.raises(Error, match=f"loss term ce became nan at step {step}: {kept}, try a smaller lr"):
        kdlab.run(TEACHER)
    if kept == "nothing is kept":
        assert not list(runs.glob("digits*")), "nothing half-written"
        return
    (folder,) = runs.glob("digits*")
    assert torch.load(folder / "checkpoint.pt")["epoch"] == 1 and not (folder / "result.json").exists()


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"labels": 5}, "less than one a class"),
        ({"labels": 5000}, "more than the 1,080 training images"),
        ({"dataset": "folder:missing"}, "there is no folder missing"),
        ({"device": "gpu"}, "choose auto, cpu, cuda"),
        ({"method": "litenet_ssd", "labels": None, "teacher": TEACHER}, "set a label budget"),
        ({"method": "kd", "teacher": TEACHER.replace(labels=5)}, "less than one a class"),
        ({"method": "kd", "teacher": TEACHER, "device": "cuda:99"}, "is not there"),
    ],
)
def test_mistakes_leave_nothing_behind(fields, message, runs):
    with pytest.raises(Error, match=message) as caught:
        kdlab.run(Config(**{**TINY, **fields}))
    assert "\n" not in str(caught.value) and not list(runs.iterdir())


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no alarm here")
@pytest.mark.parametrize("fields", [{"batch": 10**12}, {"steps": 10**12}, {"batch": 10**12, "steps": None}])
def test_batches_that_no_memory_holds_are_refused_at_once(fields, runs):
    def too_long(*_):
        raise TimeoutError("it draws for ever")

    before = signal.signal(signal.SIGALRM, too_long)
    signal.setitimer(signal.ITIMER_REAL, 5)
    try:
        kdlab.run(Config(**{**TINY, **fields}))
        said = "it trained"
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert said.startswith("Error: batches of ") and said.endswith(
        "give a smaller batch, fewer steps, or a smaller ratio"
    )
    assert "\n" not in said and not list(runs.iterdir())


def test_a_teacher_of_other_classes(runs, tmp_path_factory):
    from PIL import Image

    root = tmp_path_factory.mktemp("pets")
    for part in ("train", "test"):
        for name in ("cat", "dog"):
            (root / part / name).mkdir(parents=True)
            for i in range(4):
                Image.new("L", (8, 8), 60 * i).save(root / part / name / f"{i}.png")
    teacher = Config(dataset=f"folder:{root}", validation=0, width=0.125, epochs=1, model="resnet18")
    with pytest.raises(Error, match="teacher knows 2 classes and digits has 10"):
        kdlab.run(Config(method="kd", teacher=teacher, **TINY))
    assert not [p for p in runs.iterdir() if not p.name.startswith(".")], "refused before the teacher trained"


def test_without_git(runs, monkeypatch):
    monkeypatch.setenv("PATH", str(runs))
    assert kdlab.run(Config(**TINY))["environment"]["commit"] is None


def test_no_image_left_to_train_on(runs):
    with pytest.raises(Error, match="validation=0.999 leaves no image to train on"):
        kdlab.run(Config(**TINY, validation=0.999))


def test_fine_progress_does_not_depend_on_validation(runs):
    """Validation draws no random numbers: how often it happens leaves the weights alone."""
    a, b = (kdlab.run(config_of("supervised", evaluate_every=n)).network().state_dict() for n in (1, 3))
    assert all(torch.equal(a[name], b[name]) for name in a)


# Several processes

CODE = """
import sys, kdlab
from kdlab.engine import store
store.CHECKPOINT_SECONDS = 0.0
print(kdlab.run(kdlab.Config(**{fields!r}))["test/accuracy"], flush=True)
"""


def process(fields, root, **options):
    environment = {**os.environ, "KDLAB_RUNS": str(root), "KDLAB_PROGRESS": "0", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-c", CODE.format(fields=fields)], env=environment, text=True, **options)


def test_sigkill(runs, monkeypatch):
    fields = {**TINY, "epochs": 40, "model": "resnet18"}
    weights, *_ = outcome(Config(**fields), runs / "through", monkeypatch)
    victim = process(fields, runs / "cut")
    while not list((runs / "cut").glob("*/checkpoint.pt")):
        assert victim.poll() is None, "finished before it could be killed"
        time.sleep(0.01)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    assert not list((runs / "cut").glob("*/result.json")), "finished before it could be killed"
    again, *_ = outcome(Config(**fields), runs / "cut", monkeypatch)
    assert all(torch.equal(weights[name], again[name]) for name in weights)


def test_two_processes_train_one_run_once(runs):
    fields = {**TINY, "epochs": 10}
    both = [process(fields, runs, stdout=subprocess.PIPE) for _ in range(2)]
    said = [p.communicate()[0] for p in both]
    assert said[0] == said[1] != "" and all(p.returncode == 0 for p in both)
    (log,) = runs.glob("*/log.jsonl")
    assert len(log.read_text().splitlines()) == 10

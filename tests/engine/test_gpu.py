"""Whole runs on a GPU that is not there: it refuses what real ones refuse, and its numbers are those of the CPU."""

import contextlib
import warnings
from dataclasses import replace

import pytest
import torch
from fake_gpu import DEVICE, FakeGPU, Held, lacking
from killing import Kill
from making import EPOCHS, TINY, TRAINED, config_of
from own_images import animals

import kdlab
from kdlab import AUGMENTATIONS, METRICS, Config, Error
from kdlab.data import Batches, cache, load, split
from kdlab.data.photographs import Streamed
from kdlab.engine import store
from kdlab.engine.train import make_optimizer
from kdlab.experiment.device import make_fabric
from kdlab.methods.common.pretext import transformed
from kdlab.metrics.cost import latency

# As Apple's GPUs are: the scarcest that the package names. SGD, as Adam's first steps make much of rounding
APPLE = {"dtypes": [torch.float64], "operators": lacking("MPS")}
TASK = {**TINY, "epochs": 2, "optimizer": "sgd", "lr": 0.001, "validation": 0.05}
SMALL = {"student": "resnet8", "teacher": "resnet14"}
REQUESTED = [name for name, metric in METRICS.items() if metric.due == "request"]  # the others the run computes
TIMES = ("seconds", "cpu_seconds", "images_per_second")


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    """Runs folders of the CPU and of the device, where the stages that several methods stand on are trained once."""
    return {name: tmp_path_factory.mktemp(name) for name in ("cpu", "fake")}


@pytest.fixture(autouse=True)
def tiny(monkeypatch):
    """Small runs of every method, with a checkpoint after every epoch."""
    monkeypatch.setattr("making.TINY", TASK)
    monkeypatch.setattr(store, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(store, "CHECKPOINT_SHARE", float("inf"))
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trained(config, root, monkeypatch, gpu=None, dies=()):
    """`kdlab.run` in a folder, on the CPU or on the device, after it was `interrupted` at each of the moments `dies`.

    What the device refuses is a failure of the test.
    """
    for moment in dies:
        interrupted(config, root, monkeypatch, gpu, *moment)
    with going_on(config, root, monkeypatch, gpu) as config:
        result = kdlab.run(config)
        result.metrics.update(kdlab.evaluate(result.setup(), "test", REQUESTED))
    return result


def interrupted(config, root, monkeypatch, gpu, epochs, within):
    """A run that is killed when it has a checkpoint of so many epochs, or `within` the next one."""
    save = store.RunFolder.save

    def kill(self, state):
        save(self, state)
        if self.config == config and (state["epoch"], bool(state["within"])) == (epochs, within):
            raise Kill

    with monkeypatch.context() as patch, going_on(config, root, monkeypatch, gpu) as config:
        patch.setattr(store.RunFolder, "save", kill)
        patch.setattr(store, "WITHIN_SECONDS", 0.0 if within else float("inf"))
        with pytest.raises(Kill):
            kdlab.run(config)


@contextlib.contextmanager
def going_on(config, root, monkeypatch, gpu):
    """Inside, runs lie in a folder, on the device or on the CPU: gives the config that says so."""
    monkeypatch.setenv("KDLAB_RUNS", str(root))
    with warnings.catch_warnings(), gpu or contextlib.nullcontext():
        warnings.filterwarnings("ignore", ".*steps in all are few|.*goes on from a checkpoint")
        try:
            yield config if gpu else config.replace(device="cpu")
        except (TypeError, NotImplementedError, RuntimeError) as error:
            pytest.fail(f"{type(error).__name__}: {error}")


def assert_alike(ours, theirs):
    """Losses, metrics and weights of two results agree, but for rounding and what a rounded logit can turn."""
    for name, value in ours.metrics.items():
        other = theirs.metrics[name]
        if isinstance(value, float) and name not in TIMES:
            unit = METRICS[name.split("/")[1]].unit if name.count("/") and name.split("/")[1] in METRICS else ""
            assert value == pytest.approx(other, rel=1e-3, abs=5 if unit == "%" else 1e-3), name
    a, b = (result.log() for result in (ours, theirs))
    assert list(a.epoch) == list(b.epoch) == [1, 2] and set(a) == set(b)
    for name in (column for column in a if column.startswith(("loss", "train/")) or column == "lr"):
        assert a[name].to_list() == pytest.approx(b[name].to_list(), rel=1e-3, abs=1e-4), name
    weights, others = (result.network().state_dict() for result in (ours, theirs))
    torch.testing.assert_close(weights, others, atol=1e-4, rtol=1e-3)


KINDS = (  # one of each: labels, two views, a queue, a slow copy, a head, maps, a bank, tables, turns, phases
    "supervised",
    "simclr",
    "moco",
    "byol",
    "kd",
    "fitnet",
    "crd",
    "litenet_ssd",
    "pskd",
    "lsskd",
    "sskd",
    "seed_kd",
)
ALL_OF_THEM = [key if key in KINDS else pytest.param(key, marks=pytest.mark.thorough) for key in EPOCHS]


@pytest.mark.parametrize("key", ALL_OF_THEM)
def test_every_method_ends_there_with_the_numbers_of_the_cpu(key, roots, monkeypatch):
    """Whole chains, killed within an epoch and after one, and continued; with evaluations, probes, checkpoints.

    The host waits for whole tensors alone, between steps: for no number, no size, and for nothing in a loss; a measure
    of an epoch may wait for its number.
    """
    config, gpu = config_of(key, **SMALL), FakeGPU(**APPLE)
    ours = trained(config, roots["fake"], monkeypatch, gpu, dies=[(0, True), (1, False)])
    assert ours["environment"]["device"] == str(DEVICE)
    steps = ("data", "loss", "method")
    numbers = [place for what, place in gpu.waits if not what.startswith("copy")]
    assert not [place for _, place in gpu.waits if place.startswith(steps)]
    assert all(place.startswith("metrics") and numbers.count(place) <= config.epochs + 2 for place in numbers)
    theirs = trained(config, roots["cpu"], monkeypatch)
    assert theirs["environment"]["device"] == "cpu" and ours.folder.name == theirs.folder.name
    assert_alike(ours, theirs)


PLACES = {"to the device": ("cpu", "fake"), "to the CPU": ("fake", "cpu")}


NAMES = {"cpu": "cpu", "fake": str(DEVICE)}


def on(place):
    return FakeGPU(**APPLE) if place == "fake" else None


@pytest.mark.parametrize("key", ["kd", "moco"])
@pytest.mark.parametrize("way", PLACES)
def test_a_checkpoint_after_an_epoch_goes_on_elsewhere(key, way, roots, tmp_path, monkeypatch):
    first, then = PLACES[way]
    config = config_of(key, **SMALL)
    interrupted(config, tmp_path, monkeypatch, on(first), 1, within=False)
    moved = trained(config, tmp_path, monkeypatch, on(then))
    assert moved["environment"]["device"] == NAMES[then]
    assert_alike(moved, trained(config, roots["cpu"], monkeypatch))


@pytest.mark.parametrize("way", PLACES)
def test_within_an_epoch_only_what_draws_on_the_device_stays_there(way, roots, tmp_path, monkeypatch):
    first, then = PLACES[way]
    config = config_of("supervised", **SMALL)
    interrupted(config, tmp_path, monkeypatch, on(first), 0, within=True)
    moved = trained(config, tmp_path, monkeypatch, on(then))
    assert moved["environment"]["device"] == NAMES[then]
    assert_alike(moved, trained(config, roots["cpu"], monkeypatch))
    shuffles = config_of("moco", **SMALL)  # its keys
    interrupted(shuffles, tmp_path, monkeypatch, on(first), 0, within=True)
    refused = pytest.raises(Error, match="stopped within an epoch on")
    with going_on(shuffles, tmp_path, monkeypatch, on(then)) as same, refused:
        kdlab.run(same)


@pytest.mark.parametrize("way", PLACES)
def test_a_run_that_moves_says_so(way, tmp_path, monkeypatch):
    first, then = PLACES[way]
    config = config_of("supervised", **SMALL)
    interrupted(config, tmp_path, monkeypatch, on(first), 1, within=False)
    with going_on(config, tmp_path, monkeypatch, on(then)) as same, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        kdlab.run(same)
    said = [str(w.message) for w in caught if f"device {first} before, {then} now" in str(w.message)]
    assert len(said) == 1 and "\n" not in said[0]


@pytest.mark.parametrize("way", PLACES)
def test_what_is_stored_is_used_elsewhere(way, tmp_path, monkeypatch):
    """Results come back, networks load, metrics are computed, and a student learns from a teacher of the other one."""
    first, then = PLACES[way]
    config = config_of("kd", **SMALL)
    teacher = trained(config.teacher, tmp_path, monkeypatch, on(first))
    with going_on(config.teacher, tmp_path, monkeypatch, on(then)) as same:
        again = kdlab.run(same)
        assert again["environment"] == teacher["environment"], "trained anew"
        assert again.measure(["test/accuracy"]) == pytest.approx({"test/accuracy": teacher["test/accuracy"]}, abs=1)
        assert kdlab.transfer(again, "digits", shots=2, seeds=[0]).shape[0] == 1
        for net in (again.network(), again.setup().method.model):
            assert latency(net, (1, 8, 8), runs=2, warm_up=0)["median_ms"] > 0
    student = trained(config, tmp_path, monkeypatch, on(then))
    assert student["environment"]["device"] == NAMES[then] and student["epochs"] == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"patience": 1, "track_test": True},
        {"cutout": 4, "cutmix": 0.5, "optimizer": "lars"},
        {"augment": "simclr", "optimizer": "adamw", "lr": 1e-6},
        {"augment": "as_released", "optimizer": "adam", "lr": 1e-6},
        {"noise": 0.2, "imbalance": 2.0, "labels": 60, "model": "litenet_dsc"},
    ],
    ids="-".join,
)
def test_what_runs_can_have_beside_methods(fields, roots, monkeypatch):
    config = Config(**{**TASK, "model": "resnet8", **fields})
    ours = trained(config, roots["fake"], monkeypatch, FakeGPU(**APPLE))
    assert_alike(ours, trained(config, roots["cpu"], monkeypatch))


def test_photographs_go_there(roots, tmp_path, monkeypatch):
    place = animals(tmp_path / "pets", lambda: (20, 24), count=8)
    task = {**TASK, "dataset": f"photographs:{place}", "size": 16, "labels": None, "validation": 0.2, "batch": 4}
    config = Config(**{**task, "model": "resnet8"})
    ours = trained(config, roots["fake"], monkeypatch, FakeGPU(**APPLE))
    assert_alike(ours, trained(config, roots["cpu"], monkeypatch))


def test_it_is_watched_as_on_the_cpu(roots, monkeypatch):
    config, views = config_of("kd", **SMALL), {}
    for name, root in roots.items():
        with going_on(config, root, monkeypatch, on(name)) as same:
            views[name] = kdlab.watch(same, lambda setup: (setup.features("test").logits, str(setup.device)))
        assert [place for _, place in views[name]] == [NAMES[name]] * 3
    for (a, _), (b, _) in zip(*views.values(), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("name, key", [("similarity", "simclr"), ("targets", "lsskd")])
def test_explorers_look_at_runs_there(name, key, roots, monkeypatch):
    with going_on(config_of(key, **SMALL), roots["fake"], monkeypatch, FakeGPU(**APPLE)) as config:
        explorer = getattr(kdlab.widgets, name)(kdlab.run(config))
        assert "kdlab.widgets" in explorer.code


def batches_there(make):
    """Two epochs of batches, made on the device, and how often the host waited for it to make them."""
    with FakeGPU(**APPLE) as gpu:
        batches = make(DEVICE)
        gpu.waits.clear()
        made = [batch for epoch in range(2) for batch in batches.epoch(3, epoch)]
        waits = dict(gpu.waits)
        return [[x.cpu() for x in batch if x is not None] for batch in made], waits


def assert_batches_alike(make):
    """No batch waits for the device, and its bits are those of the CPU."""
    ours, waits = batches_there(make)
    theirs = [[x for x in batch if x is not None] for epoch in range(2) for batch in make("cpu").epoch(3, epoch)]
    assert waits == {} and len(ours) == len(theirs)
    assert all(torch.equal(a, b) for x, y in zip(ours, theirs, strict=True) for a, b in zip(x, y, strict=True))


@pytest.mark.parametrize("options", [{}, {"cutout": 4, "cutmix": 0.5}], ids=["plain", "mixed"])
@pytest.mark.parametrize("family", AUGMENTATIONS)
def test_batches_of_every_family_wait_for_nothing(family, options):
    roles = AUGMENTATIONS[family]
    images = load("digits", 12)
    data = split(replace(images, train_x=images.train_x.expand(-1, 3, -1, -1), mean=(0.5,), std=(0.2,)), 200)
    for views, shared, sampling in (
        (["weak", "strong", "second"], None, "pairs"),
        (["crop"] * 4, "flip", "labelled+unlabelled"),
    ):
        ready = {"shared": roles[shared] if shared else None, "sampling": sampling, "batch": 16, "steps": 2, **options}
        assert_batches_alike(lambda device, v=views, r=ready: Batches(data, [roles[x] for x in v], device=device, **r))


@pytest.mark.parametrize("transform", ["paper", "color_drop", "crop", "color_jitter"])
def test_batches_of_transformed_versions_wait_for_nothing(transform):
    views = transformed([AUGMENTATIONS["digits"]["crop"]] * 4, transform)
    data = split(load("digits"), 200)
    assert_batches_alike(lambda device: Batches(data, views, sampling="labelled", batch=16, steps=2, device=device))


@pytest.mark.parametrize("kind", ["photographs", "folder"])
def test_batches_of_images_on_a_disk_wait_for_nothing(kind, tmp_path, monkeypatch):
    place = animals(tmp_path / "pets", lambda: (20, 24), count=20)
    monkeypatch.setenv("KDLAB_CACHE", str(tmp_path / "kept"))
    monkeypatch.setattr(cache, "FEW", 50)
    monkeypatch.setenv("KDLAB_MEMORY", "0.001")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*streams")
        data = split(load(f"{kind}:{place}", 16))
    assert isinstance(data.x, Streamed)
    roles = AUGMENTATIONS["photographs"]
    for views, shared in (["strong", "second"], None), (["crop"] * 4, "flip"):
        ready = {"shared": roles[shared] if shared else None, "sampling": "all", "batch": 8, "steps": 2, "cutmix": 0.5}
        assert_batches_alike(lambda device, v=views, r=ready: Batches(data, [roles[x] for x in v], device=device, **r))


@pytest.mark.parametrize("key", TRAINED)
def test_batches_of_every_method_wait_for_nothing(key):
    config = config_of(key, **SMALL)
    assert batches_there(lambda device: kdlab.assemble(config).batches)[1] == {}


def test_latency_waits_for_the_device(monkeypatch):
    """Else it is the time to launch, not to compute."""
    with FakeGPU() as gpu:
        net = kdlab.assemble(config_of("supervised", **SMALL)).method.model
        gpu.waits.clear()
        assert latency(net, (1, 8, 8), runs=3, warm_up=1)["device"] == str(DEVICE)
        assert sum(count for (what, _), count in gpu.waits.items() if what == "synchronize") == 4


# Where the host waits


def waits_of(gpu, do):
    """Where the host waits while something is done, and what it gives."""
    gpu.waits.clear()
    value = do()
    return {place: count for (_, place), count in gpu.waits.items()}, value


@pytest.mark.parametrize("key, hp", [("crd", {}), ("lsskd", {}), ("lsskd", {"past": "snapshot"})])
def test_a_step_on_mixed_images_does_not_wait(key, hp):
    """Losses, gradients, the optimiser, and what moves on behind it."""
    with FakeGPU(**APPLE) as gpu:
        config = config_of(key, **SMALL, hp=hp, cutmix=0.5)
        setup = kdlab.assemble(config)
        module, optimizer = make_fabric(config).setup(setup.method.train(), make_optimizer(setup.method, config))
        for batch in setup.batches.epoch(0, 0):
            gpu.waits.clear()
            loss, _ = module(batch, 0.0)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            setup.method.after_step(0.0)
            assert not gpu.waits
        setup.method.after_epoch(0.5)
        assert not gpu.waits


@pytest.mark.parametrize("key", ["kd", "simclr", "lsskd"])
def test_a_metric_waits_at_most_once(key):
    with FakeGPU(**APPLE) as gpu:
        setup = kdlab.assemble(config_of(key, **SMALL))
        for name in METRICS:
            waits, columns = waits_of(gpu, lambda: kdlab.evaluate(setup, "val", [name]))  # noqa: B023
            assert sum(waits.values()) == bool(columns), (name, waits)
        waits, _ = waits_of(gpu, lambda: kdlab.evaluate(setup, "val", ["accuracy", "top5", "per_class", "nll", "ece"]))
        assert sum(waits.values()) == setup.method.trains_head, "what needs logits alone shares them"


def test_weights_travel_in_one_piece(roots, monkeypatch):
    config = config_of("lsskd", **SMALL)
    with going_on(config, roots["fake"], monkeypatch, FakeGPU(**APPLE)) as config, FakeGPU(**APPLE) as gpu:
        result = kdlab.run(config)
        waits, setup = waits_of(gpu, result.setup)
        assert not waits, "on their way to the device the host goes on"
        folder = store.RunFolder(config, result.chain)
        for do in (
            lambda: kdlab.metrics.diagnose(1, setup),
            lambda: folder.finish(setup.method, {"test/accuracy": 1.0}),
            lambda: folder.save({"epoch": 0, "method": setup.method.state_dict()}),
        ):
            waits, _ = waits_of(gpu, do)
            assert sum(waits.values()) == 1, waits


# The device itself


def test_tensors_of_two_devices_do_not_meet():
    with FakeGPU() as gpu:
        x, y = torch.arange(6.0), torch.arange(6.0, device="fake:0")
        assert y.device == DEVICE and isinstance(y, Held) and torch.equal((y + 1).cpu(), x + 1)
        assert (y * torch.tensor(2.0)).sum().item() == 30, "a single number of the host may"
        for meet in (lambda: x + y, lambda: y[torch.tensor([0, 1])] + x[:2], lambda: torch.stack([x, y])):
            with pytest.raises(RuntimeError, match="on the same device"):
                meet()
        with pytest.raises(TypeError, match="copy it to the host"):
            y.numpy()
    assert gpu.calls["add"] >= 1


def test_what_it_lacks_raises_and_names_the_line():
    with FakeGPU(**APPLE):
        x = torch.randn(4, 3, device="fake")
        with pytest.raises(TypeError, match="float64"):
            x.double()
        with pytest.raises(TypeError, match="float64"):
            torch.zeros(3, dtype=torch.float64, device="fake")
        with pytest.raises(NotImplementedError, match="_pdist_forward"):
            torch.pdist(x)
        assert torch.pdist(x.cpu().double()).shape == (6,)
    assert {"_pdist_forward", "linalg_eig"} <= lacking("MPS") and not {"add", "convolution", "mm"} & lacking("MPS")
    assert "_pdist_forward" not in lacking("CUDA")


def test_waits_are_counted():
    with FakeGPU() as gpu:
        x = torch.arange(4.0, device="fake")
        before = sum(gpu.waits.values())
        y = (x * 2).relu().index_select(0, torch.arange(2, device="fake"))
        assert sum(gpu.waits.values()) == before, "the host goes ahead"
        for wait in (y.sum().item, y.tolist, y.cpu, y.nonzero, lambda: y[y > 1], lambda: bool(y.sum())):
            before = sum(gpu.waits.values())
            wait()
            assert sum(gpu.waits.values()) > before


def test_gradients_optimisers_files_and_draws_are_those_of_the_cpu(tmp_path):
    def steps(device):
        torch.manual_seed(0)
        draw = torch.Generator(device).manual_seed(3)
        net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4), torch.nn.Flatten())
        net = net.to(device).to(memory_format=torch.channels_last)
        optimizer = torch.optim.AdamW(net.parameters(), fused=True)
        for _ in range(3):
            x = torch.randn(5, 3, 8, 8, generator=draw, device=device)
            optimizer.zero_grad()
            net(x).square().mean().backward()
            optimizer.step()
        torch.save(net.state_dict(), tmp_path / "net.pt")
        return torch.load(tmp_path / "net.pt", map_location="cpu", weights_only=True)

    with FakeGPU(dtypes=[torch.float64]):
        ours = steps("fake:0")
    assert type(ours["0.weight"]) is torch.Tensor
    for name, tensor in steps("cpu").items():
        torch.testing.assert_close(ours[name], tensor, atol=1e-3, rtol=1e-3)  # the first steps make much of rounding


def test_outside_the_device_is_gone():
    generator, fabric = torch.Generator, __import__("lightning_fabric").Fabric
    with FakeGPU():
        assert kdlab.assemble(Config()).device == DEVICE and kdlab.assemble(Config(device="cpu")).device.type == "cpu"
    assert torch.Generator is generator and __import__("lightning_fabric").Fabric is fabric
    assert kdlab.assemble(Config()).device.type != DEVICE.type

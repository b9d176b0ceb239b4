"""Runs that stand on runs of other images: whose classes, whose mean and deviation, whose size."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from kdlab import DATASETS, METHODS, Config, Error, assemble, run
from kdlab.data import Normalise, load
from kdlab.experiment.catalogue import pipeline
from kdlab.metrics import agreement, divergence

DRAW = np.random.default_rng(0)
TINY = {"model": "resnet8", "width": 0.25, "epochs": 1, "steps": 4, "batch": 8, "validation": 0.0, "augment": "none"}


@pytest.fixture(autouse=True)
def nothing_kept(runs, monkeypatch):
    """Run folders of this test alone, and photographs decoded by this process."""
    monkeypatch.setenv("KDLAB_WORKERS", "0")
    load.cache_clear()
    yield
    load.cache_clear()


def write(root, classes=("a", "b", "c"), side=8, light=None, mode="RGB"):
    """PATH/train and PATH/test with four noisy pictures a class; `light`: a mean brightness for each class."""
    for part in ("train", "test"):
        for k, name in enumerate(classes):
            (root / part / name).mkdir(parents=True)
            for i in range(4):
                grey = DRAW.normal(light[k] if light else 128, 30, (side, side, len(mode)))
                pixels = grey.clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels if len(mode) == 3 else pixels[..., 0]).save(root / part / name / f"{i}.png")
    return root


# Classes


@pytest.mark.parametrize(
    "theirs, own, words",
    [
        (("a", "b", "c"), ("a", "c", "x"), ("(a, b, c)", "(a, c, x)")),
        (("a", "b", "c"), ("x", "y", "z"), ("(a, b, c)", "(x, y, z)")),
        (("a", "b"), ("a", "b", "c"), ("knows 2 classes", "has 3", "there (a, b)", "here (a, b, c)")),
    ],
)
def test_a_teacher_of_other_classes_is_refused_with_both_lists(theirs, own, words, tmp_path):
    teacher = Config(dataset=f"folder:{write(tmp_path / 'A', theirs)}", **TINY)
    config = Config(method="kd", dataset=f"folder:{write(tmp_path / 'B', own)}", teacher=teacher, **TINY)
    with pytest.raises(Error) as caught:
        run(config)
    assert all(word in str(caught.value) for word in words), caught.value
    assert not [folder for folder in tmp_path.iterdir() if "resnet8" in folder.name], "nothing is trained before"


def reordered(images, order):
    """The same images, their classes numbered in another order."""
    rank = torch.tensor(order).argsort()
    names = tuple(images.classes[k] for k in order)
    return replace(images, name="other", classes=names, train_y=rank[images.train_y], test_y=rank[images.test_y])


@pytest.fixture
def turned(monkeypatch):
    """The digits, numbered from 9 down to 0."""
    images = reordered(load("digits"), list(range(9, -1, -1)))
    monkeypatch.setitem(DATASETS, "turned", lambda: images)
    return "turned"


def test_the_same_classes_in_another_order_are_refused_and_said_to_be(turned):
    teacher = Config(dataset=turned, **TINY)
    for stages in ({"teacher": teacher}, {"teacher": Config(method="kd", teacher=teacher, **TINY)}):
        with pytest.raises(Error, match=r"9, 8, 7.*0, 1, 2.*the same ones in another order"):
            assemble(Config(method="kd", **stages, **TINY))


@pytest.mark.parametrize("classes", ["turned", "folder"])
def test_a_head_of_other_classes_stays_new(classes, turned, tmp_path):
    if classes == "folder":
        first = Config(dataset=f"folder:{write(tmp_path / 'A')}", **TINY)
        config = Config(dataset=f"folder:{write(tmp_path / 'B', ('a', 'c', 'x'))}", init=first, **TINY)
    else:
        first, config = Config(dataset=turned, **TINY), Config(init=Config(dataset=turned, **TINY), **TINY)
    start, new, trained = (
        run(c).network() for c in (config.replace(epochs=0), config.replace(init=None, epochs=0), first)
    )
    assert torch.equal(start.head.weight, new.head.weight), "the head is that of a new network"
    assert torch.equal(start.stem[0].weight, trained.stem[0].weight), "all else is what was trained"


def test_a_head_of_the_same_classes_goes_on():
    first = Config(**TINY)
    start = run(Config(init=first, **{**TINY, "epochs": 0})).network()
    assert torch.equal(start.head.weight, run(first).network().head.weight)


@pytest.mark.parametrize("method", ["sskd_head", "hsakd_branches"])
def test_a_classifier_that_nobody_trains_any_more_keeps_its_classes(method, turned):
    with pytest.raises(Error, match=r"leaves the network as its init trained it.*in another order"):
        assemble(Config(method=method, init=Config(dataset=turned, **TINY), **TINY))


def test_many_classes_are_named_from_the_first_that_differs(monkeypatch):
    digits = load("digits")
    for name, last in (("one", "k39"), ("other", "last")):
        images = replace(digits, classes=(*(f"k{i}" for i in range(39)), last))
        monkeypatch.setitem(DATASETS, name, lambda images=images: images)
    teacher = Config(dataset="one", **TINY)
    with pytest.raises(Error, match=r"from number 39 on k39\).*from number 39 on last\)"):
        assemble(Config(method="kd", dataset="other", teacher=teacher, **TINY))


def test_channels_that_differ_are_refused(tmp_path):
    grey, colour = write(tmp_path / "A", mode="L"), write(tmp_path / "B")
    teacher = Config(dataset=f"folder:{grey}", **TINY)
    with pytest.raises(Error, match="the teacher sees 1 channels and folder:.* has 3: they must be the same"):
        assemble(Config(method="kd", dataset=f"folder:{colour}", teacher=teacher, **TINY))


# Mean and deviation


@pytest.fixture
def dark_and_light(tmp_path):
    """Two folders of the same classes, dark and light pictures."""
    dark, light = (write(tmp_path / name, light=light) for name, light in (("A", (30, 60, 90)), ("B", (150, 190, 230))))
    return f"folder:{dark}", f"folder:{light}"


def by_its_own_numbers(teacher, images, ask):
    """What a trained network answers to images that are normalised as it knows it."""
    own = run(teacher)
    with torch.no_grad():
        return ask(own.network(), Normalise(own.images.mean, own.images.std)(images.float() / 255))


def test_a_teacher_is_asked_and_measured_with_its_own_numbers(dark_and_light):
    dark, light = dark_and_light
    teacher = Config(dataset=dark, **{**TINY, "epochs": 5})
    result = run(Config(method="kd", dataset=light, teacher=teacher, **TINY))
    logits = by_its_own_numbers(teacher, result.images.test_x, lambda net, x: net(x))
    ours = result.test_features().logits
    measured = [result[f"test/{name}"] for name in ("agreement", "kl_1", "kl_4")]
    expected = [agreement(ours, logits), *(divergence(ours, logits, T) for T in (1.0, 4.0))]
    assert measured == pytest.approx(expected, abs=2e-4)


@pytest.mark.parametrize("method", ["kd", "ab_init", "fsp_init"])
def test_every_way_to_ask_a_teacher_goes_by_its_own_numbers(method, dark_and_light):
    dark, light = dark_and_light
    teacher = Config(dataset=dark, **TINY)
    result = run(Config(method=method, dataset=light, teacher=teacher, **TINY))
    setup = result.setup()
    x = setup.normalise(result.images.test_x)
    for ask in (
        lambda net, x: net(x),
        lambda net, x: net.features(x).maps[0],
        lambda net, x: net.preactivations(x)[-1],
        lambda net, x: net.stem(x),
    ):
        with torch.no_grad():
            answers = ask(setup.method.teacher, x)
        assert torch.allclose(answers, by_its_own_numbers(teacher, result.images.test_x, ask), atol=1e-4)


@pytest.mark.parametrize("method", [key for key, method in METHODS.items() if method.needs_parts])
def test_what_a_teacher_kept_beside_it_is_asked_like_it(method, dark_and_light):
    dark, light = dark_and_light
    if method == "ft":
        dark, light = ({"dataset": name, "size": 16} for name in (dark, light))
    else:
        dark, light = ({"dataset": name} for name in (dark, light))
    config = pipeline(method, {**TINY, **light}, {**TINY, **dark})
    setup = run(config).setup()
    head = run(config.teacher)
    x = head.images.test_x
    theirs, own = setup.method.teacher, head.network()
    with torch.no_grad():
        answers, known = (
            theirs.features(setup.normalise(x)),
            own.features(Normalise(head.images.mean, head.images.std)(x)),
        )
    assert torch.allclose(answers.pooled, known.pooled, atol=1e-4)
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(answers.maps, known.maps, strict=True))


def test_the_teachers_own_run_is_untouched(dark_and_light):
    """Assembling a student changes nothing in its teacher, which still reads images by its own numbers."""
    dark, light = dark_and_light
    teacher = Config(dataset=dark, **TINY)
    alone = run(teacher)["test/nll"]
    setup = run(Config(method="kd", dataset=light, teacher=teacher, **TINY)).setup()
    stage = setup.nested["teacher"]
    assert stage.features("test").logits.allclose(run(teacher).test_features().logits, atol=1e-5)
    assert not any(module.training for module in setup.method.teacher.modules())
    assert run(teacher, fresh=True)["test/nll"] == alone


def test_a_teacher_of_the_same_images_is_the_network_itself():
    setup = assemble(Config(method="kd", teacher=Config(**TINY), **TINY))
    assert setup.method.teacher is setup.nested["teacher"].method.model


@pytest.mark.parametrize("method", ["supervised", "sskd_head"])
def test_a_network_reads_other_images_as_the_run_that_it_starts_from(method, dark_and_light):
    """Also one run further on, and at another size; every way to look at the run goes by these numbers."""
    dark, light = dark_and_light
    first = Config(dataset=dark, **TINY)
    second = Config(dataset=light, init=first, **{**TINY, "epochs": 0})
    config = Config(dataset=light, method=method, size=16, init=second, **{**TINY, "epochs": 0})
    result, numbers = run(config), (run(first).images.mean, run(first).images.std)
    with torch.no_grad():
        logits = run(first).network()(Normalise(*numbers)(result.images.test_x))
    assert torch.allclose(result.test_features().logits, logits, atol=1e-5)
    assert torch.allclose(result.setup().features("test").logits, logits, atol=1e-5)
    assert (result.network().mean, result.network().std) == numbers != (result.images.mean, result.images.std)
    right = (logits.argmax(1) == result.images.test_y).double().mean().item()
    assert result["test/accuracy"] == pytest.approx(100 * right)


def test_what_is_trained_further_on_other_images_keeps_its_numbers(dark_and_light):
    """Batches of training included, and a teacher of the new images is asked by its own."""
    dark, light = dark_and_light
    first, teacher = Config(dataset=dark, **TINY), Config(dataset=light, **TINY)
    result = run(Config(method="kd", dataset=light, init=first, teacher=teacher, **TINY))
    setup, own = result.setup(), result.images
    batch = next(iter(setup.batches.epoch(0, 0)))
    dark_numbers = Normalise(run(first).images.mean, run(first).images.std)
    assert torch.allclose(batch.x[0], dark_numbers(setup.data.x[batch.index]), atol=1e-5)
    answers = setup.teacher_features("test").logits
    assert torch.allclose(answers, by_its_own_numbers(teacher, own.test_x, lambda net, x: net(x)), atol=1e-4)


def test_an_init_normalises_as_the_run_that_goes_on():
    for theirs, own in ((True, False), (False, True)):
        with pytest.raises(Error, match=f"normalise={theirs}, this run has normalise={own}.*give both the same"):
            run(Config(normalise=own, init=Config(normalise=theirs, **TINY), **TINY))


# Sizes


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    """A folder of pictures, by all the ways that lead to it."""
    write(tmp_path / "home" / "pets", side=16)
    (tmp_path / "link").symlink_to(tmp_path / "home" / "pets")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home" / "pets"


WAYS = ["folder:{}", "photographs:{}", "folder:home/pets", "folder:~/pets", "folder:link", "photographs:./home/../link"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", ["folder", "photographs"])
def test_one_folder_at_two_sizes_is_refused_however_one_gets_there(way, kind, pictures):
    teacher = Config(dataset=f"{kind}:{pictures}", size=32, **TINY)
    with pytest.raises(Error, match="size=32.*size=16.*give both the same"):
        Config(method="kd", dataset=way.format(pictures), size=16, teacher=teacher, **TINY)


def test_a_size_of_its_own_is_a_size(pictures):
    teacher = Config(dataset=f"photographs:{pictures}", **TINY)  # at 224 pixels
    with pytest.raises(Error, match="trained on photographs:.* at 224 x 224 pixels.* 16 x 16: give both the same size"):
        assemble(Config(method="kd", dataset=f"folder:{pictures}", teacher=teacher, **TINY))


@pytest.mark.parametrize("theirs, own", [("stl10", "stl10:train+unlabeled"), ("stl10:train+unlabeled", "stl10")])
def test_parts_of_one_data_set_at_two_sizes_are_refused(theirs, own):
    teacher = Config(dataset=theirs, size=96, **TINY)
    with pytest.raises(Error, match="size=96.*size=32.*give both the same"):
        Config(method="kd", dataset=own, size=32, teacher=teacher, **TINY)


def test_a_head_at_another_size_than_its_network_is_refused(pictures):
    first = Config(dataset=f"folder:{pictures}", size=32, **TINY)
    head = Config(method="sskd_head", dataset=f"folder:{pictures}", size=16, init=first, **TINY)
    with pytest.raises(Error, match="size=32.*size=16.*give both the same"):
        Config(method="sskd", dataset=f"folder:{pictures}", size=16, teacher=head, **TINY)


# One picture in two data sets


def table(root, parts=("train",), name="t.csv"):
    """A table of the pictures in some parts of a folder, in another order; what it gives is its data set."""
    rows = [
        f"{file.relative_to(root)},{file.parent.name},{part}"
        for part in parts
        for file in sorted((root / part).rglob("*.png"), reverse=True)
    ]
    (root / name).write_text("\n".join(["file,label,split", *rows]))
    return f"csv:{root / name}"


def by_table(pictures):
    return f"folder:{pictures}", table(pictures, ("train", "test"))


def by_links(pictures):
    """Two folders, of which one holds links to the files of the other."""
    other = pictures.parent / "links"
    for file in pictures.rglob("*.png"):
        link = other / file.relative_to(pictures)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(file)
    return f"folder:{pictures}", f"folder:{other}"


@pytest.mark.parametrize("ways", [by_table, by_links])
@pytest.mark.parametrize("turn", [1, -1])
def test_pictures_of_a_folder_at_two_sizes_are_refused_by_whatever_names_them(ways, turn, pictures):
    theirs, own = ways(pictures)[::turn]
    teacher = Config(dataset=theirs, size=32, **TINY)
    with pytest.raises(Error, match="at 32 x 32 pixels.*16 x 16: give both the same size"):
        run(Config(method="kd", dataset=own, size=16, teacher=teacher, **TINY))


@pytest.mark.parametrize("role", ["teacher", "init"])
@pytest.mark.parametrize("turn", [1, -1])
def test_a_table_of_a_folders_pictures_validates_on_none_that_its_stage_has_learned(role, turn, pictures):
    held = {**TINY, "validation": 0.25}
    theirs, own = by_table(pictures)[::turn]
    method = {"method": "kd"} if role == "teacher" else {}
    with pytest.raises(Error, match=f"{role} learns labels of .* validation images of .*give both the same data set"):
        run(Config(dataset=own, **method, **{role: Config(dataset=theirs, **held)}, **held))
    assemble(Config(dataset=own, **method, **{role: Config(dataset=theirs, **TINY)}, **TINY))


def test_a_folder_of_links_in_the_same_order_is_split_alike(pictures):
    theirs, own = by_links(pictures)
    held = {**TINY, "validation": 0.25}
    assemble(Config(method="kd", dataset=own, teacher=Config(dataset=theirs, **held), **held))
    with pytest.raises(Error, match="validation images"):
        assemble(Config(method="kd", dataset=own, teacher=Config(dataset=theirs, split=1, **held), **held))


def test_what_a_stage_has_learned_is_no_test_image(pictures):
    folder, learned = f"folder:{pictures}", Config(dataset=f"csv:{pictures / 'both.csv'}", **TINY)
    lines = [f"test/{name}/{i}.png,{name},{part}" for name in "abc" for i, part in enumerate(("train", "test"))]
    (pictures / "both.csv").write_text("\n".join(["file,label,split", *lines]))
    for stages in (
        {"teacher": learned, "method": "kd"},
        {"init": learned},
        {"init": Config(dataset=folder, init=learned, **TINY)},
    ):
        with pytest.raises(Error, match="learns labels of csv:.* those of test images of folder:"):
            assemble(Config(dataset=folder, **stages, **TINY))

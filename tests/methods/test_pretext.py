"""SSKD's other tasks and the paper's transforms: answers, losses by hand, views, and what is refused."""

import math

import pytest
import torch
from making import TINY, config_of, make

from kdlab import METHODS, Config, Error, assemble, losses
from kdlab.data import Batch
from kdlab.data.augment import AUGMENTATIONS, ops
from kdlab.methods.common.pretext import CHANGES, TASKS, Then, Turn, pretext, split_versions, transformed
from kdlab.models import build

OTHER = [task for task in TASKS if task != "contrastive"]
SETTINGS = [{"task": task} for task in OTHER] + [{"transform": transform} for transform in CHANGES]
each_setting = pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: next(iter(setting.values())))


def chain(**head):
    """A student, its head with these settings, and the network below it."""
    config = config_of("sskd_pretext")
    return config.replace(teacher=config.teacher.replace(hp=head))


def some_batch(B=6, side=8, channels=1):
    x = torch.randn(4, B, channels, side, side, generator=torch.Generator().manual_seed(0))
    return Batch(x, torch.arange(B) % 3, torch.arange(B) + 10, torch.arange(B) + 10)


# Tasks


@pytest.mark.parametrize(
    "task, K, R", [("contrastive", 6, 18), ("rotation", 4, 24), ("jigsaw", 24, 18), ("exemplar", 50, 24)]
)
def test_what_is_asked_and_the_loss_of_a_head_that_knows_nothing(task, K, R):
    """Uniform logits: ln of the number of answers."""
    batch, head = some_batch(), pretext(task, "rotation", 5, 50, (1, 8, 8))
    x, answers = head.show(batch)
    logits = head(torch.randn(24, 5))
    assert x.shape == (24, 1, 8, 8) and logits.shape == (R, K) and answers.shape == (R,)
    assert answers.min() >= 0 and answers.max() < K and torch.equal(split_versions(x)[0], batch.x[0])
    torch.nn.init.zeros_(head.head[-1].weight)
    torch.nn.init.zeros_(head.head[-1].bias)
    assert losses.cross_entropy(head(torch.randn(24, 5)), answers).item() == pytest.approx(math.log(K), abs=1e-5)


def test_answers_of_rotation_contrastive_and_exemplar():
    batch = some_batch()
    shown = {
        task: pretext(task, "rotation", 5, 50, (1, 8, 8)).show(batch)
        for task in ("rotation", "contrastive", "exemplar")
    }
    for x, _ in shown.values():
        assert torch.equal(x, ops.turned(batch.x))
    assert shown["rotation"][1].tolist() == [0, 1, 2, 3] * 6
    assert shown["contrastive"][1].tolist() == losses.own_column(torch.zeros(18, 6)).tolist()
    assert shown["exemplar"][1].tolist() == [index for index in range(10, 16) for _ in range(4)]


def test_jigsaw_by_hand_and_back():
    x = torch.arange(16.0).view(1, 1, 4, 4)
    moved = ops.jigsaw(x, torch.tensor([[3, 1, 2, 0]]))
    expected = [[10, 11, 2, 3], [14, 15, 6, 7], [8, 9, 0, 1], [12, 13, 4, 5]]
    assert moved[0, 0].tolist() == expected, "the first and the last patch change places"
    x = torch.randn(5, 3, 6, 8)
    order = torch.rand(5, 4).argsort(1)
    moved = ops.jigsaw(x, order)
    assert torch.equal(moved.flatten(2).sort(2).values, x.flatten(2).sort(2).values), "no pixel is lost"
    assert torch.equal(ops.jigsaw(moved, order.argsort(1)), x)
    with pytest.raises(Error, match="images of 6 x 7 pixels have no four equal patches: give an even size"):
        ops.jigsaw(torch.zeros(1, 1, 6, 7), order[:1])


def test_the_answer_of_jigsaw_is_the_permutation_that_was_made():
    batch, head = some_batch(), pretext("jigsaw", "rotation", 5, 50, (1, 8, 8))
    torch.manual_seed(0)
    x, answers = head.show(batch)
    back = ops.jigsaw(split_versions(x)[1], head.permutations[answers].argsort(1))
    assert torch.equal(back, torch.stack(tuple(batch.x[1:]), 1).flatten(0, 1)) and len(set(answers.tolist())) > 6
    assert len(head.permutations.unique(dim=0)) == 24 and "permutations" not in head.state_dict()


# Transforms


def test_each_transform_by_itself():
    x, draw = torch.rand(40, 3, 8, 8, generator=torch.Generator().manual_seed(1)), torch.Generator().manual_seed(0)
    grey = CHANGES["color_drop"](x, draw)
    assert torch.equal(grey[:, 0], grey[:, 1]) and torch.equal(grey[:, 1], grey[:, 2])
    turned, quarters = Turn()(x, draw), [0] * 4
    for image, old in zip(turned, x, strict=True):
        (quarter,) = [k for k in range(4) if torch.equal(image, old.rot90(k, (1, 2)))]
        quarters[quarter] += 1
    assert min(quarters) > 3
    for transform in ("crop", "color_jitter"):
        y = CHANGES[transform](x, draw)
        assert (y != x).flatten(1).any(1).sum() > 35 and y.shape == x.shape and y.min() >= 0 and y.max() <= 1
    one = x[:, :1]
    assert torch.equal(CHANGES["color_drop"](one, draw), one), "one channel has no colour to lose"


def test_the_papers_mixture_is_one_of_four_for_each_image():
    x = torch.rand(200, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    y, draw = CHANGES["paper"](x, torch.Generator().manual_seed(3)), torch.Generator().manual_seed(3)
    each = [
        change(x, draw) for change in CHANGES["paper"].views
    ]  # the same draws, made before it is drawn which of them counts
    which = torch.stack([(y == one).flatten(1).all(1) for one in each])
    assert which.any(0).all() and (which.sum(1) > 30).all()


def test_the_normal_version_is_left_alone_and_the_others_are_transformed():
    family = [AUGMENTATIONS["none"]["crop"]] * 4
    assert transformed(family, "rotation") == family
    x = torch.rand(5, 3, 8, 8)
    first, *others = (view(x, torch.Generator().manual_seed(0)) for view in transformed(family, "color_drop"))
    assert torch.equal(first, x) and all(torch.equal(v[:, 0], v[:, 2]) for v in others)
    setup = assemble(chain(transform="crop"))
    batch = next(setup.batches.epoch(0, 0))
    shown, _ = setup.method.pretext.show(batch)
    assert torch.equal(shown[0::4], batch.x[0]) and torch.equal(shown[2::4], batch.x[2]), "nothing is turned"
    crop = AUGMENTATIONS["digits"]["crop"]
    assert setup.batches.views == [crop, *[Then(crop, CHANGES["crop"])] * 3]


# Methods


def test_at_the_defaults_it_is_sskd():
    for plain, other in (("sskd_head", "sskd_pretext_head"), ("sskd", "sskd_pretext")):
        (method, batch), (extended, again) = make(plain), make(other)
        assert torch.equal(batch.x, again.x) and torch.equal(batch.index, again.index)
        named = {n.replace("projector", "pretext.head"): p for n, p in method.state_dict().items()}
        assert list(named) == list(extended.state_dict()), "modules are made in the same order, from the same draws"
        assert all(torch.equal(p, extended.state_dict()[n]) for n, p in named.items())
        values = [list(m.terms(b, 0.5).values()) for m, b in ((method, batch), (extended, again))]
        assert [v.item() for v in values[0]] == pytest.approx([v.item() for v in values[1]], rel=1e-6)


@each_setting
def test_a_step_of_head_and_student(setting):
    student = chain(**setting)
    for setup in map(assemble, (student.teacher, student)):
        method = setup.method.train()
        loss, terms = method(next(setup.batches.epoch(0, 0)), 0.5)
        loss.backward()
        assert loss.isfinite() and set(terms) == set(method.weights)
        assert all(p.grad.abs().sum() > 0 for p in method.pretext.parameters())
        assert method.pretext.transform == setting.get("transform", "rotation")
        assert type(method.pretext) is TASKS[setting.get("task", "contrastive")]


def test_the_terms_of_a_student_by_hand():
    setup = assemble(chain(task="rotation"))
    method, batch = setup.method.eval(), next(setup.batches.epoch(0, 0))
    x, y = ops.turned(batch.x), torch.arange(4).repeat(8)
    features, theirs = method.model.features(x), method.teacher.features(x)
    ours, answers = method.pretext.head(features.pooled), method.teacher_parts["pretext"].head(theirs.pooled)
    ss = losses.select(answers, y, 0.75)
    wrong = (answers.argmax(1) != y).sum()
    assert ss.sum() == len(y) - wrong + int(0.75 * wrong)
    terms = method.terms(batch, 0.5)
    assert terms["ss"].item() == pytest.approx(losses.kd(ours[ss], answers[ss], 0.5).item(), rel=1e-5)
    turned = torch.arange(32) % 4 > 0
    assert terms["tf"].item() == pytest.approx(
        losses.kd(features.logits[turned], theirs.logits[turned], 4.0).item(), rel=1e-5
    )


def test_without_ss_there_is_no_head_and_without_tf_no_version():
    base = {**TINY, "teacher": chain(task="jigsaw").teacher, "method": "sskd_pretext"}
    alone = assemble(Config(**base, weights={"ss": 0})).method
    assert not list(alone.pretext.parameters())
    upright = assemble(Config(**base, weights={"ss": 0, "tf": 0}))
    assert set(upright.method.terms(next(upright.batches.epoch(0, 0)), 0.5)) == {"ce", "kd"}


def test_exemplars_are_all_training_images_labelled_or_not():
    setup = assemble(chain(task="exemplar"))
    theirs, n = setup.method.teacher_parts["pretext"], len(setup.data.y)
    assert theirs is setup.nested["teacher"].method.pretext and len(setup.data.labelled) < n
    assert setup.method.pretext.head[-1].out_features == theirs.head[-1].out_features == n


# What is refused


@pytest.mark.parametrize(
    "hp, message",
    [
        (
            {"task": "rotation", "transform": "paper"},
            "task='rotation' changes the images itself: leave transform='paper'",
        ),
        ({"task": "jigsaw", "transform": "crop"}, "task='jigsaw' changes the images itself"),
        ({"task": "puzzle"}, "hyper-parameter task='puzzle' of SSKDPretextHead"),
        ({"transform": "blur"}, "hyper-parameter transform='blur' of SSKDPretextHead"),
    ],
)
def test_settings_that_do_not_go_together(hp, message):
    with pytest.raises(Error, match=message):
        assemble(chain(**hp))


def test_odd_sides_have_no_four_patches():
    with pytest.raises(Error, match="task='jigsaw' cuts images in 2 x 2: these have sides of 9 pixels, give an even"):
        pretext("jigsaw", "rotation", 5, 50, (1, 9, 9))


def test_a_student_needs_a_head_with_a_task_and_no_more_images_than_it():
    with pytest.raises(
        Error, match="'sskd_pretext' needs its teacher's pretext: give teacher=Config.method='sskd_pretext_h"
    ):
        config_of("sskd").replace(method="sskd_pretext")
    with pytest.raises(Error, match="'sskd' needs its teacher's projector: give teacher=Config.method='sskd_head'"):
        chain(task="jigsaw").replace(method="sskd")
    nets = [build("resnet18", 10, 1, 0.125) for _ in range(2)]
    head = METHODS["sskd_pretext_head"](nets[0], labels=torch.zeros(50), task="exemplar", shape=(1, 8, 8))
    with pytest.raises(
        Error, match="the teacher's head was trained on 50 images and the student has 60: give both the"
    ):
        METHODS["sskd_pretext"](nets[1], nets[0], teacher_parts=head.parts, labels=torch.zeros(60), shape=(1, 8, 8))

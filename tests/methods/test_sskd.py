"""SSKD: four versions of an image, a head on a frozen teacher, selective transfer."""

import math

import pytest
import torch
from making import config_of, make

import kdlab
from kdlab.data.augment import ops
from kdlab.losses import own_column, select
from kdlab.methods import METHODS
from kdlab.methods.common.pretext import split_versions
from kdlab.models import build


def test_versions_are_turned_and_image_major():
    torch.manual_seed(0)
    x = torch.randn(4, 3, 1, 8, 8)
    out = ops.turned(x)
    for image in range(3):
        for quarter in range(4):
            assert torch.equal(out[4 * image + quarter], x[quarter, image].rot90(quarter, (1, 2)))
    assert torch.equal(ops.turned([x[0]] * 4), ops.rotations(x[0]))
    normal, transformed = split_versions(out)
    assert torch.equal(normal, x[0]) and torch.equal(transformed[:3], out[1:4]) and len(transformed) == 9


def test_one_flip_for_all_versions_and_a_crop_for_each(monkeypatch):
    """With flips only, the four versions differ by their rotation alone."""
    from kdlab.data import Batches, load, split
    from kdlab.data.augment import AUGMENTATIONS, Recipe

    data = split(load("digits"), 40)
    views = [AUGMENTATIONS["none"]["crop"]] * 4
    batches = Batches(data, views, shared=Recipe(flip=0.5), sampling="labelled", batch=16, steps=1)
    x = next(batches.epoch(0, 0)).x
    assert all(torch.equal(x[0], x[i]) for i in range(4))
    crops = Batches(data, [Recipe(pad=2)] * 4, shared=Recipe(flip=0.5), sampling="labelled", batch=16, steps=1)
    x = next(crops.epoch(0, 0)).x
    assert not torch.equal(x[0], x[1])


def test_a_student_that_equals_its_teacher_has_only_cross_entropy():
    _, batch = make("sskd")
    nets = [build("resnet18", 10, 1, 0.125, seed=1) for _ in range(2)]
    torch.manual_seed(0)
    head = METHODS["sskd_head"](nets[1]).projector
    method = METHODS["sskd"](nets[0], nets[1], teacher_parts={"projector": head})
    method.projector.load_state_dict(head.state_dict())
    loss, terms = method.eval()(batch, 0.5)
    assert all(terms[name].item() == pytest.approx(0, abs=1e-5) for name in ("kd", "tf", "ss"))
    assert loss.item() == pytest.approx(0.1 * terms["ce"].item(), abs=1e-5)


def test_selection_as_worked_out_by_hand():
    A = torch.tensor([[0.9, 0.1], [0.2, 0.8], [0.6, 0.5], [0.1, 0.7], [0.8, 0.3], [0.4, 0.5]])
    assert own_column(A).tolist() == [0, 0, 0, 1, 1, 1]
    assert select(A, own_column(A), 0.5).nonzero()[:, 0].tolist() == [0, 1, 2, 3, 5]
    assert (
        select(A, own_column(A), 0.0).nonzero()[:, 0].tolist() == [0, 2, 3, 5] and select(A, own_column(A), 1.0).all()
    )


@pytest.mark.parametrize("ratio", [0.0, 0.75, 1.0])
def test_ratio_decides_how_many_rows_count(ratio):
    method, batch = make("sskd", ratio_tf=ratio, ratio_ss=ratio)
    loss, terms = method(batch, 0.5)
    assert loss.isfinite() and all(term.isfinite() for term in terms.values())


def test_equal_images_give_the_head_log_b():
    method, batch = make("sskd_head")
    same = batch._replace(x=torch.zeros_like(batch.x))
    assert method.terms(same, 0.0)["own_image"].item() == pytest.approx(math.log(16), abs=1e-5)


def test_the_head_leaves_its_network_as_it_was(runs):
    config = config_of("sskd_head", optimizer="sgd", weight_decay=0.1)
    before, after = (kdlab.run(c).network().state_dict() for c in (config.init, config))
    assert all(torch.equal(before[name], after[name]) for name in before)
    fresh = METHODS["sskd_head"](build("litenet_dsc", 10, 1, 0.125)).projector.state_dict()
    trained = kdlab.run(config).parts()["projector"].state_dict()
    assert not torch.equal(fresh["0.weight"], trained["0.weight"])


def test_the_student_gets_the_trained_head(runs, monkeypatch):
    config = config_of("sskd")
    trained = kdlab.run(config.teacher).parts()["projector"].state_dict()
    states = []
    original = METHODS["sskd"].build

    def build_and_note(self, **hyper):
        states.append(self.teacher_parts["projector"].state_dict())
        original(self, **hyper)

    build_and_note.__signature__ = __import__("inspect").signature(original)
    monkeypatch.setattr(METHODS["sskd"], "build", build_and_note)
    kdlab.run(config)
    assert all(torch.equal(states[-1][name].cpu(), trained[name]) for name in trained)

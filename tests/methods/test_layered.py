"""HSAKD and LSSKD: joint labels, branches, softened targets, tables and snapshots."""

import math

import pytest
import torch
from making import TINY, config_of, make

import kdlab
from kdlab import Config, Error
from kdlab.losses import class_logits, joint_labels, soft_cross_entropy
from kdlab.methods import METHODS
from kdlab.methods.common.past import PastPredictions, Tables
from kdlab.models import MODELS, Network, build, parameter_count

OFF = {"alpha": 0.0, "weights": {"kl": 0, "feature": 0}}


def steps(key, count=4, **options):
    """The losses of some training steps, and the weights afterwards."""
    method, batch = make(key, epochs=count, **options)
    optimizer = torch.optim.SGD([p for p in method.parameters() if p.requires_grad], 0.05, momentum=0.9)
    losses = []
    for step in range(count):
        loss, _ = method(batch, step / count)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        method.after_step(step / count)
        method.after_epoch((step + 1) / count)
        losses.append(loss.item())
    return losses, method


def test_with_all_weights_zero_it_is_hsakds_joint_training_step_by_step():
    (ours, method), (theirs, reference) = steps("lsskd", **OFF), steps("hsakd_teacher")
    assert ours == theirs
    expected = reference.state_dict()
    own = {name: tensor for name, tensor in method.state_dict().items() if not name.startswith("past.")}
    assert own.keys() == expected.keys() and all(torch.equal(own[name], expected[name]) for name in expected)


@pytest.mark.parametrize("past", ["table", "snapshot"])
def test_the_first_epoch_has_hard_labels(past):
    method, batch = make("lsskd", past=past, alpha=0.8)
    hard = method.hard_terms(batch, *method.see_rotations(batch.x[0]))
    terms = method.terms(batch, 0.0)
    assert terms["ce"].item() == pytest.approx(hard["ce"].item(), rel=1e-5)
    assert terms["joint"].item() == pytest.approx(hard["joint"].item(), rel=1e-5)


@pytest.mark.parametrize("name, stages, total", [("resnet20", 3, 22.579564), ("resnet18", 4, 28.571028)])
def test_uniform_logits(name, stages, total):
    net = build(name, 100, 1, 0.25)
    method = METHODS["lsskd"](net, alpha=0.0)
    for head in (net.head, *(branch.head for branch in method.branches)):
        torch.nn.init.zeros_(head.weight), torch.nn.init.zeros_(head.bias)
    _, batch = make("lsskd")
    terms = method.terms(batch, 0.0)
    assert len(method.branches) == stages
    assert terms["ce"].item() == pytest.approx(math.log(100), abs=1e-5)
    assert terms["joint"].item() == pytest.approx(stages * math.log(400), abs=1e-4)
    assert (terms["ce"] + terms["joint"]).item() == pytest.approx(total, abs=1e-4) and terms["kl"].item() == 0


def test_targets_move_towards_the_past_by_alpha_of_the_epoch():
    method, batch = make("lsskd", alpha=0.8, epochs=4, weights={"kl": 0, "feature": 0})
    method.eval()
    with torch.no_grad():
        method.terms(batch, 0.0)
        method.after_step(0.0)
        features, outs = method.see_rotations(batch.x[0])
        terms = method.terms(batch, 0.25)
        y, alpha = torch.eye(10)[batch.y], 0.8 * 2 / 4
        target = (1 - alpha) * y + alpha * features.logits[::4].softmax(1)
        joint = torch.eye(40)[joint_labels(batch.y)]
        joints = [(1 - alpha) * joint + alpha * out.logits.softmax(1) for out in outs]
    assert method.weight_of_past(0.25) == pytest.approx(alpha) and method.weight_of_past(0.99) == pytest.approx(0.8)
    assert terms["ce"].item() == pytest.approx(soft_cross_entropy(features.logits[::4], target).item(), rel=2e-3)
    by_hand = sum(soft_cross_entropy(out.logits, t) for out, t in zip(outs, joints, strict=True))
    assert terms["joint"].item() == pytest.approx(by_hand.item(), rel=2e-3)


def test_gradients_go_where_the_equations_say():
    """KL teaches all branches but the deepest; the feature term trains no classifier; CE alone trains the network's."""
    method, batch = make("lsskd", alpha=0.0)
    terms = method.terms(batch, 0.0)
    heads = [*(branch.head.weight for branch in method.branches), method.model.head.weight]

    def reached(name):
        gradients = torch.autograd.grad(terms[name], heads, retain_graph=True, allow_unused=True)
        return [g is not None and bool(g.any()) for g in gradients]

    assert reached("kl") == [True, True, True, False, False]
    assert reached("feature") == [False] * 5
    assert reached("joint") == [True] * 4 + [False] and reached("ce") == [False] * 4 + [True]


@pytest.mark.parametrize(
    "option, expected",
    [
        ({"kl_from": "next"}, [True, True, True, False]),
        ({"kl_from": "class"}, [True, True, True, True]),
    ],
)
def test_who_teaches_whom(option, expected):
    method, batch = make("lsskd", alpha=0.0, **option)
    heads = [branch.head.weight for branch in method.branches]
    gradients = torch.autograd.grad(method.terms(batch, 0.0)["kl"], heads, allow_unused=True)
    assert [g is not None and bool(g.any()) for g in gradients] == expected


@pytest.mark.parametrize(
    "option",
    [
        {"feature_to": "branch"},
        {"soften_branches": False},
        {"schedule": "constant"},
        {"past_T": 2.0},
        {"keep": 4},
        {"past": "snapshot"},
    ],
)
def test_options_change_the_second_epoch_and_train(option):
    plain, _ = steps("lsskd", 3)
    changed, _ = steps("lsskd", 3, **option)
    assert all(math.isfinite(loss) for loss in changed) and changed[-1] != plain[-1]


def test_equal_branches_and_features_cost_nothing():
    method, batch = make("lsskd", alpha=0.0)
    features, outs = method.see_rotations(batch.x[0])
    equal = [out._replace(pooled=features.pooled, logits=outs[-1].logits) for out in outs]
    method.see_rotations = lambda x: (features, equal)
    terms = method.terms(batch, 0.0)
    assert terms["kl"].item() == pytest.approx(0, abs=1e-6) and terms["feature"].item() == 0


def test_branches_vanish_for_inference(runs):
    result = kdlab.run(config_of("lsskd"))
    plain = build("litenet_dsc", 10, 1, TINY["width"])
    net = result.network()
    assert parameter_count(net) == parameter_count(plain) == result["parameters"]
    method, batch = make("lsskd")
    method.eval()
    alone = build("litenet_dsc", 10, 1, 0.125)
    alone.load_state_dict(method.model.state_dict())
    with torch.no_grad():
        assert torch.equal(alone.eval()(batch.x[0]), method.model(batch.x[0]))
    assert set(result.parts()) == {"branches"} and len(result.parts()["branches"]) == 4


# The past


def test_tables_keep_the_largest_probabilities():
    torch.manual_seed(0)
    table, p = PastPredictions(6, 10, keep=4), torch.rand(3, 10).softmax(1)
    unseen = torch.eye(10)[:3]
    rows = torch.tensor([5, 0, 2])
    assert torch.equal(table.read(rows, unseen), unseen)
    table.write(rows, p)
    read = table.read(rows, unseen)
    assert torch.allclose(read.sum(1), torch.ones(3), atol=1e-6)
    top = p.topk(4, 1)
    assert torch.allclose(read.gather(1, top.indices), top.values, atol=1e-3)
    assert torch.equal(table.seen.nonzero()[:, 0], rows.sort().values)
    whole = PastPredictions(6, 10, keep=64)
    whole.write(rows, p)
    assert torch.allclose(whole.read(rows, unseen), p, atol=1e-3) and whole.places is None


def test_only_the_sampled_rows_change_and_only_after_the_step():
    method, batch = make("lsskd")
    method.terms(batch, 0.0)
    assert not any(table.seen.any() for table in method.past.tables)
    method.after_step(0.0)
    assert torch.equal(method.past.tables[0].seen.nonzero()[:, 0], batch.index.unique())
    rows = joint_labels(batch.index.unique())
    assert torch.equal(method.past.tables[1].seen.nonzero()[:, 0], rows)


def test_tables_for_cifar_100_stay_under_260_megabytes():
    with torch.device("meta"):
        tables = Tables(50_000, 100, rows=[1, 4, 4, 4], keep=64)
    assert sum(b.numel() * b.element_size() for b in tables.buffers()) < 260e6


def test_the_snapshot_is_the_network_of_the_epoch_before():
    method, batch = make("lsskd", past="snapshot")
    assert method.weight_of_past(0.0) > 0 and not any(p.requires_grad for p in method.past.parameters())
    hard = [torch.rand(16, 10), *(torch.rand(64, 40) for _ in method.branches)]
    assert all(map(torch.equal, method.past.recall(batch, hard), hard)), "there is no epoch before the first"
    for p in method.model.parameters():
        p.data.mul_(1.1)
    method.after_epoch(0.5)
    (recalled, *_), z = method.past.recall(batch, hard), method.eval().model(batch.x[0])
    assert torch.allclose(recalled, z.softmax(1), atol=1e-5) and not method.train().past.training


def test_cutmix_mixes_soft_targets_and_writes_nothing():
    method, batch = make("lsskd", cutmix=1.0)
    assert batch.kept < 1
    terms = method.terms(batch, 0.0)
    hard = method.hard_terms(batch, *method.see_rotations(batch.x[0]))
    assert terms["ce"].item() == pytest.approx(hard["ce"].item(), rel=1e-4)
    assert terms["joint"].item() == pytest.approx(hard["joint"].item(), rel=1e-4)
    method.after_step(0.0)
    assert not method.past.tables[0].seen.any()


# HSAKD


def test_a_student_that_equals_its_teacher():
    _, batch = make("hsakd")
    student, teacher = (build("resnet18", 10, 1, 0.125, seed=1) for _ in range(2))
    torch.manual_seed(0)
    parts = METHODS["hsakd_teacher"](teacher).parts
    method = METHODS["hsakd"](student, teacher, teacher_parts=parts)
    method.branches.load_state_dict(parts["branches"].state_dict())
    loss, terms = method.eval()(batch, 0.5)
    assert terms["kd"].item() == pytest.approx(0, abs=1e-5) and terms["branches"].item() == pytest.approx(0, abs=1e-5)
    assert loss.item() == pytest.approx(terms["ce"].item(), abs=1e-4)


def test_branches_must_pair():
    teacher = build("resnet20", 10, 1, 0.5)
    parts = METHODS["hsakd_teacher"](teacher).parts
    with pytest.raises(Error, match="the student has 4 stages, the teacher 3"):
        METHODS["hsakd"](build("resnet18", 10, 1, 0.125), teacher, teacher_parts=parts)


def test_frozen_branches_leave_the_network_as_it_was(runs):
    config = config_of("hsakd_branches")
    before, after = (kdlab.run(c).network().state_dict() for c in (config.init, config))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_joint_labels():
    assert joint_labels(torch.tensor([2]))[3] == 11
    assert class_logits(torch.eye(12)[[11]]).tolist() == [[0, 0, 1]]


@pytest.mark.parametrize("method", ["lsskd", "byot", "deep_supervision"])
def test_one_stage_is_refused_before_training(method, runs, monkeypatch):
    def single(num_classes, channels=3, width=1.0):
        from kdlab.models import Stage

        stage = Stage(lambda i, s: torch.nn.Conv2d(i, 8, 3, s, 1), 8)
        return Network(torch.nn.Conv2d(channels, 4, 3), 4, [stage], num_classes)

    monkeypatch.setitem(MODELS, "single", single)
    with pytest.raises(Error, match="two stages or more, this one has 1"):
        kdlab.run(Config(method=method, model="single", **TINY))
    assert not list(runs.iterdir())


@pytest.mark.parametrize("method", ["lsskd", "hsakd", "sskd_head", "sskd"])
def test_images_that_are_not_square_are_refused(method):
    with pytest.raises(Error, match="must be square: these are 8 x 12"):
        make(method, shape=(1, 8, 12))


def test_of_a_row_written_twice_the_last_counts():
    table, p = PastPredictions(4, 3), torch.eye(3)
    table.write(torch.tensor([2, 0, 2]), p)
    assert table.read(torch.tensor([0, 1, 2]), torch.full((3, 3), 1 / 3))[[0, 2]].tolist() == p[[1, 2]].tolist()

"""CRD and its kind: negatives of other classes, memories that move after the step."""

import pytest
import torch
from making import make
from torch import nn

from kdlab.methods.crd import OtherClasses


def test_negatives_are_of_other_classes_and_none_comes_twice():
    torch.manual_seed(0)
    labels = torch.tensor([0, 1, 2, -1, 1, 0, 2, 2, -1, 0])
    others, y = OtherClasses(labels), torch.tensor([0, 1, 2, 2])
    drawn = others.sample(y, 5)
    assert (labels[drawn] >= 0).all() and (labels[drawn] != y[:, None]).all()
    assert all(len(set(row.tolist())) == 5 for row in drawn)
    samples = torch.cat([others.sample(y, 5) for _ in range(50)], 1)
    assert set(samples[0].tolist()) == {1, 2, 4, 6, 7}, "all of them come"
    many = others.sample(y, 20)
    assert many.shape == (4, 20) and (labels[many] != y[:, None]).all()


def test_negatives_come_from_the_labels_and_are_not_saved():
    method, batch = make("crd", negatives=8)
    assert not any("others" in name for name in method.state_dict())
    torch.manual_seed(0)
    method.terms(batch, 0.0)
    after = torch.get_rng_state()
    torch.manual_seed(0)
    method.others.sample(batch.y, 8)
    assert torch.equal(torch.get_rng_state(), after), "the images of a batch are known by their positions"


def test_memories_move_halfway_after_the_step_and_constants_stay():
    method, batch = make("crd", negatives=8)
    before = method.memory.clone()
    method.terms(batch, 0.0)
    assert torch.equal(method.memory, before) and not method.constant.any()
    _, new, constants = method.pending
    method.after_step(0.0)
    rows = batch.index
    expected = nn.functional.normalize(0.5 * before[:, rows] + 0.5 * new, dim=2)
    assert torch.allclose(method.memory[:, rows], expected, atol=1e-6)
    assert torch.allclose(method.memory[:, rows].norm(dim=2), torch.ones(2, len(rows)), atol=1e-5)
    untouched = torch.ones(method.samples, dtype=torch.bool)
    untouched[rows] = False
    assert torch.equal(method.memory[:, untouched], before[:, untouched])
    assert torch.equal(method.constant, constants)
    method.terms(batch, 0.0)
    method.after_step(0.0)
    assert torch.equal(method.constant, constants), "set by the first batch, once"


def test_a_row_that_comes_twice_moves_to_its_last_embedding():
    method, batch = make("crd", negatives=8)
    before = method.memory.clone()
    method.terms(batch._replace(index=batch.index.clone().index_fill_(0, torch.tensor([2, 9]), batch.index[5])), 0.0)
    new = method.pending[1]
    method.after_step(0.0)
    row = batch.index[5]
    expected = nn.functional.normalize(0.5 * before[:, row] + 0.5 * new[:, 9], dim=1)
    assert torch.allclose(method.memory[:, row], expected, atol=1e-6)


@pytest.mark.parametrize("key", ["crd", "pskd", "lsskd"])
def test_a_batch_that_cutmix_left_alone_is_remembered(key):
    def remembered(**changes):
        method, batch = make(key, **({"negatives": 8} if key == "crd" else {}))
        method.terms(batch._replace(**changes), 0.0)
        method.after_step(0.0)
        return method.memory if key == "crd" else method.past.tables[-1].values

    own = torch.arange(16)
    assert torch.equal(remembered(), remembered(partner=own, kept=torch.tensor(1.0)))
    assert not torch.equal(remembered(), remembered(partner=own, kept=torch.tensor(0.9)))


@pytest.mark.parametrize("key", ["crd", "pskd", "lsskd"])
def test_memories_are_written_without_asking_the_device(key):
    """On the meta device there are no numbers to be asked for: whoever asks gets an error."""
    method, batch = make(key, **({"negatives": 8} if key == "crd" else {}), cutmix=1.0)
    method.terms(batch, 0.0)
    method = method.to("meta")
    away = lambda x: [away(each) for each in x] if isinstance(x, list | tuple) else x.to("meta")
    if key == "crd":
        _, *noted = method.pending
        method.pending = batch._replace(**{name: away(x) for name, x in batch._asdict().items()}), *away(noted)
    else:
        method.past.pending = away(method.past.pending)
    method.after_step(0.0)


def test_half_precision_memory_and_mixed_images():
    method, batch = make("crd", negatives=8, half=True, cutmix=1.0)
    before = method.memory.clone()
    loss, _ = method(batch, 0.0)
    method.after_step(0.0)
    assert loss.isfinite() and before.dtype == torch.float16 and torch.equal(method.memory, before)


# What every method has


def test_held_megabytes_are_what_is_beside_the_model():
    crd, _ = make("crd", negatives=8)
    trained = 2 * 128 * 4 + 4 * 128 * sum(net.feature_width for net in (crd.model, crd.teacher))  # two embeddings
    assert crd.held_megabytes == (trained + 2 * crd.samples * 128 * 4 + 2 * 4) / 1e6
    assert make("supervised")[0].held_megabytes == make("kd")[0].held_megabytes == 0

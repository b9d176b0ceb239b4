"""What batches can have beside views: a shared recipe, cutout, CutMix, class pairs; each drawn as defined."""

import pytest
import torch
import torch.nn.functional as F

from kdlab.core.errors import Error
from kdlab.data import SAMPLINGS, Batches, load, split
from kdlab.data.augment import AUGMENTATIONS, Recipe, ops

SPLIT = split(load("digits"), 200)
CLEAN = [Recipe()]


def batches(sampling="labelled", views=CLEAN, batch=16, steps=40, **options):
    return Batches(SPLIT, views, sampling=sampling, batch=batch, steps=steps, **options)


def plain(b, index):
    """What clean views show."""
    return b.normalise(b.x[index])


@pytest.mark.parametrize("options", [{}, {"cutout": 4}, {"cutmix": 0.5}, {"cutout": 4, "cutmix": 1.0}])
@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_epochs_repeat(sampling, options):
    b = batches(sampling, [AUGMENTATIONS["digits"]["strong"]] * 2, steps=3, ratio=2, **options)
    one, again, other = (list(b.epoch(*at)) for at in ((0, 1), (0, 1), (0, 2)))
    for x, y, z in zip(one, again, other, strict=True):
        assert all(torch.equal(p, q) for p, q in zip(x, y, strict=True) if p is not None)
        assert not torch.equal(x.x, z.x) and (x.partner is None) == (x.kept is None) == ("cutmix" not in options)


def test_pairs_share_the_class_and_are_uniform_in_it():
    b = batches("pairs", batch=50, steps=200)
    assert b.images_per_step == 100 and Batches(SPLIT, CLEAN, sampling="pairs", batch=50).steps == 4
    first = list(b.epoch(0, 0))
    index = torch.stack([batch.index for batch in first])
    assert all(torch.equal(batch.y[:50], batch.y[50:]) and (batch.y >= 0).all() for batch in first)
    own, partner = index[:, :50], index[:, 50:]
    assert own.flatten()[:200].unique().numel() == 200, "the first part is drawn as before"
    times = torch.bincount(partner.flatten(), minlength=len(SPLIT.y))[SPLIT.labelled]
    assert times.sum() == 10_000 and times.min() > 20 and times.max() < 85  # expected 50, standard deviation 7
    assert (own == partner).float().mean() == pytest.approx(1 / 20, abs=0.01)


def test_a_shared_recipe_is_applied_once_before_every_view():
    b = batches(views=CLEAN * 2, shared=Recipe(flip=0.5), batch=64, steps=4)
    for batch in b.epoch(0, 0):
        own, flipped = plain(b, batch.index), plain(b, batch.index).flip(3)
        assert torch.equal(batch.x[0], batch.x[1]), "both views show the same flip"
        turned = (batch.x[0] == flipped).flatten(1).all(1)
        assert ((batch.x[0] == own).flatten(1).all(1) | turned).all() and 10 < turned.sum() < 54
    b = batches(views=[Recipe(pad=2)] * 2, shared=Recipe(flip=0.5))
    assert not torch.equal(*next(b.epoch(0, 0)).x)


def test_without_normalisation_values_stay_in_0_1():
    b = batches(normalise=False)
    batch = next(b.epoch(0, 0))
    assert torch.equal(batch.x[0], b.x[batch.index] / 255)


# Cutout

CUTOUT = [  # length, centre, zeroed rows and columns, zeroed pixels: uoguelph-mlrg/Cutout, images of 32 x 32 pixels
    (16, 16, 16, (8, 24, 8, 24), 256),
    (16, 0, 3, (0, 8, 0, 11), 88),
    (16, 31, 31, (23, 32, 23, 32), 81),
    (8, 20, 5, (16, 24, 1, 9), 64),
    (7, 10, 10, (7, 13, 7, 13), 36),
]


@pytest.mark.parametrize("side, row, column, box, count", CUTOUT)
def test_cutout_is_the_published_square(side, row, column, box, count):
    x = torch.randn(2, 3, 32, 32) + 9
    rows, columns = torch.tensor([row, 16]), torch.tensor([column, 16])
    y = ops.cutout(x, rows, columns, side=side)
    top, bottom, left, right = box
    assert (y[0, :, top:bottom, left:right] == 0).all() and (y[0] == 0).sum() == 3 * count
    assert torch.equal(torch.where(y == 0, 0, x), y) and (y[1] == 0).sum() == 3 * (side // 2 * 2) ** 2


def test_cutout_differs_by_view_and_image_and_its_centre_is_uniform():
    b = batches(views=CLEAN * 2, batch=100, steps=20, cutout=4)
    holes = []
    for batch in b.epoch(0, 0):
        hole = (batch.x == 0).all(2)
        assert ((batch.x == plain(b, batch.index)) | hole[:, :, None]).all(), "zeros after normalisation, nothing else"
        holes.append(hole)
    hole = torch.cat(holes, 1).view(-1, 8, 8).float()
    assert hole.sum((1, 2)).min() >= 4 and hole.sum((1, 2)).max() == 16
    span = torch.tensor([sum(0 <= c < 8 and c - 2 <= i < c + 2 for c in range(8)) for i in range(8)]) / 8
    torch.testing.assert_close(hole.mean(0), span[:, None] * span, atol=0.04, rtol=0)
    assert len(hole.flatten(1).unique(dim=0)) == 64


# CutMix

CUTMIX = [  # height, width, lambda, centre, box, share that is kept: clovaai/CutMix-PyTorch
    (32, 32, 0.3, 10, 20, (0, 7, 23, 32), 0.43847656),
    (32, 32, 0.7, 2, 30, (0, 22, 10, 32), 0.90234375),
    (32, 32, 0.5, 16, 16, (5, 5, 27, 27), 0.52734375),
    (48, 64, 0.25, 5, 40, (0, 13, 25, 64), 0.58496094),
]


@pytest.mark.parametrize("height, width, share, row, column, box, kept", CUTMIX)
def test_cutmix_is_the_published_box(height, width, share, row, column, box, kept):
    sides = ops.cutmix_box(height, width, torch.tensor(share), torch.tensor(row), torch.tensor(column))
    assert tuple(side.item() for side in sides) == box
    top, left, bottom, right = box
    x, partner = torch.randn(2, 4, 3, height, width), torch.tensor([2, 0, 3, 1])
    y = ops.cutmix(x, partner, sides)
    assert (y == x).all(2).float().mean().item() == pytest.approx(kept)
    expected = x.clone()
    expected[..., top:bottom, left:right] = x[:, partner][..., top:bottom, left:right]
    assert torch.equal(y, expected)


def test_mixed_batches_say_what_they_are():
    b = batches(views=CLEAN * 2, batch=32, steps=300, cutmix=0.5)
    kept = []
    for batch in b.epoch(0, 0):
        own = plain(b, batch.index)
        other = own[batch.partner]
        assert batch.partner.dtype == torch.int64 and torch.equal(batch.partner.sort().values, torch.arange(32))
        assert torch.equal(batch.x[0], batch.x[1]), "one box and one permutation for all views"
        foreign = (batch.x[0] == other) & (batch.x[0] != own)
        assert ((batch.x[0] == own) | foreign).all()
        area = foreign.any(0).any(0)
        assert area.sum() <= 64 * (1 - batch.kept) + 1e-4
        if torch.equal(batch.partner, torch.arange(32)):
            assert batch.kept == 1 and torch.equal(batch.x[0], own)
        kept.append(batch.kept)
    kept = torch.stack(kept)
    assert kept.dtype == torch.float32 and kept.shape == (300,) and kept.min() >= 0
    assert 0.4 < (kept < 1).float().mean() < 0.55  # a box may be empty


def test_probabilities_0_and_1_and_each_part_is_mixed_within_itself():
    assert next(batches(cutmix=0.0).epoch(0, 0)).partner is None
    partners = [batch.partner for batch in batches("labelled+unlabelled", ratio=2, cutmix=1.0).epoch(0, 0)]
    assert all((p[:16] < 16).all() and (p[16:] >= 16).all() for p in partners)
    assert not any(torch.equal(p, torch.arange(48)) for p in partners)


def test_mixed_labels_give_the_published_loss():
    """clovaai/CutMix-PyTorch: inputs from NumPy's PCG64, seeds 1145 to 1147."""
    import numpy as np

    def pcg(seed):
        return np.random.Generator(np.random.PCG64(seed))

    logits = torch.from_numpy(pcg(1145).standard_normal((8, 10)).astype("float32") * np.float32(2)).double()
    target, partner = torch.from_numpy(pcg(1146).integers(0, 10, 8)), torch.from_numpy(pcg(1147).permutation(8))
    box = ops.cutmix_box(32, 32, torch.tensor(0.3), torch.tensor(10), torch.tensor(20))
    kept = 1 - (box[2] - box[0]) * (box[3] - box[1]) / 1024
    loss = kept * F.cross_entropy(logits, target) + (1 - kept) * F.cross_entropy(logits, target[partner])
    assert loss.item() == pytest.approx(4.259507, rel=1e-6)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"cutmix": 1.5}, "cutmix=1.5: the probability"),
        ({"cutmix": -0.1}, "between 0 and 1"),
        ({"cutout": -2}, "cutout=-2: the side"),
        ({"cutout": 1}, "0 \\(none\\), or 2 pixels and more"),
        ({"sampling": "pair"}, "did you mean 'pairs'"),
    ],
)
def test_mistakes(options, message):
    with pytest.raises(Error, match=message):
        batches(**options)

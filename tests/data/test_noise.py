"""Label noise: how much of it, which labels, what they become, and what stays when budget, share and seed change."""

from dataclasses import replace

import pytest
import torch

from kdlab.core.errors import Error
from kdlab.data import NOISES, load, split
from kdlab.data.sources import SIMILAR_DIGITS, SIMILAR_PHOTOGRAPHS
from kdlab.data.splits import Noise

DIGITS = load("digits")
PAIRS = {2: 7, 3: 8, 5: 6, 6: 5, 7: 1}


def wrong(s):
    """Position in x -> visible label, for the labels that are wrong."""
    rows = ((s.y >= 0) & (s.y != s.truth)).nonzero()[:, 0].tolist()
    return {row: s.y[row].item() for row in rows}


@pytest.mark.parametrize("noise", [0.0, 0.2, 0.5, 1.0])
@pytest.mark.parametrize("labels", [20, 0.3, None])
@pytest.mark.parametrize("kind", NOISES)
def test_exactly_the_share_is_wrong(kind, labels, noise):
    clean, s = split(DIGITS, labels, seed=1), split(DIGITS, labels, seed=1, noise=noise, noise_kind=kind)
    for given, truth, own in ((s.y, s.truth, clean.y), (s.val_y, clean.val_y, clean.val_y)):
        able = sum((own == c).sum().item() for c in PAIRS) if kind == "asymmetric" else (own >= 0).sum().item()
        assert ((given >= 0) & (given != truth)).sum() == round(noise * able)
    assert torch.equal(s.y >= 0, clean.y >= 0) and torch.equal(s.truth, clean.truth) and torch.equal(s.x, clean.x)
    assert torch.equal(clean.y[clean.labelled], clean.truth[clean.labelled]), "without noise every label is right"


@pytest.mark.parametrize("kind", NOISES)
def test_a_wrong_label_stays_wrong_at_every_larger_share_and_nearly_all_in_larger_budgets(kind):
    some, more = (wrong(split(DIGITS, 300, seed=2, noise=n, noise_kind=kind)) for n in (0.2, 0.4))
    assert some.items() <= more.items()
    larger = split(DIGITS, 900, seed=2, noise=0.2, noise_kind=kind)
    stays = sum(larger.y[row].item() == label for row, label in some.items())
    assert stays > 0.7 * len(some)
    again, other = (wrong(split(DIGITS, 300, seed=seed, noise=0.2, noise_kind=kind)) for seed in (2, 3))
    assert again == some != other


def test_symmetric_noise_reaches_every_other_class_alike():
    y = torch.arange(10).repeat(2000)
    wrong = Noise(y, DIGITS.classes, 1.0, "symmetric", 0)(y, torch.arange(len(y)))
    table = torch.zeros(10, 10).index_put_((y, wrong), torch.ones(len(y)), accumulate=True)
    assert (table.diag() == 0).all()
    others = table[~torch.eye(10, dtype=torch.bool)]
    assert others.min() > 160 and others.max() < 290  # expected 222, standard deviation 14


def test_asymmetric_noise_is_the_published_map():
    y = torch.arange(10)

    def given(classes, similar=None):
        noise = Noise(y[: len(classes)], classes, 1.0, "asymmetric", 0, similar)
        return noise(y[: len(classes)], y[: len(classes)]).tolist()

    assert given(DIGITS.classes, SIMILAR_DIGITS) == [PAIRS.get(c, c) for c in range(10)]
    photographs = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    names = " ".join(photographs[c] for c in given(photographs, SIMILAR_PHOTOGRAPHS))
    assert names == "airplane automobile airplane dog horse cat frog horse ship automobile"
    assert given(("a", "b", "c")) == [1, 2, 0]


def test_images_without_a_label_are_neither_noisy_nor_held_out_and_change_nothing_for_the_others():
    extra = DIGITS.test_x[:300]
    both = replace(
        DIGITS, train_x=torch.cat([DIGITS.train_x, extra]), train_y=torch.cat([DIGITS.train_y, torch.full((300,), -1)])
    )
    for labels in (100, None):
        few, many = (split(d, labels, seed=4, noise=0.3) for d in (DIGITS, both))
        n = len(few.y)
        assert torch.equal(many.x[:n], few.x) and torch.equal(many.x[n:], extra)
        assert torch.equal(many.y[:n], few.y) and (many.y[n:] == -1).all() and (many.truth[n:] == -1).all()
        assert torch.equal(many.val_x, few.val_x) and torch.equal(many.val_y, few.val_y)


def test_a_validation_set_of_the_data_set_stays_clean():
    own = replace(DIGITS, val_x=DIGITS.test_x, val_y=DIGITS.test_y)
    assert torch.equal(split(own, noise=0.5).val_y, DIGITS.test_y)


@pytest.mark.parametrize(
    "noise, kind, message",
    [
        (1.5, "symmetric", "noise=1.5: the share of wrong labels is between 0 and 1"),
        (float("nan"), "symmetric", "between 0 and 1"),
        (0.1, "assymetric", "did you mean 'asymmetric'"),
    ],
)
def test_mistakes(noise, kind, message):
    with pytest.raises(Error, match=message):
        split(DIGITS, noise=noise, noise_kind=kind)
    for odd in ({"2": "7", "3": "cow"}, {"cow": "3"}):
        with pytest.raises(Error, match="the similar classes name 'cow': the classes are 0, 1, 2"):
            split(replace(DIGITS, similar=odd), noise=0.1, noise_kind="asymmetric")
    with pytest.raises(Error, match="the only class, a, cannot be wrong"):
        Noise(torch.zeros(3, dtype=torch.long), ("a",), 0.1, "symmetric", 0)

"""Ablations: what is switched off, alone, exchanged and crossed, and what each part is worth."""

import pandas as pd
import pytest
import torch
from making import ON_DIGITS, TEACHER, TINY, make

from kdlab import STUDIES, Config, Error, Study
from kdlab.engine.identity import hash_of, identity
from kdlab.experiment.setup import chain_images
from kdlab.studies.ablation import CELL, ablation, cells_of, changed, crossed, worth

WHOLE = Config(method="litenet_ssd", teacher=TEACHER, weights={"kd": 2.0}, hp={"T": 2.0}, **TINY)
PARTS = {
    name: {"weights": {term: 0}} for name, term in (("KD", "kd"), ("maps", "feature"), ("pseudo-labels", "pseudo"))
}


def small(parts=PARTS):
    cells = crossed(
        "T", {t: {"hp": {"T": t}} for t in (1.0, 4.0)}, "w", {w: {"weights": {"kd": w}} for w in (0.5, 1.0)}
    )
    return ablation("small", "?", WHOLE, parts, {"a hot teacher": {"hp": {"T": 9.0}}}, cells)


def test_a_change_is_laid_over_what_is_there():
    config = changed(WHOLE, {"weights": {"feature": 0}}, {"hp": {"ratio": 2}, "lr": 0.1})
    assert config.weights == {"kd": 2.0, "feature": 0} and config.hp == {"T": 2.0, "ratio": 2} and config.lr == 0.1


def test_systems_and_questions():
    study = small()
    off = {name: {t for t, w in c.weights.items() if not w} for name, c in study.systems.items()}
    assert off["whole"] == set() and off["bare"] == {"kd", "feature", "pseudo"} and off["without maps"] == {"feature"}
    assert off["only KD"] == {"feature", "pseudo"} and study.systems["a hot teacher"].hp == {"T": 9.0}
    cell = study.systems["T = 4, w = 0.5"]
    assert cell.hp == {"T": 4.0} and cell.weights == {"kd": 0.5} and "T = 4, w = 0.5" not in study.shown
    pairs = [(question.system, question.baseline) for question in study.questions]
    assert pairs[:3] == [("whole", "bare"), ("whole", "without KD"), ("whole", "without maps")]
    assert ("only KD", "bare") in pairs and pairs[-3] == ("a hot teacher", "whole")
    assert pairs[-2:] == [("whole", "pixels"), ("bare", "pixels")]
    two = small(dict(list(PARTS.items())[:2]))
    assert not any(name.startswith("only") for name in two.systems), "only one of two is the whole without the other"


def test_worth_and_cells_by_hand(monkeypatch):
    study = small()
    scores = {"whole": 90, "bare": 60, "without KD": 84, "only KD": 75, "T = 1, w = 0.5": 70, "T = 4, w = 1": 80}
    rows = [
        {
            "system": name,
            "seed": seed,
            "test/accuracy": scores.get(name, 88) + seed + (name == "whole") * seed,
            "cpu_seconds": 6.0 if name == "without KD" else 8.0,
            "trained_parameters": 100 - 10 * (name == "without maps"),
        }
        for name in study.systems
        for seed in (0, 1, 2)
    ]
    monkeypatch.setattr(Study, "rows", lambda self: pd.DataFrame(rows))
    table = worth(study)
    assert table.loc["KD", "points, left out"] == pytest.approx(7) and table.loc["KD", "± 95 %, left out"] > 0
    assert table.loc["KD", "points, added"] == pytest.approx(15) and table.loc["KD", "CPU time, %"] == 25
    assert table.loc["maps", "parameters"] == 10 and table.loc["KD", "parameters"] == 0
    grid = cells_of(study)
    assert grid.loc[1.0, 0.5] == 71 and grid.loc[4.0, 1.0] == 81 and (grid.index.name, grid.columns.name) == ("T", "w")
    with pytest.raises(Error, match="study small has no evidence of two settings crossed"):
        cells_of(Study("small", "?", {"whole": WHOLE}))


@pytest.mark.parametrize("name", STUDIES)
def test_every_system_of_a_study_is_another_experiment(name):
    systems = STUDIES[name](**ON_DIGITS.get(name, {})).systems
    cells = {system for system in systems if CELL.fullmatch(system)}  # one of them is the whole
    others = [config for system, config in systems.items() if system not in cells]
    hashes = [hash_of(identity(config, chain_images(config))) for config in others]
    assert len(set(hashes)) == len(hashes)


def test_what_is_left_out_costs_nothing():
    for name, part in (("litenet_ssd", "feature"), ("sskd", "ss")):
        whole, _ = make(name)
        without, batch = make(name, weights={part: 0})
        count = [sum(p.numel() for p in method.parameters() if p.requires_grad) for method in (whole, without)]
        assert count[1] < count[0] and part not in without.terms(batch, 0.5)


def test_turned_images_that_teach_nothing_are_not_seen():
    method, batch = make("sskd", weights={"tf": 0, "ss": 0})
    kd, _ = make("kd")
    kd.model.load_state_dict(method.model.state_dict())
    kd._teacher = (method.teacher, {})
    terms = method.terms(batch, 0.5)
    logits = kd.model(batch.x[0])
    assert terms["ce"].item() == pytest.approx(kd.ce(logits, batch).item(), rel=1e-5)
    norm, own = (
        next(m for m in net.modules() if isinstance(m, torch.nn.BatchNorm2d)) for net in (method.model, kd.model)
    )
    assert torch.allclose(norm.running_mean, own.running_mean)


def test_one_stage_of_features_is_half_of_both():
    terms = {}
    for stages in ("both", "second", "third"):
        method, batch = make("litenet_ssd", feature_stages=stages)
        if stages != "both":
            adapter = terms["adapters"][("second", "third").index(stages)]
            method.adapters[0].load_state_dict(adapter)
        else:
            terms["adapters"] = [adapter.state_dict() for adapter in method.adapters]
        torch.manual_seed(0)
        terms[stages] = method.terms(batch, 0.5)["feature"].item()
    assert terms["both"] == pytest.approx(terms["second"] + terms["third"], rel=1e-5)


def test_branches_behind_the_last_stages_only():
    every, batch = make("lsskd")
    last, _ = make("lsskd", last=1)
    assert len(last.branches) == 1 and len(every.branches) == 4
    assert torch.equal(last.branches[0].head.weight, every.branches[-1].head.weight)
    features, outs = last.see_rotations(batch.x[0])
    assert torch.equal(outs[0].logits, every.see_rotations(batch.x[0])[1][-1].logits)
    assert last.between_branches(features, outs).item() == 0
    with pytest.raises(Error, match="last=5: the network has 4 stages"):
        make("lsskd", last=5)

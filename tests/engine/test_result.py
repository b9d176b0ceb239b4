"""Metrics of runs: columns by part, what is computed on demand, what early stopping watches, a user's own metrics."""

import pytest
from making import TINY, config_of

import kdlab
from kdlab import DIAGNOSTICS, METRICS, Config, Error, Metric, assemble, evaluate
from kdlab.metrics import due, monitored


def test_what_suits_which_method():
    def names(key, *moments):
        return set(due(assemble(config_of(key)), *moments))

    classifier = {"accuracy", "top5", "nll", "omitted", "ece", "adaptive_ece"}
    assert names("supervised", "validation") == {"accuracy"} and names("supervised", "validation", "end") == classifier
    assert names("kd", "validation", "end") == classifier | {"agreement", "kl_1", "kl_4"}
    assert names("simclr", "validation") == {"knn", "std", "alignment", "uniformity"}
    assert names("simclr", "end") == {"probe"} and names("lsskd", "end") == classifier - {"accuracy"} | {"branch"}
    assert names("ab_init", "validation", "end") == {"knn", "probe"}


def test_a_result_names_columns_by_part_and_computes_what_it_lacks(runs):
    result = kdlab.run(config_of("kd"))
    columns = {f"{part}/{name}" for part in ("val", "test") for name in due(result.setup(), "validation", "end")}
    columns -= {"val/omitted", "test/omitted"}  # of runs without `omit` there is none
    assert columns <= set(result.metrics) and "test/knn" not in result.metrics
    setup = result.setup()
    assert result["test/accuracy"] == evaluate(setup, "test", ["accuracy"])["test/accuracy"]
    assert result["test/agreement"] == evaluate(setup, "test", ["agreement"])["test/agreement"]
    assert 0 <= result["test/knn"] <= 100 and result["train/accuracy"] == result["train/accuracy"]
    with pytest.raises(Error, match="test/branch cannot be measured on .*of method 'kd' there are accuracy"):
        result["test/branch"]
    with pytest.raises(Error, match="unknown metric 'acuracy': did you mean 'accuracy'"):
        result["test/acuracy"]
    with pytest.raises(Error, match="unknown part 'tset': did you mean 'test'"):
        result["tset/accuracy"]
    with pytest.raises(Error, match="unknown column 'test_accuracy': did you mean 'test/accuracy'"):
        result["test_accuracy"]
    bare = kdlab.run(config_of("supervised", validation=0.0))
    with pytest.raises(Error, match="the run has no val images"):
        bare["val/ece"]


def test_branches_of_a_result(runs):
    result = kdlab.run(config_of("lsskd"))
    assert [f"test/branch/{i}" in result.metrics for i in range(6)] == [False, True, True, True, True, False]
    assert result["train/branch/4"] >= 0 and list(result["test/branch"]) == ["1", "2", "3", "4"]
    assert list(result["train/branch"]) == ["1", "2", "3", "4"]


def test_a_teacher_that_equals_its_student_agrees(runs):
    result = kdlab.run(Config(method="tfkd_self", teacher=Config(**TINY), **TINY))
    setup = result.setup()
    setup.method.model.load_state_dict(setup.method.teacher.state_dict())
    values = evaluate(setup, "test", ["agreement", "kl_1", "kl_4"])
    assert values == {"test/agreement": 100, "test/kl_1": 0, "test/kl_4": 0}


def test_what_the_weights_say_is_computed_once_while_they_stand_still(monkeypatch):
    setup, calls = assemble(config_of("kd")), []
    original = kdlab.experiment.setup.extract
    monkeypatch.setattr(kdlab.experiment.setup, "extract", lambda *a, **k: calls.append(1) or original(*a, **k))
    evaluate(setup, "test", due(setup, "validation", "end"))
    assert len(calls) == 2, "the student and its teacher"
    setup.features("test")
    assert len(calls) == 3, "outside nothing is kept"


@pytest.fixture
def own_tables(monkeypatch):
    """A metric and a diagnostic of a notebook."""

    def margin(setup, part):
        top = setup.features(part).logits.topk(2, dim=1).values
        return (top[:, 0] - top[:, 1]).mean().item()

    monkeypatch.setitem(METRICS, "margin", Metric(margin, due="validation"))
    monkeypatch.setitem(
        DIAGNOSTICS, "head", lambda epoch, setup: {"norm": setup.method.model.head.weight.norm(), "t": epoch}
    )


def test_a_metric_and_a_diagnostic_of_a_notebook_cell(runs, own_tables, monkeypatch):
    result = kdlab.run(Config(**TINY))
    log, table = result.log(), kdlab.table()
    for column in ("val/margin", "train/head/norm", "train/weight_norm"):
        assert log[column].notna().all() and column in result.metrics and table[column].notna().all(), column
    assert list(log["train/head/t"]) == [1, 2, 3] and "test/margin" in table
    before = result["test/margin"]
    monkeypatch.setitem(METRICS, "margin", Metric(lambda setup, part: 7.0, due="validation"))
    again = kdlab.run(Config(**TINY))
    assert again.folder == result.folder and "test/margin" not in again.metrics, "a metric that changed is not believed"
    assert again["test/margin"] == 7.0 != before


def test_a_stored_run_computes_a_new_metric(runs, request):
    result = kdlab.run(Config(**TINY))
    request.getfixturevalue("own_tables")
    again = kdlab.run(Config(**TINY))
    assert again.folder == result.folder and again["val/margin"] > 0
    frame = kdlab.compare({"a": [again]}, metric="test/margin")
    assert frame.loc["a", "mean"] == again["test/margin"]


@pytest.mark.parametrize(
    "fields, message",
    [
        ({"monitor": "acuracy"}, "unknown metric 'acuracy': did you mean 'accuracy'"),
        (
            {"monitor": "agreement"},
            "monitor='agreement' cannot be measured on method 'supervised': choose accuracy, top5",
        ),
    ],
)
def test_early_stopping_names_what_can_be_watched(fields, message, runs):
    with pytest.raises(Error, match=message):
        kdlab.run(Config(**TINY, patience=2, **fields))
    assert not list(runs.iterdir())


def test_early_stopping_watches_the_metric_that_is_named(runs):
    assert monitored(Config(**TINY)) == "accuracy" and monitored(config_of("simclr")) == "knn"
    result = kdlab.run(Config(**{**TINY, "epochs": 6}, patience=6, monitor="nll"))
    log = result.log()
    assert result["selected_on"] == "val/nll" and result["best_epoch"] == log["val/nll"].idxmin() + 1
    assert result["val/nll"] == log["val/nll"].min()


def test_a_run_that_is_stopped_by_a_metric_is_another_when_the_metric_is(runs, own_tables, monkeypatch):
    plain, patient = Config(**TINY), Config(**TINY, patience=2, monitor="margin")
    before = [kdlab.run(config).folder for config in (plain, patient)]
    monkeypatch.setitem(METRICS, "margin", Metric(lambda setup, part: 7.0, due="validation"))
    after = [kdlab.run(config).folder for config in (plain, patient)]
    assert after[0] == before[0] and after[1] != before[1]


def test_a_metric_of_several_numbers_cannot_be_watched(runs):
    with pytest.raises(Error, match="patience cannot watch branch, which is not one finite number"):
        kdlab.run(config_of("lsskd", patience=2, monitor="branch"))

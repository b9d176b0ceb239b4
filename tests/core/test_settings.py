"""Parameters of a notebook: its cells may be run again, in any order, and a misspelt parameter is still refused."""

from pathlib import Path

import numpy as np
import pytest
from cells import new_shell
from IPython.core.interactiveshell import InteractiveShell

from kdlab import Config, Error, parameters
from kdlab.core.settings import nested, parse, read, typed

CELL = "labels: int = 20\nseeds: list = [0]"
ASK = "import kdlab\nstudy, live = kdlab.parameters(globals(), ['labels', 'seeds']), {}"
LATER = [
    "kinds = 3",
    "rows = {name: 1 for name in 'ab'}\nfor field in rows: pass",
    "label = 'its share'",
    "live |= {1: 2}",
]


@pytest.fixture(params=[True, False], ids=["a kernel", "cells that are not kept"])
def notebook(request):
    """Runs cells as a kernel does and returns the last one's complaint; the second way keeps none, as nbval does."""
    shell = new_shell()

    def run(*cells):
        results = [shell.run_cell(cell, store_history=request.param) for cell in cells]
        return str(results[-1].error_in_exec or results[-1].error_before_exec or "")

    run.shell, run.keeps = shell, request.param
    yield run
    InteractiveShell.clear_instance()


def test_cells_run_again_after_others(notebook):
    assert notebook(CELL, ASK, *LATER) == ""
    assert notebook(CELL, ASK) == ""
    assert notebook(ASK) == "", "the check alone"
    assert notebook(CELL.replace("20", "40"), *LATER, ASK) == ""
    assert notebook.shell.user_ns["study"] == {"labels": 40, "seeds": [0]}


@pytest.mark.parametrize(
    "again",
    [
        CELL.replace("labels", "lables"),
        f"{CELL}\nlables = 40",
        f"{CELL}\nlables: int = 40",
        f"{CELL}\nextra: int = 1",
    ],
)
def test_a_misspelt_parameter_is_refused_the_second_time_too(notebook, again):
    assert notebook(CELL, ASK, *LATER) == ""
    message = notebook(again, ASK)
    assert message.startswith(
        "unknown parameter 'extra'" if "extra" in again else "unknown parameter 'lables': did you mean 'labels'"
    )


def test_a_wrong_kind_is_refused_the_second_time_too(notebook):
    assert notebook(CELL, ASK, *LATER) == ""
    assert notebook(CELL.replace("20", "'forty'"), ASK).startswith("parameter labels='forty': give a")


@pytest.mark.parametrize(
    "injected, message",
    [
        ("# Parameters\nlabels = 40", ""),
        ("# Parameters\nlables = 40", "unknown parameter 'lables': did you mean 'lab"),
    ],
)
def test_what_papermill_injects_is_checked_in_each_run(notebook, injected, message):
    assert notebook(CELL, injected, ASK)[: len(message)] == message
    assert notebook(CELL, ASK, *LATER, CELL, injected, ASK)[: len(message)] == message if notebook.keeps else True


def test_a_corrected_name_is_forgotten_where_cells_are_kept(notebook):
    assert "lables" in notebook(CELL.replace("labels", "lables"), ASK)
    if notebook.keeps:
        assert notebook(CELL, ASK) == ""


def test_cells_before_the_parameters_set_none(notebook):
    if not notebook.keeps:
        pytest.skip("nothing says which cell set a name")
    assert notebook("kinds = 3", CELL, ASK) == "", "a cell that ran before"
    assert notebook("import math\nhalf = math.pi / 2", ASK) == ""


def test_a_later_variable_is_no_field_of_the_config(notebook):
    ask = "from kdlab import Config\nconfig = Config.from_params(globals())"
    assert notebook("labels: int = 20\nseed = 1", ask) == ""
    assert notebook("epochs, model = max(3, 7), 'no network'.upper()", ask) == ""
    assert "epochs" not in repr(notebook.shell.user_ns["config"])
    assert notebook("labels: int = 40\nepochs = 5\nseed = 2", ask) == ""
    config = notebook.shell.user_ns["config"]
    assert (config.labels, config.seed) == (40, 2) and config.epochs == (5 if notebook.keeps else 20)


def test_a_copy_of_a_checked_namespace_is_checked_whole():
    namespace = {"labels": 20}
    assert parameters(namespace, ["labels"]) == {"labels": 20}
    with pytest.raises(Error, match="unknown parameter 'kinds'"):
        parameters({**namespace, "kinds": 1}, ["labels"])


@pytest.mark.parametrize(
    "name, value, field",
    [
        ("dataset", Path("x/pets"), None),
        ("omit", range(1, 3), (1, 2)),
        ("omit", {1, 2}, (1, 2)),
        ("normalise", np.False_, False),
        ("seed", np.array(7), 7),
        ("milestones", np.array([0.5]), (0.5,)),
        ("teacher", Config(), None),
        ("model", object(), None),
        ("split", len, None),
        ("datset", Path("x"), None),
    ],
)
def test_a_parameter_counts_whatever_its_type(name, value, field):
    try:
        taken = Config.from_params({name: value})
    except Error as error:
        taken = error
    if field is None:
        assert isinstance(taken, Error), "as Config refuses it"
    else:
        assert getattr(taken, name) == field


@pytest.mark.parametrize("value", [range(3), np.arange(3), {0, 1, 2}, (0, 1, 2)])
def test_a_list_may_be_written_in_other_ways(value):
    for kinds in ({}, {"__annotations__": {"seeds": list}}):
        try:
            got = parameters({"seeds": value, **kinds}, ["seeds"])
        except Error as error:
            got = {"seeds": str(error)}
        assert [*got.get("seeds", ())] == [0, 1, 2]


def test_true_is_no_number_of_images(notebook):
    assert "True and False are none" in notebook("labels: int = True", ASK)


@pytest.mark.parametrize(
    "cell",
    [
        "dataset: str = Path('x/pets')",
        "dataset = Path('x/pets')",
        "dataset = Path('x/pets')\nseed: int = 1",
        "seed: int = 1\ndataset = Path('x/pets')",
    ],
)
def test_a_path_in_a_cell_of_parameters_counts_each_time(notebook, cell):
    ask = "from kdlab import Config\nconfig = Config.from_params(globals())"
    for _ in range(2):
        assert "x/pets' is a path" in notebook("from pathlib import Path\nfrom kdlab.data import split", cell, ask)


def test_what_is_imported_is_no_parameter(notebook):
    ask = "from kdlab import Config\nconfig = Config.from_params(globals())"
    assert notebook("from kdlab.data import split\nfrom kdlab import schedules as schedule", "seed: int = 1", ask) == ""
    assert notebook("import numpy as np\nhalves = np.arange(3)", ask) == "" if notebook.keeps else True


@pytest.mark.parametrize(
    "words",
    [
        ["seed=0-19", "seed=3"],
        ["teacher.lr=1", 'teacher={"lr":2}'],
        ["teacher=none", 'teacher={"lr":2}'],
        ['teacher={"lr":2,"lr":3}'],
    ],
)
def test_a_name_that_is_typed_twice_is_refused(words):
    with pytest.raises(Error, match="is given twice, give it once"):
        parse(words, several=True)
    assert nested({"teacher.lr": 1, "teacher": {"width": 2}}) == {"teacher": {"lr": 1, "width": 2}}


@pytest.mark.parametrize(
    "text, message",
    [
        ("a: 1\na: 2", "a is given twice"),
        ("hp: {T: 1, T: 2}", "T is given twice"),
        ('{"hp": {"T": 1, "T": 1}}', "T is given twice"),
        ("a: !!binary aGk=", "the tag !!binary is not read"),
        ("a: !!set {x, y}", "the tag !!set is not read"),
        ("a: !!timestamp 2001-01-01", "the tag !!timestamp"),
        ("a: !!bool x", "the tag !!bool"),
        ("a: !mine 1", "the tag !mine"),
    ],
)
def test_what_a_file_says_twice_or_in_python_is_refused(tmp_path, text, message):
    file = tmp_path / ("a.json" if text.startswith("{") else "a.yaml")
    file.write_text(text)
    with pytest.raises(Error, match=message):
        read(file)


def test_what_is_typed_is_read_as_the_same_value(tmp_path):
    texts = ["1", "none", "True", "NaN", "[1]", "{x", '"q"', " 1", "kd", "a,b", "é"]
    fields = {f"t{i}": text for i, text in enumerate(texts)} | {"n": None, "e": {}, "l": [1, "2"], "d": {"x": "0.5"}}
    assert parse(typed(fields)) == fields
    (tmp_path / "a.yaml").write_text("a: !!str 5")
    assert read(tmp_path / "a.yaml") == {"a": "5"}

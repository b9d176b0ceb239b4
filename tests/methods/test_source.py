"""What notebooks show of the package is its source."""

import ast
import inspect

import pytest

import kdlab
from kdlab import METHODS, Error, losses, show


def code_of(markdown):
    return markdown.split("```python\n")[1].split("\n```")[0]


def test_functions_are_shown_whole_and_several_at_once():
    data = show(losses.kd, losses.select).data
    assert inspect.getsource(losses.kd).strip() in data and inspect.getsource(losses.select).strip() in data
    assert data.count("```python") == 2 and data.startswith("`kdlab.losses.")


@pytest.mark.parametrize("key", METHODS)
def test_a_method_is_shown_with_its_docstring_folded(key):
    data, cls = show(key).data, METHODS[key]
    (shown,) = ast.parse(code_of(data)).body
    (real,) = ast.parse(inspect.getsource(cls)).body
    assert [ast.dump(n) for n in shown.body] == [ast.dump(n) for n in real.body[1:]]
    assert f"<details><summary>what it computes</summary>\n\n{inspect.getdoc(cls)}\n" in data


def test_an_unknown_method():
    with pytest.raises(Error, match="unknown method 'kdd'"):
        show("kdd")
    assert kdlab.show is show

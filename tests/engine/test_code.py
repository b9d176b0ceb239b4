"""The user's own methods, losses, networks and augmentations are part of the identity of a run."""

import ast
import functools
import importlib
import re
import sys
import textwrap
import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from making import TINY, config_of

import kdlab
from kdlab import AUGMENTATIONS, METHODS, MODELS, SCHEDULES, Config, Distill, Error, Method, losses
from kdlab.data.augment import Recipe
from kdlab.engine.code import canonical
from kdlab.engine.identity import LOSS_ROOMS, loss_code, source
from kdlab.losses import kd


def test_a_method_written_in_a_notebook(runs):
    class Mine(Method):
        """Half the cross-entropy."""

        scale = 0.5

        def terms(self, batch, progress):
            return {"ce": self.scale * torch.nn.functional.cross_entropy(self.model(batch.x[0]), batch.y)}

    METHODS["mine"] = Mine
    try:
        first = kdlab.run(config_of("mine"))
        Mine.scale = 0.25
        second = kdlab.run(config_of("mine"))
        assert first.folder != second.folder, "an edited method is another experiment"
    finally:
        del METHODS["mine"]


SCALE = 0.5
TABLE = {"a": torch.ones(2), "b": [np.zeros(2)]}


def scaled(value):
    return SCALE * value


def test_what_a_notebook_method_calls_and_reads_is_part_of_it(monkeypatch):
    factor = 3.0

    class Mine(Distill):
        paper = "nowhere"

        @property
        def half(self):
            return sum(scaled(value) for value in (1.0,))

        def compare(self, student, teacher, batch):
            return {
                "kd": factor * kdlab.losses.dkd(student, teacher, TABLE["a"]) + losses.kd(student, teacher) + kd(0, 0)
            }

    def now():
        return source(Mine, LOSS_ROOMS)

    first = now()
    assert first == now() and " at 0x" not in first and "nowhere" not in first
    for part in (
        "Mine.half",
        "scaled",
        "SCALE 0.5",
        "#0 3.0",
        "losses.dkd is dkd",
        "losses.kd is kd",
        "Distill.terms",
    ):
        assert part in first, part
    assert "check_hyper" not in first, "what only checks makes no loss"
    monkeypatch.setitem(globals(), "SCALE", 0.25)
    assert now() != first, "constants that a helper reads inside a comprehension count"
    monkeypatch.undo()
    TABLE["a"] += 1
    assert now() != first, "and so do tensors"
    TABLE["a"] -= 1
    factor = 4.0
    assert now() != first, "and variables of the function around"


CRITERION = torch.nn.CrossEntropyLoss(label_smoothing=0.1)


def scaled_by(factor):
    def compare(self, student, teacher, batch):
        return {"kd": factor * kd(student.logits, teacher.logits)}

    return compare


def twice(function):
    @functools.wraps(function)
    def wrapper(*words):
        return 2 * function(*words)

    return wrapper


def method_of(**members):
    return type("Mine", (Distill,), {"__module__": __name__, "weights": {"ce": 1.0, "kd": 1.0}, **members})


def with_default(T):
    def build(self, *, T=T):
        self.T = T

    return build


def reads_criterion(self, student, teacher, batch):
    return {"kd": CRITERION(student.logits, batch.y)}


@pytest.mark.parametrize(
    "a, b",
    [
        (method_of(compare=scaled_by(1)), method_of(compare=scaled_by(3))),
        (method_of(build=with_default(4.0)), method_of(build=with_default(3.0))),
        (method_of(loss=torch.nn.CrossEntropyLoss()), method_of(loss=torch.nn.CrossEntropyLoss(label_smoothing=0.1))),
        (method_of(compare=scaled), method_of(compare=twice(scaled))),
        (method_of(a=scaled_by(1), b=scaled_by(1)), method_of(a=scaled_by(1), b=scaled_by(3))),
        (method_of(half=functools.lru_cache(scaled)), method_of(half=functools.lru_cache(twice))),
        (method_of(n=np.float32(1)), method_of(n=np.float32(2))),
        (method_of(n=SimpleNamespace(x=1)), method_of(n=SimpleNamespace(x=2))),
        (method_of(n=functools.partial(kd, T=2.0)), method_of(n=functools.partial(kd, T=3.0))),
        (method_of(n=range(3)), method_of(n=range(4))),
    ],
)
def test_nothing_that_a_method_is_made_of_goes_unseen(a, b):
    assert source(a, LOSS_ROOMS) != source(b, LOSS_ROOMS)


def test_an_object_that_is_read_counts_with_its_state(monkeypatch):
    mine = method_of(compare=reads_criterion)
    before = source(mine, LOSS_ROOMS)
    monkeypatch.setitem(globals(), "CRITERION", torch.nn.CrossEntropyLoss(label_smoothing=0.2))
    assert source(mine, LOSS_ROOMS) != before


def test_augmentations_and_schedules_that_are_objects(monkeypatch):
    class Louder(Recipe):
        def __call__(self, images, generator):
            return 2 * super().__call__(images, generator)

    plain = Config(**TINY)
    for name, views in (("mine", Recipe(flip=0.3)), ("mine2", Louder(flip=0.3))):
        monkeypatch.setitem(AUGMENTATIONS, name, dict.fromkeys(("weak", "strong", "clean"), views))
    codes = [loss_code(plain.replace(augment=name), "digits")["augment"] for name in ("mine", "mine2")]
    assert codes[0] != codes[1]
    digests = set()
    for decay in (0.1, 0.5):
        monkeypatch.setitem(SCHEDULES, "mine", functools.partial(SCHEDULES["step"], decay=decay))
        digests.add(loss_code(plain.replace(schedule="mine"), "digits")["schedule"])
    assert len(digests) == 2


def test_a_default_that_was_edited_after_it_was_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # bytecode of the same second and size would be taken
    file = tmp_path / "edited_default.py"
    file.write_text("def f(x, T=4.0):\n    return T * x\n")
    monkeypatch.syspath_prepend(tmp_path)
    import edited_default

    file.write_text("def f(x, T=3.0):\n    return T * x\n")
    old = source(edited_default.f)
    new = source(importlib.reload(edited_default).f)
    assert old != new, "the process that still has 4.0 does not speak for 3.0"


def test_networks_optimisers_and_augmentations_of_the_user_count(monkeypatch):
    plain = Config(**TINY)

    def code(**fields):
        return loss_code(plain.replace(**fields), "digits")

    assert set(code()) == {"method", "augment"}, "the package's own are known by name"

    def small(num_classes, channels=3, width=1.0):
        return MODELS["resnet8"](num_classes, channels, width)

    monkeypatch.setitem(MODELS, "small", small)
    assert set(code(model="small")) == {"method", "augment", "model"}
    family = dict.fromkeys(("weak", "strong", "clean"), Recipe(flip=0.3))
    monkeypatch.setitem(AUGMENTATIONS, "mine", family)
    before = code(augment="mine")
    monkeypatch.setitem(family, "weak", Recipe(flip=0.4))
    assert code(augment="mine") != before


def test_a_function_that_was_edited_after_it_was_loaded_is_known_by_what_runs(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # bytecode of the same second and size would be taken
    file = tmp_path / "edited_later.py"
    file.write_text("def f(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(tmp_path)
    import edited_later

    loaded = source(edited_later.f)
    assert "BinOp" in loaded
    import linecache

    file.write_text("def f(x):\n    return 3 * x\n")
    linecache.checkcache(str(file))
    assert source(edited_later.f) not in (loaded, "") and "BinOp" not in source(edited_later.f)
    edited_later.f = importlib.reload(edited_later).f
    assert "BinOp" in source(edited_later.f) and source(edited_later.f) != loaded


def module_of(text, name):
    """A module that is made of a text, as a file of the reader's own."""
    module = type(sys)(name)
    module.__dict__["__name__"] = name
    exec(compile(text, f"<{name}>", "exec"), module.__dict__)
    return module


def test_where_code_stands_does_not_count_and_pieces_of_one_name_are_told_apart(monkeypatch):
    texts = {"double": "def f(x):\n    return 2 * x\n", "triple": "def f(x):\n    return 3 * x\n"}
    makers = {name: {place: module_of(text, place).f for place in ("here", "there")} for name, text in texts.items()}
    for module in ("here", "there"):
        monkeypatch.setitem(sys.modules, module, type(sys)(module))

    def between(first, second):
        return method_of(pair=[first, second], again=[second])

    double, triple = makers["double"], makers["triple"]
    assert source(between(double["here"], triple["there"])) == source(between(double["there"], triple["here"]))
    assert source(between(double["here"], triple["there"])) != source(between(triple["there"], double["here"]))
    both = [double["here"], triple["there"]]
    one, other = (method_of(a=both, b=each) for each in both)
    assert source(one) != source(other), "both are there, and it counts which of them is used"


def dispatched(factor):
    @functools.singledispatch
    def weigh(value):
        return value

    weigh.register(int)(lambda value: factor * value)
    return weigh


class Slots:
    __slots__ = ("factor",)

    def __init__(self, factor):
        self.factor = factor

    def __call__(self, value):
        return self.factor * value


class Quiet:
    """An object that does not print what it holds."""

    def __init__(self, factor):
        self.factor = factor

    def __repr__(self):
        return "Quiet()"


def metaclass_of(factor):
    return type("Meta", (type,), {"factor": lambda cls: factor, "__module__": __name__})


@pytest.mark.parametrize(
    "made",
    [
        lambda n: method_of(weigh=dispatched(n)),
        lambda n: method_of(weigh=Slots(n)),
        lambda n: method_of(weigh=Quiet(n)),
        lambda n: method_of(part=metaclass_of(n)("Part", (), {"__module__": __name__})),
    ],
    ids=["singledispatch", "slots", "an object with a short repr", "metaclass"],
)
def test_state_and_cases_that_are_not_in_plain_sight_count(made):
    assert source(made(2)) != source(made(3))
    assert source(made(2)) == source(made(2))


@pytest.mark.parametrize("folder, file", [(".", "statistics.py"), ("my-site-packages-notes", "mine_of_this_test.py")])
def test_own_modules_count_whatever_they_and_their_folders_are_called(folder, file, tmp_path, monkeypatch):
    place = tmp_path / folder
    place.mkdir(exist_ok=True)
    (place / file).write_text("def scale(x):\n    return 2 * x\n")
    monkeypatch.syspath_prepend(place)
    name = Path(file).stem
    monkeypatch.delitem(sys.modules, name, raising=False)
    module = importlib.import_module(name)
    assert Path(module.__file__).parent == place.resolve()
    assert "BinOp" in source(method_of(scale=module.scale)), "its code is part of the run"


def test_what_has_no_identity_is_called_by_its_name():
    words = iter(["a"])

    def compare(self, student, teacher, batch):
        return {next(words): 0.0}

    with pytest.raises(kdlab.Error, match=r"reads .*compare words, a list_iterator"):
        source(method_of(compare=compare), LOSS_ROOMS)


# Names of local variables


def text_of(code):
    return canonical(ast.parse(textwrap.dedent(code)))


# Locals are called a, b and c, and nothing else is
RENAMED = {
    "assigned": """
        def f(x):
            a = x + 1
            b: int = 2 * a
            a += b
            (c, *a), b.size = g(a), b
            return c - a
    """,
    "loops, with, walrus, except": """
        def f(x):
            for a, b in x:
                with open(a) as c:
                    if (a := b):
                        del c
            try:
                return [(b := a) for a in x if a]
            except ValueError as a:
                raise KeyError(b) from a
    """,
    "comprehensions": """
        def f(x):
            a = x[0]
            return [a for a in a], {b: a for b in a for c in b}, {a for c in x if all(b == a for b in c)}
    """,
    "free variables": """
        def f(x):
            def inner(y, z=lambda: a):
                nonlocal b
                b, c = a, y
                return lambda w: (a, b, c, w)
            a, b = x, 0
            return inner
    """,
    "match": """
        def f(x):
            match x:
                case {"k": a, **b} if a:
                    return b
                case [a, *b] | Point(x=a, y=b):
                    return a, b
                case (1 | 2) as c:
                    return c
    """,
    "classes inside functions": """
        def f(x):
            a = b = x
            class Inner(g(a)):
                size = a
                kept = [b for _ in a]
                def method(self, w):
                    return a, b, self.size
            return Inner
    """,
    "async, and a star": """
        async def f(*x):
            async for a in x:
                async with a as b:
                    c = [a async for a in b]
            return await g(*c, **b)
    """,
}


@pytest.mark.parametrize("code", RENAMED.values(), ids=RENAMED)
def test_renamed_locals_change_nothing(code):
    renamed = re.sub(r"\b[abc]\b", lambda name: {"a": "zebra", "b": "a", "c": "_c"}[name[0]], code)
    assert text_of(renamed) == text_of(code) != text_of(re.sub(r"\bx\b", "u", code))


def test_parameters_keep_their_names_and_hide_locals_of_theirs():
    one = "def f(x):\n a, b = x\n return (lambda a: a + b), (lambda b=a: (b, a)), [a for b in x]"
    other = "def f(x):\n c, d = x\n return (lambda a: a + d), (lambda b=c: (b, c)), [c for a in x]"
    assert text_of(one) == text_of(other)
    assert text_of("def f(a): return a") != text_of("def f(b): return b"), "by which they are called"


@pytest.mark.parametrize(
    "one, other",
    [
        ("a, b = x; return a - b", "a, b = x; return b - a"),
        ("a = g(x); b = h(x); return a - b", "a = h(x); b = g(x); return a - b"),
        ("a = x; b = x; a += 1; return a, b", "a = x; b = x; b += 1; return a, b"),
        ("a = b = x; del a; return b", "a = b = x; del b; return b"),
        ("a = x; return [a for a in a]", "a = x; return [a for b in a]"),
        ("a = x; return [a for a in x]", "a = x; return [a for b in x]"),
        ("return [a for b in x for a in b]", "return [b for b in x for a in b]"),
        ("a = 1; return [b for b in x if (a := b)], a", "a = 1; c = 2; return [b for b in x if (c := b)], a"),
        ("a = 1; g = lambda: a; a = 2; return g", "a = 1; g = lambda: b; b = 2; return g"),
        ("a = 1; return lambda a: a", "a = 1; return lambda b: a"),
        ("a = 1; return lambda b=a: b", "a = 1; return lambda b=a: a"),
        ("a = 1\n def g():\n  nonlocal a\n  a = 2\n g(); return a", "a = 1\n def g():\n  a = 2\n g(); return a"),
        ("a = 1\n def g():\n  global a\n  a = 2\n g(); return a", "a = 1\n def g():\n  a = 2\n g(); return a"),
        ("match x:\n  case [a, *b]: return a", "match x:\n  case [a, *b]: return b"),
        ("match x:\n  case {'k': a, **b}: return a", "match x:\n  case {'k': a, **b}: return b"),
        ("match x:\n  case a: return a", "match x:\n  case q.a: return a"),
        ("a, b = x\n class C:\n  size = a", "a, b = x\n class C:\n  size = b"),
        ("a = x\n class C:\n  a = 1\n  def g(self): return a", "a = x\n class C:\n  b = 1\n  def g(self): return a"),
        ("a = x\n class C:\n  a = a", "a = x\n class C:\n  a = x"),
        ("a = x\n class C: a = 1", "a = x\n class C: b = 1"),
        ("try: g()\n except ValueError as a: return a", "try: g()\n except ValueError as a: return x"),
        ("with x as a, a as b: return a", "with x as a, a as b: return b"),
        ("a = x; return g(a=a)", "a = x; return g(b=a)"),
        ("a = x; return a.a", "a = x; return a.b"),
        ("a = x; return b", "b = x; return b"),
        ("return a", "a = 1; return a"),
        ("def a(): return 1\n return a", "def b(): return 1\n return b"),
        ("import a; return a", "import b; return b"),
        ("a = 1; return locals()", "b = 1; return locals()"),
        ("a = 1; return eval(x)", "b = 1; return eval(x)"),
        ("a = 1; return [exec(x) for y in x]", "b = 1; return [exec(x) for y in x]"),
        ("a = 1; return x.query('k > @a')", "b = 1; return x.query('k > @a')"),
        ("a = 1; return f'{a=}'", "b = 1; return f'{b=}'"),
        ("a = 1; return evaluate('a + x')", "b = 1; return evaluate('a + x')"),
        ("a = 1; return builtins.locals()", "b = 1; return builtins.locals()"),
        ("a = 1; return inspect.currentframe()", "b = 1; return inspect.currentframe()"),
        ("__a = 1; _C__a = 2; return __a", "__a = 1; b = 2; return __a"),
    ],
)
def test_another_use_of_locals_is_other_code(one, other):
    texts = [text_of(f"def f(x):\n {code}") for code in (one, other)]
    assert texts[0] != texts[1]


def test_what_has_no_identity_is_named_whatever_its_keys_are(monkeypatch):
    monkeypatch.setitem(globals(), "CRITERION", {"run #1": threading.Lock()})
    with pytest.raises(Error, match="the code reads .*run #1.*, a lock, of which no identity can be made"):
        source(method_of(compare=reads_criterion), LOSS_ROOMS)


CLOSURES = """
def make():
    {bank}, {scale} = object, 3.0

    def double(value):
        return {scale} * value

    def twice(value):
        return double(value) * {scale}, {bank}

    return twice
"""


def test_closures_are_of_one_identity_whatever_the_variables_around_are_called(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def identity_of(number, **names):
        name = f"closures_{number}"
        (tmp_path / f"{name}.py").write_text(CLOSURES.format(**names))
        return source(importlib.import_module(name).make())

    first = identity_of(1, bank="bank", scale="scale")
    assert first == identity_of(2, bank="zebra", scale="aside"), "however their names are sorted"
    assert " 3.0" in first
    monkeypatch.setattr(f"{__name__}.CLOSURES", CLOSURES.replace("3.0", "4.0"))
    assert identity_of(3, bank="bank", scale="scale") != first

"""What every entry of METHODS keeps, and what each method promises for itself."""

import copy
import io
import tokenize
from pathlib import Path

import pytest
import torch
from making import TRAINED, gather_statistics, make

import kdlab.engine.train
from kdlab import losses
from kdlab.core.errors import Error
from kdlab.methods import METHODS, Method

each = pytest.mark.parametrize("key", TRAINED)


@each
def test_steps_lower_the_loss_on_a_fixed_batch(key):
    method, batch = make(key)
    if "model" in method.frozen:
        gather_statistics(method.model, batch.x[0])
    optimizer = torch.optim.Adam([p for p in method.parameters() if p.requires_grad], 3e-3)
    losses = []
    for _ in range(6):
        loss, _ = method(batch, 0.5)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()  # and no after_step: a queue that fills changes the question
        losses.append(loss.item())
    assert losses[-1] < losses[0]


@each
def test_gradients_reach_the_student_and_none_the_teacher(key):
    method, batch = make(key)
    before = copy.deepcopy(method.teacher.state_dict()) if method.teacher else {}
    method(batch, 0.5)[0].backward()
    trained = [n for n, p in method.model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0]
    everything = [n for n, _ in method.model.named_parameters() if method.trains_head or not n.startswith("head.")]
    if "backbone" in method.frozen:
        everything = ["head.weight", "head.bias"]
    assert set(trained) == (set() if "model" in method.frozen else set(everything))
    if method.teacher is not None:
        assert all(p.grad is None and not p.requires_grad for p in method.teacher.parameters())
        assert all(torch.equal(v, before[k]) for k, v in method.teacher.state_dict().items()), "batch statistics moved"
        assert not any("teacher" in name for name in method.state_dict())


@each
def test_student_trains_and_teacher_does_not(key):
    method, batch = make(key)
    modes = {}

    def note(who):
        def hook(module, inputs):
            modes[who] = module.training

        return hook

    method.model.stem.register_forward_pre_hook(note("student"))
    if method.teacher is not None:
        method.teacher.stem.register_forward_pre_hook(note("teacher"))
    method.eval()
    method.train()
    method(batch, 0.5)
    assert modes == {
        "student": not {"model", "backbone"} & {*method.frozen},
        **({"teacher": False} if method.teacher is not None else {}),
    }


@each
def test_each_term_depends_on_what_it_says(key):
    """Every term trains something; a distillation term changes with the teacher, and CE does not."""
    method, batch = make(key)
    if "pseudo" in method.weights:
        method.threshold = 0.0  # an untrained teacher is confident of nothing
    terms = method.terms(batch, 0.5)
    assert set(terms) == set(method.weights)
    for name, term in terms.items():
        trained = [p for p in method.parameters() if p.requires_grad]
        gradient = torch.autograd.grad(term, trained, retain_graph=True, allow_unused=True)
        assert sum(g.abs().sum() for g in gradient if g is not None) > 0, name
    if method.teacher is not None:
        other, _ = make(key, teacher_seed=2)
        other.load_state_dict(method.state_dict())
        other.__dict__.update({k: v for k, v in method.__dict__.items() if k == "threshold"})
        changed = {name for name, term in other.terms(batch, 0.5).items() if not torch.isclose(term, terms[name])}
        assert changed == set(terms) - {"ce", "consistency"}


@each
def test_terms_are_switched_off_by_weight_0(key):
    for name in METHODS[key].weights:
        if len(METHODS[key].weights) > 1:
            method, batch = make(key, weights={name: 0})
            loss, terms = method(batch, 0.5)
            assert name not in terms and loss.isfinite()
    with pytest.raises(Error, match="all loss weights"):
        make(key, weights=dict.fromkeys(METHODS[key].weights, 0))


@each
def test_unknown_weights_and_hyper_parameters(key):
    with pytest.raises(Error, match="unknown loss term"):
        make(key, weights={"nonsense": 1})
    with pytest.raises(Error, match="unknown hyper-parameter"):
        make(key, nonsense=1)


@pytest.mark.parametrize("key", METHODS)
def test_a_method_is_documented(key):
    assert METHODS[key].__doc__


@pytest.mark.parametrize("name", losses.__all__)
def test_a_loss_is_documented(name):
    assert getattr(losses, name).__doc__


def test_the_loop_names_no_method():
    tokens = tokenize.generate_tokens(io.StringIO(Path(kdlab.engine.train.__file__).read_text()).readline)
    words = {token.string.strip("\"'") for token in tokens if token.type in (tokenize.NAME, tokenize.STRING)}
    assert "after_step" in words and not words & set(METHODS)


def test_a_compiled_method_of_one_term_takes_a_step():
    class Linear(Method):
        """Cross-entropy of the classifier on pooled pixels."""

        def terms(self, batch, progress):
            pooled = batch.x[0].mean((2, 3)).expand(-1, self.model.feature_width)
            return {"ce": self.ce(self.model.head(pooled), batch)}

    method, batch = make("supervised")
    linear = Linear(method.model)
    loss, terms = torch.compile(linear, backend="aot_eager")(batch, 0.5)  # all but the compiler of C++
    plain, same = linear(batch, 0.5)
    assert loss.requires_grad, "the loss lost its gradient"
    assert not terms["ce"].requires_grad
    assert (loss.item(), terms["ce"].item()) == pytest.approx((plain.item(), same["ce"].item()))
    loss.backward()
    assert linear.model.head.weight.grad.norm() > 0

"""IRI: the tests of its specification."""

from __future__ import annotations

import pytest
import torch

from harness.checks.playing import play, same
from harness.checks.zoo import sample, view
from harness.core import UsageError
from harness.core.trials import Trials
from harness.methods._shared.tracing import noised
from harness.methods.activations.iri import Iri, recovery_rates
from harness.steering import Batch
from harness.steering.forward import peek
from tests.methods.restored import plain, restoring


def make(**changes) -> Iri:
    return Iri(**{"la": 0.3, "lm": 0.2, "k1": 2, "k2": 4, "noise": 3.0} | changes)


def injected(method: Iri, outputs: torch.Tensor, run: Batch) -> torch.Tensor:
    """What `attention_output` makes of [L, b, t, d]."""
    edited = [method.attention_output(l, y, run) for l, y in enumerate(outputs)]
    return torch.stack([y if e is None else e for y, e in zip(outputs, edited, strict=True)])


def test_injection_by_hand():
    v = view("llava")
    method = make(la=0.5)
    method.artefact = {"attention": torch.tensor([0.8, 0.1, 0.4, 0.2]), "mlp": torch.zeros(4)}
    run = Batch(v, [method], [sample("llava", 0)], peek=peek)
    y = torch.randn(4, 1, 3, 8)
    out = injected(method, y, run)
    last = y[:, 0, -1]
    for l, sources in enumerate(((), (0,), (0,), (0, 2))):  # sources are layers 0 and 2
        wanted = last[l] + 0.5 * sum((method.artefact["attention"][k] * last[k] for k in sources), torch.zeros(8))
        wanted = wanted * last[l].norm() / wanted.norm()
        torch.testing.assert_close(out[l, 0, -1], wanted)
    torch.testing.assert_close(out.norm(dim=-1), y.norm(dim=-1))
    assert torch.equal(out[:, :, :-1], y[:, :, :-1]) and torch.equal(out[0], y[0])


def test_no_source_below_a_target_leaves_it():
    v = view("llava")
    method = make(k1=1)
    method.artefact = {"attention": torch.tensor([0.1, 0.2, 0.3, 0.9]), "mlp": torch.zeros(4)}
    y = torch.randn(4, 1, 3, 8)
    assert torch.equal(injected(method, y, Batch(v, [method], [sample("llava", 0)], peek=peek)), y)


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl"])
def test_rates_by_hand(family, monkeypatch):
    """Passes of the stock model, one module's output at the last position put to what it is without the noise."""
    v, samples = view(family), [sample(family, i, length=5 + i) for i in range(3)]
    # A random model's probabilities move little: count every question that loses anything.
    monkeypatch.setattr("harness.methods.activations.iri.MARGIN", 1e-6)
    yes = [int(plain(v, samples[0]).argmax()), 7]

    def p(one) -> torch.Tensor:
        return plain(v, one).softmax(-1)[yes].sum()

    wanted = []
    for one in samples:
        clean, low = p(one), p(noised(one, 3.0))
        if clean - low > 1e-6:
            for part in ("attention", "mlp"):
                for l in range(v.depth):
                    with restoring(v, one, part, l, [-1]):
                        wanted.append(((p(noised(one, 3.0)) - low) / (clean - low)).clamp(0, 1))
    wanted = torch.stack(wanted).reshape(-1, 2, v.depth).mean(0)
    rates = recovery_rates(v, samples, yes, 3.0, Trials())
    torch.testing.assert_close(torch.stack([rates["attention"], rates["mlp"]]), wanted, atol=1e-2, rtol=1e-2)
    assert 0 < wanted.mean() < 1


def test_model_that_noise_does_not_move_is_refused():
    with pytest.raises(UsageError, match="iri found no question"):
        recovery_rates(view("llava"), [sample("llava", 0)], [3], 1e-6, Trials())


def test_without_rates_it_says_what_to_run():
    with pytest.raises(UsageError, match="harness calibrate method=iri"):
        play(view("llava"), [sample("llava", 0)], [make()])


def test_neutral_needs_no_rates():
    v, inputs = view("llava"), [sample("llava", 0)]
    off = make(la=0.0, lm=0.0)
    assert not off.needs_artefact and make(la=0.0).needs_artefact
    same(play(v, inputs, [off]), play(v, inputs), 0)


@pytest.mark.parametrize(("values", "key"), [({"k1": 0}, "k1"), ({"noise": 0.0}, "noise")])
def test_bad_values_are_named(values, key):
    with pytest.raises(UsageError, match=f"method.iri.{key}"):
        make(**values)

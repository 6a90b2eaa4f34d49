"""Likelihoods against one plain forward pass over context and continuation, for ten families."""

from __future__ import annotations

import math

import pytest
import torch

from harness.checks.zoo import FAMILIES, sample, view, words
from harness.core import Decoding, UsageError
from harness.methods.decoding.dola import Dola
from harness.methods.decoding.vcd import Vcd
from harness.plugins.registry import Registry
from harness.steering import Steering, generate
from harness.steering.likelihood import Ask, forced, likelihoods
from tests.steering.probes import LookAtImage, NoPicture, Scale


def plain(name, context, tokens):
    """(log-probability, greedy) by the definition."""
    v, grown = view(name), dict(context.tensors)
    tail = torch.tensor([tokens])
    grown["input_ids"] = torch.cat([context.tensors["input_ids"], tail], 1)
    for key, fill in (("attention_mask", 1), ("token_type_ids", 0), ("mm_token_type_ids", 0)):
        if key in grown:
            grown[key] = torch.cat([grown[key], torch.full_like(tail, fill)], 1)
    with torch.no_grad():
        logits = v.model(**{k: x.to(v.device) for k, x in grown.items()}).logits.cpu()
    logp = logits[0, -len(tokens) - 1 : -1].float().log_softmax(-1)
    v.rope_deltas = None
    return float(logp.gather(1, tail.T).sum()), logp.argmax(-1).tolist() == tokens


def asks(name):
    """Contexts of several lengths, two with the same picture; continuations of one to four tokens, some of which begin
    alike, and the greedy one."""
    out = []
    for i, (length, picture) in enumerate([(4, 1), (9, 2), (6, 1)]):
        context = sample(name, i, length=length, picture=picture)
        best = generate(view(name), [context], (), Decoding(), 3, [0])[0].tokens
        own = words(4, i)
        out.append(Ask(context, [own[:1], own, own[:2], [own[0], own[2]], best, words(1, 9)], f"{picture}"))
    return out


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("forced_", [False, True])
def test_equals_a_plain_forward_pass(name, forced_):
    methods = [Scale("residual", 0.0)] if forced_ else []
    for ask, found in zip(asks(name), likelihoods(view(name), asks(name), methods), strict=True):
        for tokens, (value, greedy, _) in zip(ask.continuations, found, strict=True):
            wanted, best = plain(name, ask.context, tokens)
            assert value == pytest.approx(wanted, abs=2e-3)
            assert greedy == best
        assert found[4].greedy


@pytest.mark.parametrize("tokens", [1, 40, 100_000])
def test_batches_change_nothing(tokens):
    one, two = (likelihoods(view("llava"), asks("llava"), (), t) for t in (12_000, tokens))
    for a, b in zip(one, two, strict=True):
        assert [x.logprob for x in a] == pytest.approx([x.logprob for x in b], abs=1e-3)


def test_a_beginning_that_all_contexts_have_is_read_once():
    v = view("llama")
    few_shot = sample("llama", 0, length=40, picture=None)
    some = []
    for i in range(6):
        tail = sample("llama", i, length=5, picture=None).tensors["input_ids"]
        ids = torch.cat([few_shot.tensors["input_ids"], tail], 1)
        some.append(Ask(few_shot.change(input_ids=ids, attention_mask=torch.ones_like(ids)), [[3], [4], [5]]))
    before = v.work.positions
    found = likelihoods(v, some, ())
    assert v.work.positions - before < 2 * 40 + 6 * 12
    for ask, own in zip(some, found, strict=True):
        assert own[1].logprob == pytest.approx(plain("llama", ask.context, [4])[0], abs=1e-3)


@pytest.mark.parametrize("method", [Scale("residual", 0.5), LookAtImage(0.5), NoPicture(1.0), Vcd(1.0, 0.0, 500, 0)])
def test_a_method_weighs_the_tokens_that_it_would_write(method):
    """What a method writes is greedy under the same method, and its likelihood is that of the scores it chose from."""
    v, context = view("llava"), sample("llava", 0)
    own = generate(v, [context], [method], Decoding(), 4, [0], keep_scores=True)[0]
    ((found, other),) = likelihoods(v, [Ask(context, [own.tokens, words(4, 5)])], [method])
    logp = own.scores.float().log_softmax(-1)
    wanted = sum(float(logp[t, token]) for t, token in enumerate(own.tokens))
    assert found.greedy and found.logprob == pytest.approx(wanted, abs=1e-3)
    assert not other.greedy
    without = likelihoods(v, [Ask(context, [own.tokens])], [])[0][0]
    assert not math.isclose(without.logprob, found.logprob, abs_tol=1e-3)


def test_excluded_tokens_leave_the_rest_to_decide():
    v, context = view("llava"), sample("llava", 0)
    method = Dola(**_dola())
    best = generate(v, [context], [method], Decoding(), 1, [0])[0].tokens
    worst = [words(1, 3)[0], words(1, 4)[0]]
    ((one, two),) = likelihoods(v, [Ask(context, [[*best, worst[0]], worst])], [method])
    assert math.isfinite(one.logprob) and math.isfinite(two.logprob) and one.logprob > two.logprob


def _dola():
    return dict(Registry().methods["dola"].defaults)


def test_probes_read_each_continuation():
    """As they read an answer of the model's own, and change no likelihood."""
    v, context = view("llava"), sample("llava", 0)
    probe = Registry().methods["lost"].build()
    (own,) = generate(v, [context], [probe], Decoding(), 3, [0])
    ((first, second),) = forced(v, [Ask(context, [own.tokens, words(2, 5)])], [probe])
    assert first.readings.keys() == own.readings.keys() == second.readings.keys()
    for name, reading in own.readings.items():
        assert reading.values == pytest.approx(first.readings[name].values, abs=1e-4, nan_ok=True), name
    assert second.readings["lost.entropy_steps"].values.shape == (2,)
    ((plain_one, _),) = likelihoods(v, [Ask(context, [own.tokens, words(2, 5)])], [])
    assert first.likelihood and first.likelihood.logprob == pytest.approx(plain_one.logprob, abs=1e-4)


def test_a_method_with_its_own_loop_is_refused():
    class Own(Steering):
        name = "own"

        def decode(self, loop):
            return []

    with pytest.raises(UsageError, match="own decodes by itself"):
        likelihoods(view("llava"), asks("llava"), [Own()])

"""Each probe against brute force on a small model, and the invariants of its specification."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from harness.checks.playing import play
from harness.checks.zoo import sample, view
from harness.methods._shared import massive
from harness.methods._shared.massive import received
from harness.methods.attention.vhr import vision_aware
from harness.methods.probes.logit_lens import settles
from harness.methods.probes.lost import projection
from harness.methods.probes.rhythm import ends, largest
from harness.methods.probes.vhd import concentration, token_vhd
from tests.methods.eager import attention, forward
from tests.methods.made import made

CLOSE: dict[str, Any] = {"atol": 3e-5, "rtol": 1e-3}


def read(probe, steps=5, **changes):
    """A prompt of llava, its tokens, and the probe's readings."""
    one = sample("llava", 0)
    (got,) = play(view("llava"), [one], [made(probe, **changes)], steps=steps)
    return one, got.tokens, {name.partition(".")[2]: r.values for name, r in got.readings.items()}


def heads(v, sample_, tokens):
    """Head outputs before the output projection [layers, heads, positions, size] of a plain pass."""
    kept = []
    hooks = [v.projection(l).register_forward_pre_hook(lambda _, a: kept.append(a[0][0])) for l in range(v.depth)]
    try:
        forward(v, sample_, tokens)
    finally:
        for hook in hooks:
            hook.remove()
    return torch.stack([k.unflatten(-1, (v.n_heads, -1)).transpose(0, 1) for k in kept])


def test_sinks():
    v, (one, _, got) = view("llava"), read("sinks", tau=0.08)
    out = forward(v, one, [0])
    weights = torch.stack([a[0] for a in out.attentions]).mean(1).numpy()  # [layers, rows, columns]
    seen = np.arange(one.length, 0, -1)
    mean = weights.sum(1) / seen
    np.testing.assert_allclose(got["first_layers"], mean[:, 0], **CLOSE)
    np.testing.assert_array_equal(got["count_layers"], (mean > 0.08).sum(1))
    assert got["count"] == ((mean[2:3] > 0.08).mean(0) >= 0.5).sum()
    size = torch.stack(out.hidden_states[1:])[:, 0].abs()
    last = v.depth - 1  # whose output the stock model gives with the final norm on
    ratio = size.amax((1, 2)) / size.flatten(1).median(-1).values
    np.testing.assert_allclose(got["massive_layers"][:last], ratio[:last].numpy(), **CLOSE)
    np.testing.assert_array_equal(got["feature_layers"][:last], size[:last, 0].argmax(-1).numpy())
    states = torch.stack(out.hidden_states[1:])[:last, 0]
    cosine = torch.nn.functional.cosine_similarity(states, states[:, :1], dim=-1)[:, 1:].numpy()
    wanted = [spearmanr(cosine[l], mean[l, 1:]).statistic for l in range(last)]
    np.testing.assert_allclose(got["spearman_layers"][:last], wanted, atol=1e-4)
    for l in range(last):
        chosen = mean[l, 1:] > 0.08
        pairs = [(a > b) + 0.5 * (a == b) for a in cosine[l][chosen] for b in cosine[l][~chosen]]
        np.testing.assert_allclose(got["cosine_auroc_layers"][l], np.mean(pairs) if pairs else np.nan, atol=1e-4)
    assert got["spearman"] == pytest.approx(got["spearman_layers"][2], abs=1e-6), "layers 2 to the last but one"
    for name, part in (("mlp", v.mlp), ("attention", v.attention_output)):
        kept = []
        hooks = [part(l).register_forward_hook(lambda _m, _a, y: kept.append(y)) for l in range(v.depth)]
        forward(v, one, [0])
        for hook in hooks:
            hook.remove()
        branch = torch.stack([y if torch.is_tensor(y) else y[0] for y in kept])[:, 0].abs()
        want = branch.amax((1, 2)) / branch.flatten(1).median(-1).values
        np.testing.assert_allclose(got[f"{name}_massive_layers"], want.numpy(), **CLOSE)


def test_statistics_of_sinks_by_hand():
    x = np.array([[1.0, 2, 2, 5], [3, 3, 3, 3]])
    y = np.array([[4.0, 5, 9, 1], [1, 2, 3, 4]])
    got = massive.rank_correlation(x, y)
    assert got[0] == pytest.approx(spearmanr(x[0], y[0]).statistic) and np.isnan(got[1])
    assert np.isnan(massive.rank_correlation(x[:, :2], y[:, :2])).all()
    chosen = np.array([[True, False, True, False], [False] * 4])
    told = massive.telling(y, chosen)
    assert told[0] == 0.75 and np.isnan(told[1])
    one, two = np.array([[1, 1, 2, 7]]), np.array([[5, 5, 1, 8]])
    assert massive.jaccard([one, two]).tolist() == [[1.0, 1.0, pytest.approx(1 / 3), 0.0]]
    size = np.full((3, 4), 200.0)
    times = np.array([[1.0] * 4, [2000, 1, 1, 2000], [1500, 1, 1, 1]])
    of = massive.of_states(times, size, {})
    assert of["born"].value == 1 and of["massive_tokens_layers"].values.tolist() == [0, 2, 1]
    assert np.isnan(massive.of_states(times, size / 10, {})["born"].value)


def test_sinks_by_hand():
    rows = torch.ones(1, 6)
    uniform = (torch.ones(6, 6).tril() / torch.arange(1.0, 7)[:, None])[None, None].expand(1, 2, 6, 6)
    got = received(uniform, rows)[0]
    assert (got.diff() < 0).all(), "the causal factor alone"
    planted = torch.eye(6)[None, None] * 0.4
    planted[0, 0, :, 2] += 0.6
    planted = planted.tril()
    assert (received(planted, rows)[0] > 0.5).nonzero().flatten().tolist() == [2]
    padded = torch.zeros(1, 1, 8, 8)
    padded[..., 2:, 2:] = planted
    assert torch.equal(received(padded, torch.tensor([[0, 0, 1, 1, 1, 1, 1, 1]]))[0, 2:], received(planted, rows)[0])


def test_logit_lens():
    v, (one, tokens, got) = view("llava"), read("logit_lens", words=["yes"])
    states = torch.stack(forward(v, one, tokens).hidden_states[1:])[:, 0, -len(tokens) :]
    z = torch.stack([v.unembed(h, norm=l < v.depth - 1) for l, h in enumerate(states)])
    p, at = z.softmax(-1), torch.tensor(tokens)[None, :, None].expand(v.depth, -1, 1)
    np.testing.assert_allclose(got["chosen_probability"], p.gather(-1, at)[..., 0].numpy(), **CLOSE)
    rank = (z > z.gather(-1, at)).sum(-1).numpy() + 1
    np.testing.assert_array_equal(got["chosen_rank"], rank)
    assert (got["chosen_rank"][-1] == 1).all(), "greedy"
    np.testing.assert_allclose(got["yes_layers"], p[:, 0, 10].numpy(), **CLOSE)
    np.testing.assert_allclose(got["settles"], settles(rank).mean())
    assert settles(np.array([[1, 5, 1], [2, 1, 1], [1, 1, 1], [1, 1, 2]])).tolist() == [0.5, 0.25, 1.0]


def test_vhd():
    v, (one, tokens, got) = view("llava"), read("vhd")
    seeing, blind = (heads(v, s, tokens)[:, :, -len(tokens) :] for s in (one, v.without_image(one)))
    want = np.stack(
        [[vision_aware(a[None], b[None])[0].numpy() for a, b in zip(x.unbind(1), y.unbind(1), strict=True)]
         for x, y in zip(seeing, blind, strict=True)]
    )  # [layers, steps, heads]  # fmt: skip
    np.testing.assert_allclose(got["heads"], want[:, 0], **CLOSE)
    np.testing.assert_allclose(got["steps"], token_vhd(want, 0.1), **CLOSE)
    np.testing.assert_allclose(got["first"], want[:, 0].max(-1).sum(), **CLOSE)
    assert concentration(np.eye(10)) == 1 and concentration(np.ones((10, 10))) == pytest.approx(0.1)
    assert np.isnan(concentration(np.zeros((2, 2))))


def test_rhythm():
    v, (one, tokens, got) = view("llava"), read("rhythm", steps=16, window=6, near=2, far=5)
    weights = attention(v, one, [*tokens, 0])[1:3, :, 1:]  # rows of the response's tokens
    count, prompt = len(tokens) - 1, one.length
    weights = weights[:, :, :count]
    far = np.arange(prompt, prompt + count)[:, None] - np.arange(weights.shape[-1])[None]
    far = np.where(far > 0, far, 0)
    local, wide = ends((weights * far).sum(-1).mean(-1))
    waad = (weights[local] * np.minimum(far, 6)).sum(-1).mean(0)
    np.testing.assert_allclose(got["waad_steps"][:count], waad, **CLOSE)
    fai = [
        np.mean([weights[wide][:, t, prompt + s].mean() for t in range(s + 2, min(count, s + 6))])
        for s in range(count - 2)
    ]
    np.testing.assert_allclose(got["fai_steps"][: count - 2], fai, **CLOSE)
    assert np.isnan(got["fai_steps"][count - 2 :]).all() and np.isnan(got["waad_steps"][count:]).all()
    jump = np.abs(np.diff(waad))
    np.testing.assert_array_equal(got["preplan_steps"][: count - 1], jump >= np.quantile(jump, 0.6))
    np.testing.assert_array_equal(got["anchor_steps"][: count - 2], np.array(fai) >= np.quantile(fai, 0.6))
    assert np.isnan(got["preplan_steps"][count - 1 :]).all() and np.isnan(got["anchor_steps"][count - 2 :]).all()
    assert waad.min() >= 0 and waad.max() <= 6 and not (local & wide).any()
    np.testing.assert_array_equal(largest(np.array([1.0, 2, 3, 4, np.nan])), [0, 0, 1, 1, np.nan])


@pytest.mark.parametrize("uniform", [False, True])
def test_rhythm_of_planted_attention(uniform):
    """Rows that look at themselves alone jump nowhere; uniform ones give the closed form."""
    prompt, steps, probe = 4, 9, made("rhythm", window=3, near=2, far=4)
    batch: Any = SimpleNamespace(prefill=False, size=1, length=prompt)
    probe.prepare(batch)
    for s in range(steps):
        batch.total = k = prompt + s + 1
        batch.positions, batch.present = (lambda _, x=x[None]: x for x in (torch.arange(k), torch.ones(k)))
        probe.attention_weights(0, (torch.full((k,), 1 / k) if uniform else torch.eye(k)[-1]).expand(1, 4, 1, k), batch)
    got = {name: one[0].values for name, one in probe.readings(batch, [steps + 1]).items() if one[0]}
    seen = [prompt + s + 1 for s in range(steps)]
    waad = [np.minimum(np.arange(k), 3).mean() * uniform for k in seen]
    np.testing.assert_allclose(got["waad_steps"], np.array([*waad, np.nan]), rtol=1e-6)
    fai = [np.mean([uniform / seen[t] for t in range(s + 2, min(steps, s + 5))]) for s in range(steps - 2)]
    np.testing.assert_allclose(got["fai_steps"], np.array([*fai, *[np.nan] * 3]), rtol=1e-6)


def test_rhythm_of_one_token_is_undefined():
    _, _, got = read("rhythm", steps=1)
    assert all(np.isnan(x).all() for x in got.values())


def test_lost():
    v, (one, tokens, got) = view("llava"), read("lost", layer=0.5)
    out = forward(v, one, tokens)
    logp = out.logits[0, -len(tokens) :].log_softmax(-1)
    entropy = -(logp.exp() * logp).sum(-1).numpy()
    np.testing.assert_allclose(got["entropy_steps"], entropy, **CLOSE)
    np.testing.assert_allclose(got["confidence"], logp.exp().amax(-1).min().item(), **CLOSE)
    state = out.hidden_states[3][0, -len(tokens)]
    np.testing.assert_allclose(got["state"], (state @ projection(len(state))).numpy(), atol=1e-4)
    first = torch.stack([a[0, :, -len(tokens), : one.length] for a in out.attentions])
    np.testing.assert_allclose(
        got["context_entropy_layers"], torch.special.entr(first).sum(-1).mean(-1).numpy(), **CLOSE
    )


def test_a_state_of_any_width_keeps_its_distances():
    x = torch.randn(20, 576, generator=torch.Generator().manual_seed(1))
    near, wide = torch.cdist(x @ projection(576), x @ projection(576)), torch.cdist(x, x)
    share = (near / wide)[~torch.eye(20, dtype=torch.bool)]
    assert share.std() / share.mean() < 0.15

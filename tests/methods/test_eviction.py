"""Eviction from the cache: policies against brute force, hidden entries against dropped ones, and what is reported."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from harness.checks.playing import play, same
from harness.checks.zoo import sample, view
from harness.core import Decoding, UsageError
from harness.methods._shared.eviction import CACHES, Entries, best
from harness.methods.cache.gui_kv import BASES, last_run, residuals, saliency
from harness.methods.cache.lazyeviction import importance
from harness.steering import generate
from tests.methods.made import made
from tests.methods.test_every_method import LIVELY
from tests.steering.probes import Steering

POLICIES = [name for name in CACHES if name != "delta"]
every = pytest.mark.parametrize("name", POLICIES)


class Seen(Steering):
    """Records which columns each head could see, by (pass, layer)."""

    name = "seen"

    def __init__(self):
        self.by, self.weights = {}, {}

    def attention_weights(self, l, w, run):
        self.by[run.guard.passes, l] = w[0, :, -1] > 0
        self.weights[run.guard.passes, l] = w[0]


def watched(name, inputs, family="llama", steps=6, **values):
    record, v = Seen(), view(family)
    method = made(name, **(LIVELY.get(name, {}) | values))
    play(v, inputs, [method, record], steps=steps)
    return method, record


def text(length=20, seed=0):
    return sample("llama", seed, length=length, before=3)


@every
@pytest.mark.parametrize("family", ["llama", "llava", "qwen2_vl", "internvl"])
def test_dropping_equals_hiding_token_for_token(name, family):
    v = view(family)
    inputs = [sample(family, i, length=8 + 3 * i, picture=i) for i in range(3)]
    values = LIVELY.get(name, {})
    hidden = generate(v, inputs, [made(name, **values)], Decoding(), 8, range(3), keep_scores=True)
    dropped = generate(v, inputs, [made(name, cache="evict", **values)], Decoding(), 8, range(3), keep_scores=True)
    same(dropped, hidden)
    for a, b in zip(dropped, hidden, strict=True):
        assert a.measures["kept_share"] == pytest.approx(b.measures["kept_share"])
        assert 0 < a.measures["kept_share"] < 1


@pytest.mark.parametrize("name", ["streaming_llm", "snapkv"])
def test_dropping_saves_memory(name):
    v, inputs = view("llama"), [text(200)]
    spent = {}
    for budget in (None, 0.5, 0.1):
        spent[budget] = play(v, inputs, [made(name, budget=budget, cache="evict")], steps=8)[0].measures["cache_bytes"]
    config = v.decoder.config
    entry = 2 * config.num_key_value_heads * config.hidden_size // config.num_attention_heads * 4
    full = (inputs[0].length + 7) * entry * config.num_hidden_layers
    assert spent[None] == full
    # While layer l reads the prompt, the layers before it have dropped what they do not keep.
    held = {b: int(inputs[0].length * b) * entry for b in (0.5, 0.1)}
    for budget in (0.5, 0.1):
        most = inputs[0].length * entry + (config.num_hidden_layers - 1) * held[budget]
        assert spent[budget] <= most + 8 * entry * config.num_hidden_layers


@every
def test_entries_that_left_stay_away(name):
    _, record = watched(name, [text()], budget=0.3)
    for l in range(4):
        steps = [record.by[p, l] for p in range(2, 7)]
        for before, after in itertools.pairwise(steps):
            assert not (after[:, : before.shape[1]] & ~before).any()
    assert (record.by[1, 0]).all(), "the prompt is read in full"


def test_window_streaming_and_stride_by_definition():
    n = text().length
    budget = int(n * 0.3)
    for name, expected in {
        "window": lambda p, t: set(range(t - budget - 1, t)),
        "streaming_llm": lambda p, t: set(range(budget // 2)) | set(range(t - 1 - (budget - budget // 2), t)),
        "stride": lambda p, t: {i for i in range(n) if (i + 1) * budget // n > i * budget // n} | set(range(n, t)),
    }.items():
        _, record = watched(name, [text()], budget=0.3)
        for p in range(2, 7):
            t = n + p - 1
            for head in record.by[p, 2]:
                assert set(head.nonzero()[:, 0].tolist()) == expected(p, t), (name, p)


def test_h2o_by_brute_force():
    """Dense attention of the first layer is known from its weights: the policy is replayed by hand."""
    one = text()
    n, budget = one.length, 6
    _, record = watched("h2o", [one], budget=budget)

    class Rows(Seen):
        attention_rows = "all"

    rows = Rows()
    play(view("llama"), [one], [rows], steps=1)
    prompt = rows.weights[1, 0].unflatten(0, (2, 2)).mean(1)  # [Hk, n, n]
    for head in range(2):
        total = prompt[head].sum(0).tolist()
        alive = set(range(n))
        for p in range(1, 7):
            t = n + p - 1
            if p > 1:
                seen = record.weights[p, 0].unflatten(0, (2, 2)).mean(1)[head, -1]
                total += [0.0]
                alive.add(t - 1)
                assert {i for i in range(t) if seen[i] > 0} == alive
                total = [a + float(b) for a, b in zip(total, seen, strict=True)]
            recent = set(range(t - 3, t))
            rest = sorted(alive - recent, key=lambda i: (-total[i], -i))
            alive = recent | set(rest[:3])


def test_snapkv_by_brute_force():
    one, window, budget = text(24), 4, 10
    n = one.length
    _, record = watched("snapkv", [one], budget=budget, window=window, kernel=3)

    class Rows(Seen):
        attention_rows = window

    rows = Rows()
    play(view("llama"), [one], [rows], steps=1)
    for l in range(4):
        got = rows.weights[1, l].sum(1)[:, : n - window]  # [H, n - w]
        padded = torch.nn.functional.pad(got, (1, 1))
        smooth = (padded[:, :-2] + padded[:, 1:-1] + padded[:, 2:]) / 3
        for head, score in enumerate(smooth.unflatten(0, (2, 2)).mean(1)):
            top = set(score.argsort(descending=True)[: budget - window].tolist()) | set(range(n - window, n + 1))
            for h in (2 * head, 2 * head + 1):
                assert set(record.by[2, l][h].nonzero()[:, 0].tolist()) == top


def test_gui_kv_without_saliency_and_one_picture_is_snapkv():
    v, inputs = view("llava"), [sample("llava", i, picture=i) for i in range(2)]
    snap = play(v, inputs, [made("snapkv", window=8, budget=11)])
    same(play(v, inputs, [made("gui_kv", alpha=0.0, budget=11)]), snap, 0)


def test_gui_kv_has_two_configurations_by_name():
    both = [made("gui_kv", form=form) for form in ("release", "paper")]
    assert [(m.alpha, m.temperature) for m in both] == [(2.0, 3.5), (0.5, 0.1)]
    own = made("gui_kv", form="paper", alpha=3.0)
    assert (own.alpha, own.temperature) == (3.0, 0.1)


def test_gui_kvs_window_leaves_two_places_of_a_small_budget():
    """`min(8, C - 2)`, as released."""
    method, kept = made("gui_kv"), torch.tensor([2, 5, 9, 10, 40])
    entries = Entries(torch.ones(5, 50).bool(), torch.arange(50).expand(5, -1), torch.full((5,), 50), kept)
    assert method._width(entries).tolist() == [1, 3, 7, 8, 8]


def test_gui_kv_prefers_salient_patches_and_drops_explained_ones():
    image = torch.tensor([0, 1, 1, 0, 0, 1, 1, 1, 0]).bool()
    assert last_run(image).nonzero()[:, 0].tolist() == [5, 6, 7]
    norms = torch.tensor([1.0, 1.2, 5.0])
    assert saliency(norms, 3.5).argmax() == 2 and float(saliency(norms, 3.5).sum()) == pytest.approx(1)
    torch.testing.assert_close(saliency(norms * 7, 3.5), saliency(norms, 3.5))
    torch.testing.assert_close(saliency(torch.ones(4), 3.5), torch.full((4,), 0.25))
    keys = torch.randn(2, 9, 8, generator=torch.Generator().manual_seed(0))
    keys[:, 1] = keys[:, 5] + 2 * keys[:, 7]  # the older patch that the last picture explains
    older = torch.tensor([0, 1, 1, 0, 0, 0, 0, 0, 0]).bool()
    for basis in BASES:
        rho = residuals(keys, older, last_run(image), 32, basis)
        assert (rho[:, 0] < 1e-4).all() and (rho[:, 1] > 0.1).all(), basis
    few = {b: residuals(keys, older, last_run(image), 2, b) for b in BASES}
    exact = keys[:, 5:7].transpose(1, 2)
    q = torch.linalg.qr(exact).Q
    torch.testing.assert_close(
        few["first_r"], (keys[:, older] - keys[:, older] @ q @ q.transpose(1, 2)).norm(dim=-1), atol=1e-4, rtol=1e-4
    )


@pytest.mark.parametrize("family", ["llava", "qwen2_vl", "internvl"])
def test_gui_kv_reads_states_behind_the_norm_or_in_front_of_it(family):
    """The norms of random models have equal weights: what is behind them is of one length, and says nothing."""
    v, one = view(family), sample(family, 0)
    with torch.no_grad():
        states = v.model(**one.tensors, output_hidden_states=True).hidden_states
    seen = {}
    for kind in ("normed", "residual"):
        method, record = watched("gui_kv", [one], family, 2, states=kind, alpha=50.0, window=2, budget=4)
        norms = {l: method._norms[l][0] for l in range(v.depth)}
        for l, got in norms.items():
            wanted = states[l][0] if kind == "residual" else v.layers[l].input_layernorm(states[l][0])
            torch.testing.assert_close(got, wanted.detach().float().norm(dim=-1), rtol=1e-4, atol=1e-4)
        seen[kind] = {l: record.by[2, l].tolist() for l in range(v.depth)}
    assert seen["normed"] != seen["residual"]


def test_lazyeviction_waits_and_never_exceeds_its_bound():
    one, window, budget = text(12), 3, 8
    _, record = watched("lazyeviction", [one], steps=12, budget=budget, window=window, alpha=0.1)
    n = one.length
    for p in range(2, 13):
        seen = record.by[p, 1]
        t = p - 1  # this decode step; evictions happened at multiples of the window before it
        last = (t - 1) // window * window
        if not last:
            assert seen.all()
            continue
        assert (seen.sum(-1) <= budget + t - last).all() and (seen.sum(-1) <= budget + window).all()
        assert seen[:, n + last - window : n + last].all(), "the last ones stayed"


def test_lazyeviction_keeps_what_comes_back():
    """An entry that was important every 5 steps outlives one that was important once, long ago."""
    t = torch.tensor(41.0)
    again, once = importance(t - 40, torch.tensor(5.0), "code"), importance(t - 1, torch.tensor(1.0), "code")
    never = importance(t - 0, torch.tensor(0.0), "code")
    assert again > never and float(never) == 0.0 and importance(t - 40, torch.tensor(1.0), "code") > once
    assert float(importance(torch.tensor(10.0), torch.tensor(10.0), "code")) == pytest.approx(0.2384 + 0.0002, abs=1e-3)


@given(st.lists(st.floats(-5, 5, width=32), min_size=1, max_size=12), st.integers(0, 14))
def test_best_is_a_stable_top_of_the_later(scores, count):
    x = torch.tensor(scores)[None, None]
    among = torch.arange(len(scores))[None, None] % 3 != 1
    got = best(x, among, torch.tensor([count]))[0, 0].nonzero()[:, 0].tolist()
    rows = [i for i in range(len(scores)) if i % 3 != 1]
    assert got == sorted(sorted(rows, key=lambda i: (-scores[i], -i))[:count])


def test_delta_reads_the_pages_of_the_selecting_layer():
    one = text(30)
    _, record = watched("delta", [one], budget=6, page=2, recent=1)
    full, selecting = made("delta").roles(view("llama"))
    assert (full, selecting) == ({0, 2, 3}, {0})
    for p in range(2, 7):
        t = one.length + p - 1
        assert all(record.by[p, l].all() for l in full)
        mass = record.weights[p, 0][:, -1].amax(0)
        pages = {u: float(mass[2 * u : 2 * u + 2].sum()) - 1e-7 * u for u in range((t + 1) // 2)}
        last = (t + 1) // 2 - 1
        top = {last, *sorted((u for u in pages if u != last), key=lambda u: -pages[u])[:2]}
        expected = {i for u in top for i in (2 * u, 2 * u + 1) if i < t}
        for head in record.by[p, 1]:
            assert set(head.nonzero()[:, 0].tolist()) == expected


def test_delta_takes_the_largest_head_not_the_mean():
    method = made("delta", budget=4, page=2, recent=1, ratio=0.0)
    score = torch.zeros(1, 10)
    score[0, 4] = 0.9
    entries = Entries(torch.ones(1, 10).bool(), torch.arange(10)[None], torch.tensor([10]), torch.tensor([4]))
    assert method.select(score, entries)[0, 0].nonzero()[:, 0].tolist() == [4, 5, 8, 9]


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("h2o", {"budget": 0}, "method.h2o.budget=0 must be a share"),
        ("h2o", {"budget": 1.5}, "method.h2o.budget=1.5 must be a share"),
        ("window", {"cache": "drop"}, "method.window.cache=drop is unknown: choose mask or evict"),
        ("snapkv", {"kernel": 4}, "kernel=4 must be odd"),
        ("gui_kv", {"form": "x"}, "form=x is unknown: choose release or paper"),
        ("gui_kv", {"basis": "qr"}, "basis=qr is unknown: choose first_r, svd, pivoted"),
        ("lazyeviction", {"form": "x"}, "form=x is unknown: choose code or paper"),
        ("delta", {"layers": [1, 2]}, "layers=.* must be layers of 28, including 0"),
    ],
)
def test_wrong_values_are_named(name, values, words):
    with pytest.raises(UsageError, match=words):
        made(name, **values)


def test_dropping_is_refused_where_others_look_or_windows_slide():
    v, inputs = view("llava"), [sample("llava", 0)]
    for other in ("pai", "vcd"):
        with pytest.raises(UsageError, match=f"method.h2o.cache=evict cannot run beside method={other}"):
            play(v, inputs, [made("h2o", cache="evict"), made(other)])
    with pytest.raises(UsageError, match=r"method.h2o.cache=evict: Gemma3.* drops entries by itself"):
        play(view("gemma3"), [sample("gemma3", 0)], [made("h2o", cache="evict")])
    with pytest.raises(UsageError, match="method=h2o cannot run beside method=snapkv"):
        play(v, inputs, [made("h2o"), made("snapkv")])

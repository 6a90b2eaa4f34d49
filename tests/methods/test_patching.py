"""Patched heads by brute force on small models, the invariants of the specification, and the repair."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from harness.checks.playing import play
from harness.checks.zoo import sample, view
from harness.core import UsageError
from harness.core.pair import Pair
from harness.methods._shared.patching import Paired, Paths, Repair, named, patched, paths
from harness.methods._shared.tracing import noised, played
from tests.methods.made import made

CLOSE: dict[str, Any] = {"atol": 3e-4, "rtol": 1e-3}


def plain(v, one) -> torch.Tensor:
    with torch.no_grad():
        return v.model(**one.tensors, use_cache=False).logits[0, -1]


def outputs(v, one) -> list[torch.Tensor]:
    """Head outputs of each layer [positions, heads, size] in a plain pass."""
    kept = []
    with hooked(v, lambda _l, z: kept.append(z.clone())):
        plain(v, one)
    return kept


@contextlib.contextmanager
def hooked(v, edit):
    """`edit(layer, z)` is told of the head outputs [positions, heads, size] of each layer, and may give others."""

    def hook(l):
        def before(_m, args):
            z = args[0].unflatten(-1, (v.n_heads, -1))
            new = edit(l, z[0])
            return None if new is None else (new[None].flatten(-2), *args[1:])

        return before

    handles = [v.projection(l).register_forward_pre_hook(hook(l)) for l in range(v.depth)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def pair(family="llama") -> Paired:
    """A prompt and one that differs in a word in its middle."""
    one = sample(family, 0)
    ids = one.tensors["input_ids"].clone()
    ids[0, -3] = 77
    return Paired(one, one.change(input_ids=ids), (10, 20))


@pytest.mark.parametrize("at", ["last", "all"])
def test_activation_patching_by_brute_force(at):
    v, two = view("llama"), pair()
    clean, base = outputs(v, two.clean), two.difference(plain(v, two.other))
    got = patched(v, [], two, at, [])
    assert got["counterpart"].value == pytest.approx(float(base), abs=1e-3)
    for l, h in ((0, 0), (1, 3), (3, 1)):

        def put(layer, z, l=l, h=h):
            if layer == l:
                z[-1 if at == "last" else slice(None), h] = clean[l][-1 if at == "last" else slice(None), h]
                return z
            return None

        with hooked(v, put):
            wanted = two.difference(plain(v, two.other)) - base
        assert got["patched"].values[l, h] == pytest.approx(float(wanted), abs=1e-3)


@pytest.mark.parametrize("receivers", [[], [(2, 1), (3, 0)]])
def test_path_patching_by_brute_force(receivers):
    """Pass A holds all heads but the sender; with receivers, pass B takes those alone from pass A."""
    v, two = view("llama"), pair()
    clean, other = outputs(v, two.clean), outputs(v, two.other)
    every = range(-two.clean.length, 0)
    senders = [(0, 2), (1, 1), (3, 2)]
    got = paths(v, [], two, senders, receivers, every)
    for row, (l, h) in zip(got, senders, strict=True):
        free = {}

        def held(layer, z, l=l, h=h, free=free):
            free[layer] = z.clone()
            z = clean[layer].clone()
            if layer == l:
                z[:, h] = other[l][:, h]
            return z

        with hooked(v, held):
            wanted = plain(v, two.clean)
        if receivers:

            def take(layer, z, free=free):
                for _, k in (r for r in receivers if r[0] == layer):
                    z[:, k] = free[layer][:, k]
                return z

            with hooked(v, take):
                wanted = plain(v, two.clean)
        torch.testing.assert_close(row, wanted, **CLOSE)
    changed = (got - plain(v, two.clean)).abs().amax(-1)
    assert changed[0] > 1e-2 and (not receivers or changed[2] < 1e-3), "no path leads back to earlier layers"


def test_receivers_of_the_last_position_by_brute_force():
    """The beginning is read once for all rows, and the paths are those of whole passes."""
    v, two = view("llama"), pair()
    got = paths(v, [], two, [(0, 2), (1, 1)], [(2, 1)], [-1])
    apart = [
        played(v, [Paths([s], [(2, 1)], [-1])], [two.clean, two.other, two.clean, two.clean], 0)[-1]
        for s in ((0, 2), (1, 1))
    ]
    torch.testing.assert_close(got, torch.stack(apart), **CLOSE)
    assert (got - plain(v, two.clean)).abs().amax() > 1e-3


def test_the_last_position_alone_is_what_reaches_the_logits_directly():
    """Heads of earlier positions have no way but other heads: both choices give the same paths."""
    v, two = view("llama"), pair()
    last, every = (patched(v, [], two, at, [])["paths"].values for at in ("last", "all"))
    np.testing.assert_allclose(last, every, atol=1e-3)


def test_a_prompt_patched_with_itself_changes_nothing():
    v, two = view("llama"), pair()
    same = replace(two, other=two.clean)
    got = patched(v, [], same, "all", []) | patched(v, [], same, "all", [(3, 0)])
    for name in ("patched", "paths", "to_receivers"):
        np.testing.assert_allclose(got[name].values, 0, atol=1e-3)


def test_batches_change_nothing(monkeypatch):
    v, two = view("llama"), pair()
    both = lambda: patched(v, [], two, "all", []) | patched(v, [], two, "all", [(3, 0)])  # noqa: E731
    whole = both()
    monkeypatch.setattr("harness.methods._shared.tracing.TOKENS", 5 * two.clean.length)
    monkeypatch.setattr("harness.methods._shared.patching.TOKENS", 7 * two.clean.length)
    for name, reading in both().items():
        np.testing.assert_allclose(reading.values, whole[name].values, atol=1e-3)


def test_repair_moves_the_attention_of_its_heads_alone():
    v, two = view("llama"), pair()
    kept = {}

    class Seen(Repair):
        def attention_weights(self, l, w, batch):
            new = super().attention_weights(l, w, batch)
            kept[l] = w if new is None else new
            return new

    played(v, [Seen([(1, 2)], [-4, -3])], [two.clean] * 2, 0)
    row = kept[1][1, 2, -1]
    assert row[[-4, -3]].tolist() == [0.5, 0.5] and row.sum() == 1
    torch.testing.assert_close(kept[1][0], kept[1][1].index_copy(0, torch.tensor([2]), kept[1][0, 2:3]))
    torch.testing.assert_close(kept[0][0], kept[0][1])


def test_the_probe_with_a_tasks_pair():
    """Its answers are the tokens of the attribution too, and the repair looks where the wrong words stand."""
    v, one = view("llama"), sample("llama", 0)
    assert one.request
    words = str(one.request.messages[-1].content[0]).split()
    other = one.request.changed(text=lambda t: t.replace(words[2], "w77"))
    one.pair = Pair(other, "yes", "no", (words[3][1:],))  # a decoded token is its number
    (got,) = play(v, [one], [made("heads", receivers=["3.1"], repair=["2.0", "1.1"])])
    read = {name.partition(".")[2]: r for name, r in got.readings.items()}
    z = plain(v, one)
    assert read["difference"].value == pytest.approx(float(z[10] - z[20]), abs=1e-3) == read["clean"].value
    assert read["to_receivers"].axes == ("layer", "head") and not {"patched", "paths"} & read.keys()
    at = -len(words) + 3
    with_repair = played(v, [Repair([(2, 0), (1, 1)], [at])], [one] * 2, 0)[1]
    wanted = float(with_repair[10] - with_repair[20]) - read["clean"].value
    assert read["oracle_repair"].value == pytest.approx(wanted, abs=1e-3)
    assert read["right"].value == float(z.argmax() == 10)
    (alone,) = play(v, [one], [made("heads", patch=None, repair=["2.0", "1.1"])])
    assert alone.readings["heads.oracle_repair"].value == pytest.approx(wanted, abs=1e-3)
    assert "heads.patched" not in alone.readings
    one.pair = replace(one.pair, request=one.request.changed(text=lambda t: t + " w5"))
    (got,) = play(v, [one], [made("heads")])
    assert "heads.patched" not in got.readings, "not as long"


def test_without_a_pair_the_picture_is_noised():
    v, one = view("llava"), sample("llava", 0)
    (got,) = play(v, [one], [made("heads")])
    z, spoiled = plain(v, one), plain(v, noised(one, 3.0))
    first, second = z.topk(2).indices.tolist()
    instead = int(spoiled.argmax())
    token = second if instead == first else instead
    assert got.readings["heads.clean"].value == pytest.approx(float(z[first] - z[token]), abs=1e-3)
    assert got.readings["heads.counterpart"].value == pytest.approx(float(spoiled[first] - spoiled[token]), abs=1e-3)
    (bare,) = play(v, [one], [made("heads", patch=None)])
    assert "heads.patched" not in bare.readings and "heads.heads" in bare.readings


def test_wrong_values_are_named():
    assert named(["3.1", "0.0"], view("llama")) == [(3, 1), (0, 0)]
    for name in ("4.0", "0.4", "mover", 1.1):
        with pytest.raises(
            UsageError, match=f"{name} is not a head of this model: quote layer.head, from '0.0' to '3.3'"
        ):
            named([name], view("llama"))
    with pytest.raises(UsageError, match=r"method.heads.patch=first is unknown: choose last, all or null"):
        made("heads", patch="first")

"""Causal tracing: the invariants of the specification, restored passes by brute force, and the kinds of tokens."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from harness.checks.playing import play
from harness.checks.zoo import sample, view
from harness.core import UsageError
from harness.core.drawing import Mark
from harness.methods._shared.tracing import Patch, kinds, noised, traced
from tests.methods.made import made
from tests.methods.restored import plain, restoring

CLOSE: dict[str, Any] = {"atol": 2e-4, "rtol": 1e-3}


@pytest.mark.parametrize("family", ["llava", "qwen2_vl", "instructblip"])
def test_restored_passes_by_brute_force(family):
    """Behind the picture, where it is encoded once, and in it."""
    v, clean = view(family), sample(family, 0)
    spoiled = noised(clean, 3.0)
    for at in ([-1], [-4, -3, -2], [-9, -8]):
        patches = [Patch("attention", 1, at), None, Patch("mlp", 0, at), Patch("hidden", 2, at)]
        got = traced(v, [], clean, spoiled, patches)
        torch.testing.assert_close(got[0], plain(v, clean), **CLOSE)
        torch.testing.assert_close(got[2], plain(v, spoiled), **CLOSE)
        for row in (1, 3, 4):
            patch = patches[row - 1]
            assert patch
            with restoring(v, clean, patch.part, patch.layer, at):
                torch.testing.assert_close(got[row], plain(v, spoiled), **CLOSE)


def test_all_restored_is_the_clean_pass_and_nothing_is_the_spoiled_one(monkeypatch):
    v, clean = view("llava"), sample("llava", 0)
    whole = [Patch("hidden", 1, range(-clean.length, 0))]
    got = traced(v, [], clean, noised(clean, 3.0), [*whole, None])
    torch.testing.assert_close(got[1], got[0], **CLOSE)
    assert (got[2] - got[0]).abs().max() > 0.1
    monkeypatch.setattr("harness.methods._shared.tracing.TOKENS", 2 * clean.length)
    torch.testing.assert_close(traced(v, [], clean, noised(clean, 3.0), [*whole, None]), got, **CLOSE)


def test_rates_are_of_the_lost_probability():
    v, clean = view("idefics3"), sample("idefics3", 0, length=4, picture=0)
    (got,) = play(v, [clean], [made("trace", every=2, kinds=["last"])])
    read = {name.partition(".")[2]: r.values for name, r in got.readings.items()}
    high, low = (plain(v, s).softmax(-1)[got.tokens[0]].item() for s in (clean, noised(clean, 3.0)))
    assert read["lost"] == pytest.approx(high - low, abs=1e-4) and high - low > 0.1
    curve = read["mlp_last_layers"]
    assert set(read) == {"clean", "noised", "lost", *(f"{p}_last_layers" for p in ("attention", "mlp", "hidden"))}
    assert np.isnan(curve).tolist() == [True, False, True, False]
    assert read["hidden_last_layers"][-1] == pytest.approx(1, abs=1e-5)
    with restoring(v, clean, "mlp", 1, [-1]):
        p = plain(v, noised(clean, 3.0)).softmax(-1)[got.tokens[0]].item()
    assert curve[1] == pytest.approx(np.clip((p - low) / (high - low), 0, 1), abs=1e-3)


def test_what_loses_little_has_no_rates():
    (got,) = play(view("gemma3"), [sample("gemma3", 1)], [made("trace", noise=1e-3)])
    assert abs(got.readings["trace.lost"].value) < 0.1 and np.isnan(got.readings["trace.hidden_last_layers"].value)


def test_other_methods_act_in_its_passes():
    clean, method = sample("llava", 0), made("pai", gamma=1.0)
    (alone,), (beside,) = (play(view("llava"), [clean], [*some, made("trace")]) for some in ((), (method,)))
    assert abs(alone.readings["trace.clean"].value - beside.readings["trace.clean"].value) > 1e-3
    with_contrast = play(view("llava"), [clean], [made("vcd"), made("trace")])[0]
    assert with_contrast.readings["trace.clean"].value == pytest.approx(alone.readings["trace.clean"].value, abs=1e-5)


def test_kinds_of_tokens():
    v, one = view("llava"), sample("llava", 0)
    ids = one.tensors["input_ids"][0].tolist()
    image, text = [n for n, t in enumerate(ids) if t == 200], range(len(ids) - 6, len(ids) - 1)
    bare = kinds(v, one)
    assert bare == {"visual": [n - len(ids) for n in image], "text": [*range(-6, -1)], "last": [-1]}
    name = v.decode([ids[text[1]]])
    box = (0.26, 0.26, 0.49, 0.74)  # the second column of the second and third row of a grid of four
    found = kinds(v, replace(one, marks=(Mark(name, "target", box=box), Mark("w3", "wrong", box=(0, 0, 1, 1)))))
    own = [image[5], image[9]]
    assert {k: [n + len(ids) for n in at] for k, at in found.items()} == {
        "early visual": image[:5],
        "object visual": own,
        "late visual": [n for n in image[5:] if n not in own],
        "early text": [text[0]],
        "object text": [text[1]],
        "late text": [*text[2:]],
        "last": [len(ids) - 1],
    }


def test_the_same_prompt_gets_the_same_noise():
    one, two = sample("llava", 0), sample("llava", 1)
    assert torch.equal(noised(one, 1.0).tensors["pixel_values"], noised(one, 1.0).tensors["pixel_values"])
    assert not torch.equal(noised(one, 1.0).tensors["pixel_values"], noised(two, 1.0).tensors["pixel_values"])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"noise": 0.0}, "needs noise above 0 and every of at least 1"),
        ({"kinds": ["first"]}, "method.trace.kinds=first is unknown: choose from early visual, object visual"),
    ],
)
def test_wrong_values_are_named(changes, says):
    with pytest.raises(UsageError, match=says):
        made("trace", **changes)

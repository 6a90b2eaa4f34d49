"""Waiting and peeking: the invariants of the specification, and means and masks by brute force."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.checks.playing import play
from harness.checks.zoo import sample, view
from harness.core import UsageError
from harness.methods._shared.waiting import Waiting, answers, means
from tests.methods.eager import forward
from tests.methods.made import made


def prompt():
    """A text whose words at two places are exchanged for others, and those words."""
    one = sample("llama", 0, length=6)
    ids = one.tensors["input_ids"][0].tolist()
    places = [len(ids) - 4, len(ids) - 2]
    return one, ids, places, [ids[p] for p in places] + [40, 41, 42]


def read(**changes):
    one, _ids, _places, values = prompt()
    v = view("llama")
    words = [f"w{t}" for t in values]
    (got,) = play(v, [one], [made("wait_peek", values=words, **changes)])
    return got, {name.partition(".")[2]: r.values for name, r in got.readings.items()}


def test_readings_are_of_the_layers():
    _got, found = read(bank=4)
    assert found["varied"] == 2 and set(found) == {"varied", "wait", "wait_layers", "peek_layers"}
    assert found["wait_layers"].shape == (4,) and set(found["wait_layers"]) <= {0, 1}
    assert np.isnan(found["peek_layers"]).tolist() == [True, True, False, True], "a window of two from layer 2 on"
    kept = found["wait_layers"] == 0
    assert found["wait"] == (kept.argmax() if kept.any() else 4)


def test_a_bank_of_the_prompt_itself_changes_nothing():
    """Words that can only be exchanged for themselves: every wait keeps the answer."""
    one = sample("llama", 0, length=6)
    token = one.tensors["input_ids"][0][-2].item()
    (got,) = play(view("llama"), [one], [made("wait_peek", values=[f"w{token}"])])
    assert got.readings["wait_peek.wait"].value == 4 and got.readings["wait_peek.varied"].value >= 1


def test_means_are_those_of_prompts_with_the_same_token_there():
    one, ids, places, values = prompt()
    v = view("llama")
    of = means(v, one, places, values, 3)
    generator = torch.Generator().manual_seed(sum(t * (n + 1) for n, t in enumerate(ids)) % 2**31)
    drawn = torch.tensor(values)[torch.randint(len(values), (3, 2), generator=generator)]
    states = {}
    for fixed in (None, *places):
        rows = []
        for words in drawn.tolist():
            other = torch.tensor(ids)
            other[places] = torch.tensor(words)
            if fixed is not None:
                other[fixed] = ids[fixed]
            rows.append(torch.stack(forward(v, one.change(input_ids=other[None]), [0]).hidden_states[1:-1])[:, 0])
        states[fixed] = torch.stack(rows).mean(0)  # [layers but the last, t, d]
    for l in range(v.depth - 1):
        for t in range(len(ids)):
            wanted = states[t if t in places else None][l, t]
            torch.testing.assert_close(of[l][t], wanted, atol=2e-4, rtol=1e-3)


def test_no_wait_is_vanilla_and_closed_attention_is_closed():
    one, ids, _places, _values = prompt()
    v, (plain,) = view("llama"), play(view("llama"), [prompt()[0]])
    said = answers(v, one, Waiting({}, [0], [-1], 1))
    assert said.tolist() == plain.tokens[:1]
    kept = {}

    class Seen(Waiting):
        def attention_weights(self, l, w, batch):
            kept[l] = w

    answers(v, one, Seen({}, [0, 0], [1, -1], 2))
    n = len(ids)
    alone = torch.eye(n, dtype=torch.bool)
    alone[:, 0] = True
    for l, w in kept.items():
        seen = alone.clone()
        seen[-1] |= l in (1, 2)
        assert (w[0][:, ~seen] == 0).all() and (w[0].sum(-1) - 1).abs().max() < 1e-5
        assert (w[1][:, torch.ones(n, n).tril().bool()] > 0).float().mean() > 0.9, "the other row stays open"


def test_pictures_and_texts_without_such_words_have_nothing_to_vary():
    for family, picture in (("llava", 0), ("llama", None)):
        (got,) = play(view(family), [sample(family, 0, picture=picture)], [made("wait_peek")])
        assert {n: float(r.values) for n, r in got.readings.items()} == {"wait_peek.varied": 0}


def test_wrong_values_are_named():
    with pytest.raises(UsageError, match="needs bank and width of at least 1"):
        made("wait_peek", bank=0)

"""GIFT: the tests of its specification."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import pytest
import torch

from harness.checks.playing import play, same
from harness.checks.zoo import sample, view
from harness.core import UsageError
from harness.methods._shared.patches import right_aligned, spread
from harness.methods._shared.words import content_words, last_of_each
from harness.methods.attention.gift import Gift, enhance, saliency
from tests.methods.made import made


def test_content_words():
    pieces = ["Is", " there", " a", " dog", "s", "led", " in", " the", " image", "?"]
    assert content_words(pieces, "rule") == [3, 4, 5, 8]
    assert content_words(["Is", " it", "?"], "rule") == []


def test_only_the_last_occurrence_of_a_word_counts_in_the_code():
    pieces = ["Is", " the", " do", "g", " the", " dog", " or", " a", " Dog", "?"]
    found = content_words(pieces, "rule")
    assert found == [2, 3, 5, 8] and last_of_each(pieces, found) == [5, 8]
    assert last_of_each(pieces, []) == []
    v, one = view("llava"), sample("llava", 0)
    start, end = one.question
    ids = one.tensors["input_ids"].clone()
    ids[0, start:end] = torch.tensor([5, 6, 5, 7, 8, 9])
    one = one.change(input_ids=ids)
    assert made("gift")._words(one, v) == [p for p in range(start, end) if p != start]
    assert made("gift", form="paper")._words(one, v) == list(range(start, end))


def test_saliency_by_hand():
    attention = torch.zeros(2, 3, 4)
    attention[0, 1] = torch.tensor([0.0, 0.4, 0.2, 0.0])  # head 0 looks up at row 1
    attention[1, 2] = torch.tensor([0.1, 0.0, 0.0, 0.0])
    torch.testing.assert_close(saliency(attention, [1, 2]), torch.tensor([0.0, 1.0, 0.5, 0.0]))
    assert torch.equal(saliency(torch.ones(2, 3, 4), [1]), torch.zeros(4))  # nothing stands out


def test_enhancement_by_hand():
    w = torch.tensor([[[[0.1, 0.4, 0.2, 0.3]], [[0.5, 0.1, 0.1, 0.3]]]])  # columns: text, picture, picture, question
    image, question = torch.tensor([[False, True, True, False]]), torch.tensor([[False, False, False, True]])
    new = enhance(w, image, question, torch.tensor([[2.0, 1.0]]), 1.0)
    ratio = 1.0 / 0.6
    row = torch.tensor([0.1, 0.8, 0.2, 0.3 * ratio])  # head 0 leads in both
    torch.testing.assert_close(new[0, 0, 0], row / row.sum())
    torch.testing.assert_close(new[0, 1], w[0, 1])


def test_a_sliding_window_keeps_each_tokens_own_weight():
    weights, image = torch.tensor([[2.0, 3.0, 4.0]]), torch.tensor([[False, True, True, True, False]])
    assert spread(weights, image, 1.0)[0].tolist() == [1, 2, 3, 4, 1]
    assert spread(weights, image[:, 2:], 1.0)[0].tolist() == [3, 4, 1]
    rows = right_aligned([torch.tensor([5.0]), weights[0], torch.zeros(0)])
    assert rows.tolist() == [[0, 0, 5], [2, 3, 4], [0, 0, 0]]


def test_only_the_most_attentive_half_of_the_heads_and_the_last_row_change():
    v, inputs, seen = view("llava"), [sample("llava", 0)], []

    class Watch(Gift):
        def attention_weights(self, l, w, run):
            new = super().attention_weights(l, w, run)
            seen.append((l, w.shape[2], int((new != w).any(-1).sum())))
            return new

    method = made("gift")
    method.__class__ = Watch
    play(v, inputs, [method])
    assert {l for l, _, _ in seen} == {2, 3} and {rows for _, rows, _ in seen} == {1}
    assert all(2 <= heads <= 4 for _, _, heads in seen)  # two for the picture, two for the question, of four


def test_strength_never_falls_and_both_extremes_are_attained():
    attention = torch.rand(4, 6, 9, generator=torch.Generator().manual_seed(0))
    s = saliency(attention, [2, 4])
    assert s.min() == 0 and s.max() == 1
    w = torch.rand(1, 4, 1, 12, generator=torch.Generator().manual_seed(1))
    w, image = w / w.sum(-1, keepdim=True), torch.tensor([[True] * 9 + [False] * 3])
    new = enhance(w, image, ~image, (2 * s).exp()[None], 1.0)
    seen = (w * image[:, None, None]).sum((0, 2, 3)).topk(2).indices
    assert ((new / w)[0, seen].amax((-1, -2)) >= 1).all()


def test_no_content_word_falls_back_to_the_whole_question(monkeypatch):
    v, one = view("llava"), sample("llava", 0)
    method = made("gift")
    assert method._words(one, v) == list(range(*one.question))  # the zoo's tokens decode to digits: all are words
    empty = replace(one, question=None)
    assert method._words(empty, v)[0] == one.question[0]
    monkeypatch.setattr(v, "decode", lambda ids: " the" * len(ids))
    assert method._words(one, v) == list(range(*one.question))
    monkeypatch.setattr(v, "decode", lambda ids: " the" * (len(ids) - 1) + " dog" * bool(ids))
    assert method._words(one, v) == [one.question[1] - 1]


@pytest.mark.skipif(importlib.util.find_spec("spacy") is not None, reason="spaCy is installed")
def test_spacy_is_asked_for_by_name():
    with pytest.raises(UsageError, match=r"method\.gift\.tagger=spacy needs spaCy"):
        content_words([" dog"], "spacy")


def test_rows_sum_to_one_and_weights_of_one_change_nothing():
    w = torch.rand(2, 4, 1, 9, generator=torch.Generator().manual_seed(0))
    w = w / w.sum(-1, keepdim=True)
    image = torch.tensor([[False, True, True, True, False, False, False, False, False]] * 2)
    question = torch.tensor([[False] * 5 + [True] * 3 + [False]] * 2)
    weights = 1 + torch.rand(2, 3, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(enhance(w, image, question, weights, 1.0).sum(-1), torch.ones(2, 4, 1))
    torch.testing.assert_close(enhance(w, image, question, torch.ones(2, 3), 1.0), w)
    assert torch.equal(enhance(w, image & False, question, weights, 1.0), w)


def test_only_the_last_row_is_edited_so_prefixes_are_shared():
    v, inputs = view("llava"), [sample("llava", i, picture=0, shared=True) for i in range(3)]
    alone = [play(v, [one], [made("gift")])[0] for one in inputs]
    same(play(v, inputs, [made("gift")]), alone, 5e-4)


def test_bad_values_are_named():
    with pytest.raises(UsageError, match=r"method\.gift\.tagger"):
        made("gift", tagger="nltk")
    with pytest.raises(UsageError, match=r"method\.gift\.form=x"):
        made("gift", form="x")
    with pytest.raises(UsageError, match="start not above end"):
        made("gift", start=20, end=10)

"""Prompts of text that begin alike are batched together; the others by their length."""

from __future__ import annotations

import random

from harness.core import Call, Request, Sample, user
from harness.models.hf import families as module
from harness.models.hf.families import Text, families


def text(tokens, name="", limit=8):
    return Text(Call(Request(user(name), limit), Sample(name, "c", "g", None), 0), tuple(tokens))


def haystacks():
    """Three documents of 900 tokens with five questions each, and short prompts, shuffled."""
    draw = random.Random(0)
    documents = [[draw.randrange(1000) for _ in range(900)] for _ in range(3)]
    asked = [text([*d, 2000 + q, 3000], f"{n}-{q}") for n, d in enumerate(documents) for q in range(5)]
    asked += [text([draw.randrange(1000) for _ in range(20 + n)], f"short {n}") for n in range(9)]
    draw.shuffle(asked)
    return asked


def test_each_document_is_a_family_and_the_rest_goes_by_length():
    *found, rest = families(haystacks())
    documents = [{t.call.sample.id.split("-")[0] for t in family} for family in found]
    assert sorted(map(sorted, documents)) == [["0"], ["1"], ["2"]]
    assert [len(f) for f in found] == [5, 5, 5]
    assert [t.length for t in rest] == list(range(20, 29))


def test_the_order_does_not_depend_on_that_of_the_calls():
    asked = haystacks()
    names = lambda groups: [[t.call.sample.id for t in g] for g in groups]  # noqa: E731
    assert names(families(asked)) == names(families(asked[::-1]))
    assert families([]) == []


def test_neighbours_in_a_family_have_most_in_common():
    tree = [[*range(800), *range(branch, branch + 150), leaf] for branch in (5, 900, 60) for leaf in (1, 2, 3)]
    random.Random(1).shuffle(tree)
    (family,) = families([text(t) for t in tree])
    assert [t.tokens[800] for t in family] == [5] * 3 + [60] * 3 + [900] * 3


def test_little_to_save_and_other_limits_make_no_family(monkeypatch):
    few = [text([*range(100), n]) for n in range(9)]
    assert len(families(few)) == 1
    monkeypatch.setattr(module, "WORTH", 700)
    assert len(families([*few, text([5] * 100)])) == 2
    assert len(families([text([*range(800), 1], limit=8), text([*range(800), 2], limit=9)])) == 1


def test_what_two_prompts_have_in_common_is_counted_exactly():
    draw = random.Random(2)
    for _ in range(200):
        one = [draw.randrange(2) for _ in range(draw.randrange(1, 12))]
        two = [draw.randrange(2) for _ in range(draw.randrange(1, 12))]
        wanted = next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), min(len(one), len(two)))
        assert module._common(text(one), text(two)) == wanted

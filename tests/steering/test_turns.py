"""Prompts that go on from a sample's last one: the same answers, and less is read."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import harness
from harness.checks.zoo import sample, view
from harness.core import Decoding
from harness.steering import Steering, generate, refill, turns
from harness.steering.carried import Carried
from harness.steering.inputs import Inputs
from harness.steering.refill import Asked, refilled
from harness.steering.turns import Past, Turns, go_on
from tests.steering.probes import Scale

GREEDY = Decoding()
FAMILIES = ["llama", "llava"]
COUNT = 3
"""Samples that talk, side by side."""


@pytest.fixture
def talking(monkeypatch):
    monkeypatch.setattr(turns, "SAVED", 4)

    def of(name: str) -> Any:
        v = view(name)
        monkeypatch.setattr(v, "turns", Turns())
        v.carried = None
        return v

    return of


def grown(one: Inputs, *words: int) -> Inputs:
    """The prompt with more words behind it."""
    return one.extended(words)


def joined(one: Inputs, other: Inputs) -> Inputs:
    """Two prompts behind each other, each with its picture."""
    both = {k: torch.cat([v, other.tensors[k]], int(k != "pixel_values")) for k, v in one.tensors.items()}
    return Inputs(both)


def conversation(v: Any, firsts: list[Inputs], follow: Any, methods: Any = ()) -> Any:
    """Answers of each sample's turns, and the positions that the decoder read.

    `follow`: of a sample's number, turn, prompt and answer, the next prompt; None ends it.
    """
    before, said, last = v.work.positions, {i: [] for i in range(len(firsts))}, dict(enumerate(firsts))
    coming: list[Asked] = []
    turn = dict.fromkeys(last, 0)

    def asked(i: int, one: Inputs) -> Asked:
        return Asked(i, one, 5, i, again=turn[i] > 0, talk=i)

    def further() -> list[Asked]:
        some, coming[:] = list(coming), []
        return some

    todo = [asked(i, one) for i, one in last.items()]
    for part in refilled(v, todo, methods, GREEDY, COUNT, 12_000, further=further):
        for a in part:
            said[a.number].append(a.made.tokens)
            turn[a.number] += 1
            if (new := follow(a.number, turn[a.number], last[a.number], a.made.tokens)) is not None:
                last[a.number] = new
                coming.append(asked(a.number, new))
    return said, v.work.positions - before


def talk(i: int, turn: int, prompt: Inputs, answer: list[int]) -> Inputs | None:
    """What was said, and some words more; samples ask up to four times."""
    return grown(prompt, *answer, 3 + i, 4 + turn, 5) if turn < 2 + i else None


def firsts(name: str) -> list[Inputs]:
    return [sample(name, i, length=5 + i) for i in range(COUNT)]


def without(monkeypatch, v, *given, **more):
    with monkeypatch.context() as patch:
        patch.setattr(v, "turns", None)
        return conversation(v, *given, **more)


@pytest.mark.parametrize("method", [None, "plain", "with"])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_conversation_goes_on_from_what_was_read(talking, monkeypatch, name, method):
    class Slight(Scale):
        prefix: Any = method or "plain"

    v, methods = talking(name), (Slight("logits", 0.5),) if method else ()
    given = firsts(name), talk, methods
    wanted, all_of_it = without(monkeypatch, v, *given)
    found, less = conversation(v, *given)
    assert found == wanted and [len(found[i]) for i in range(COUNT)] == [2, 3, 4]
    assert (less < 0.8 * all_of_it) is (method != "with") and (less == all_of_it) is (method == "with")


def test_a_next_picture_is_read_and_those_before_are_not(talking, monkeypatch):
    v, pixels = talking("llava"), []

    def follow(i, turn, prompt, answer):
        if turn > 2:
            return None
        new = sample("llava", 10 * turn + i, picture=10 + turn, before=0)
        return joined(grown(prompt, *answer), new)

    wanted, all_of_it = without(monkeypatch, v, firsts("llava"), follow)
    tower = v.model.base_model.vision_tower
    handle = tower.register_forward_pre_hook(
        lambda _, args, kwargs: pixels.append(len(args[0] if args else kwargs["pixel_values"])), with_kwargs=True
    )
    try:
        found, less = conversation(v, firsts("llava"), follow)
    finally:
        handle.remove()
    assert found == wanted and less < 0.8 * all_of_it
    assert sum(pixels) < COUNT * (1 + 2 + 3)


def held(one: Inputs) -> Turns:
    made, tokens = Turns(), one.tensors["input_ids"][0]
    states = torch.zeros(1, 1, len(tokens), 2)
    made._held["x"] = Carried(tokens, [(states, states)]), turns._pictures(one)
    return made


def prompt(tokens: list[int], *pictures: int, **more: torch.Tensor) -> Inputs:
    """Pictures of one colour each."""
    ids = torch.tensor([tokens])
    shown = {"pixel_values": torch.stack([torch.full((3, 2, 2), float(n)) for n in pictures])} if pictures else {}
    return Inputs({"input_ids": ids, "attention_mask": torch.ones_like(ids), **shown, **more})


HEAD = [1, 2, 3, 4, 5, 6]


def test_what_a_prompt_goes_on_from(monkeypatch):
    monkeypatch.setattr(turns, "SAVED", 4)
    first = prompt(HEAD)
    past = held(first).take("x", prompt([*HEAD, 7, 8]), None)
    assert isinstance(past, Past) and past.length == 6
    equal = held(first).take("x", first, None)
    assert equal and equal.length == 5  # a token is left to be read
    assert held(first).take("x", prompt([1, 2, 3, 9, 9]), None) is None  # too little in common
    assert held(first).take("y", prompt([*HEAD, 7]), None) is None
    made = held(first)
    assert not made.wanted and made.take("x", prompt([*HEAD, 7]), None) and made.wanted
    assert made.take("x", prompt([*HEAD, 7]), None) is None  # nobody else goes on from it


def test_pictures_must_be_those_that_were_read(monkeypatch):
    monkeypatch.setattr(turns, "SAVED", 4)
    seen = [1, 99, 99, 4, 5]
    first = prompt(seen, 10)
    same = held(first).take("x", prompt([*seen, 6], 10), 99)
    assert same and not same.rest.sees
    assert held(first).take("x", prompt([*seen, 6], 11), 99) is None
    assert held(first).take("x", prompt([*seen, 6]), 99) is None
    more = held(first).take("x", prompt([*seen, 99, 99, 6], 10, 11), 99)
    assert more and more.length == 5 and more.rest.tensors["pixel_values"].unique().tolist() == [11]
    assert held(first).take("x", prompt([*seen, 99, 99, 6], 11, 10), 99) is None
    cut = held(prompt([1, 2, 3, 4, 99, 99], 10)).take("x", prompt([1, 2, 3, 4, 99, 7, 8], 10), 99)
    assert cut is None  # in the middle of a picture


def test_tensors_that_do_not_tell_pictures_apart_are_read_again(monkeypatch):
    monkeypatch.setattr(turns, "SAVED", 4)
    sizes = {"image_sizes": torch.tensor([[2, 2]])}
    first = prompt([1, 99, 99, 4, 5], 10, **sizes)
    assert held(first).take("x", prompt([1, 99, 99, 4, 5, 6], 10, **sizes), 99)
    assert held(first).take("x", prompt([1, 99, 99, 4, 5, 99, 99], 10, 11, **sizes), 99) is None


def test_the_oldest_are_dropped(talking, monkeypatch):
    v = talking("llama")
    monkeypatch.setattr(turns, "KEPT", 1)
    wanted, all_of_it = without(monkeypatch, v, firsts("llama"), talk)
    assert conversation(v, firsts("llama"), talk) == (wanted, all_of_it) and not v.turns._held


def test_nothing_is_kept_until_a_sample_asks_again(talking):
    v = talking("llama")
    conversation(v, firsts("llama"), lambda *_: None)
    assert not v.turns._held and not v.turns.wanted


class Reads(Steering):
    name, reads_question = "reads", True


class Rewrites(Steering):
    name = "rewrites"

    def rewrite(self, sample, view):
        return None


def test_who_may_go_on():
    assert go_on(view("llava"), ()) and go_on(view("llava"), (Scale("logits", 0.5),)) is (Scale.prefix == "plain")
    assert not go_on(view("qwen2_vl"), ())  # positions depend on pictures
    assert not go_on(view("llava"), (Reads(),)) and not go_on(view("llava"), (Rewrites(),))


def test_a_conversation_says_what_it_says_turn_by_turn(talking):
    v = talking("llama")
    found, _ = conversation(v, firsts("llama"), talk)
    for i, one in enumerate(firsts("llama")):
        for turn, answer in enumerate(found[i], 1):
            assert generate(v, [one], (), GREEDY, 5, [i])[0].tokens == answer
            one = talk(i, turn, one, answer) or one


@pytest.mark.parametrize("history", ["newest", "all"])
def test_turns_of_a_task_are_answered_alike_and_less_is_read(tmp_path, monkeypatch, history):
    task = {"vic_bench": {"history": history, "stages": [3], "step_tokens": 24}}
    runs = []
    for name, go in (("on", go_on), ("off", lambda *_: False)):
        monkeypatch.setattr(refill, "go_on", go)
        results = tmp_path / name
        runs.append(harness.evaluate(task, model="tiny-llava", limit=4, results=results, logger="quiet"))
    answers = [[(row["sample"], row["answer"]) for row in run.samples()] for run in runs]
    positions = [run.record.work["positions"] for run in runs]
    assert answers[0] == answers[1] and len(answers[0]) == 4
    assert positions[0] < 0.8 * positions[1]

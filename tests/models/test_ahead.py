"""Pictures that threads preprocess ahead of the model."""

from __future__ import annotations

import threading

import pytest
import torch
from transformers import AutoConfig, AutoProcessor

from harness.core.picture import Picture
from harness.core.types import Request, user
from harness.models.hf import ahead
from harness.models.hf.ahead import Ahead
from harness.models.hf.prompts import Prompts
from tests.models.test_hf import WEIGHTS, requests  # noqa: F401  # a fixture


def asking(*numbers):
    return [Request(user(Picture(f"{n}".encode()), "what"), 1) for n in numbers]


def digest(request):
    return request.pictures[0].digest


def made(request):
    return int(request.pictures[0].encoded()), threading.current_thread().name


def test_pictures_are_made_in_other_threads_each_once(monkeypatch):
    monkeypatch.setattr(ahead, "DEPTH", 2)
    asked, seen = asking(1, 2, 1, 3, 4), []
    some = Ahead(lambda r: seen.append(made(r)[0]) or made(r), threads=2)
    some.expect(asked)
    got = [some.take(digest(r)) for r in (asked[0], asked[1], asked[3], asked[4])]
    assert [n for n, _ in got] == [1, 2, 3, 4] == sorted(seen)
    assert all(name.startswith("pictures") for _, name in got)


def test_no_more_lie_ready_than_the_depth(monkeypatch):
    monkeypatch.setattr(ahead, "DEPTH", 2)
    some = Ahead(made, threads=1)
    some.expect(asking(*range(9)))
    assert len(some._begun) == 2 and len(some._waiting) == 7
    some.take(digest(asking(0)[0]))
    assert len(some._begun) == 2 and len(some._waiting) == 6


def test_what_fails_or_is_not_expected_is_left_to_who_asks():
    def fails(request):
        raise ValueError("damaged")

    some = Ahead(fails, threads=1)
    some.expect(asking(1, 2))
    assert some.take(digest(asking(1)[0])) is None and some.take(digest(asking(7)[0])) is None


def test_one_core_makes_nothing_ahead():
    some = Ahead(made, threads=0)
    some.expect(asking(1, 2))
    assert some.take(digest(asking(1)[0])) is None


def test_prompts_are_those_made_in_turn(requests):  # noqa: F811
    processor, config = AutoProcessor.from_pretrained(WEIGHTS), AutoConfig.from_pretrained(WEIGHTS)
    plain, threaded = (Prompts(processor, config, chat="auto", threads=n) for n in (0, 3))
    threaded.expect(requests)
    assert threaded.ahead._begun
    for request in requests[::5]:
        one, two = plain.encode(request).tensors, threaded.encode(request).tensors
        assert one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


def test_a_damaged_picture_is_told_as_ever():
    processor, config = AutoProcessor.from_pretrained(WEIGHTS), AutoConfig.from_pretrained(WEIGHTS)
    told = []
    for threads in (0, 2):
        prompts = Prompts(processor, config, chat="auto", threads=threads)
        prompts.expect(asking(1, 2))
        with pytest.raises(Exception) as error:
            prompts.encode(asking(1)[0])
        told.append((type(error.value), str(error.value)))
    assert told[0] == told[1]

"""Steps of decoding as CUDA graphs. On a CPU nothing is recorded, but each step reads and writes what a graph would."""

from __future__ import annotations

import pytest
import torch

from harness.checks.playing import same
from harness.checks.zoo import sample, view
from harness.core import Decoding
from harness.steering import generate
from harness.steering.recorded import COLUMNS, Recordings
from tests.methods.made import made

FAMILIES = ["llama", "llava", "qwen2_vl", "internvl"]


@pytest.fixture
def recordings(monkeypatch):
    """Switches recordings on for a family's view, from the second token on."""

    def switched(name):
        found = Recordings(first=0, everywhere=True)
        monkeypatch.setattr(view(name), "recordings", found)
        return view(name), found

    return switched


def play(v, inputs, methods=(), steps=6, **options):
    return generate(v, inputs, methods, Decoding(), steps, range(len(inputs)), keep_scores=True, **options)


def prompts(name):
    """Of three lengths; two share their picture."""
    return [sample(name, i, length=4 + 2 * i, picture=1 + i // 2, shared=True) for i in range(3)]


@pytest.mark.parametrize("name", FAMILIES)
def test_steps_are_those_of_the_plain_model(name, recordings):
    before = play(view(name), prompts(name))
    v, found = recordings(name)
    same(play(v, prompts(name)), before, 1e-4)
    assert found.played >= 5 and found.made
    assert "forward" not in vars(v.decoder)


def test_a_recording_serves_later_batches_and_keeps_nothing_of_earlier_ones(recordings):
    v, found = recordings("llama")
    long = [sample("llama", i, length=40) for i in range(3)]
    short = [sample("llama", 10 + i, length=4 + i) for i in range(3)]
    play(v, long)
    again = play(v, short)
    assert len(found.made) == 1 and found.played == 10
    v.recordings = None
    same(again, play(v, short), 1e-4)


def test_rows_and_columns_that_do_not_fit_get_their_own(recordings):
    v, found = recordings("llama")
    play(v, [sample("llama", 0)])
    play(v, [sample("llama", 1), sample("llama", 2)])
    play(v, [sample("llama", 0, length=COLUMNS)])
    assert [(len(r.tokens), r.columns) for r in found.made] == [(1, COLUMNS), (2, COLUMNS), (1, 2 * COLUMNS)]


def test_short_answers_and_methods_are_left_alone(recordings):
    v, found = recordings("llava")
    found.first = 3
    play(v, prompts("llava"), steps=4)
    assert not found.made
    found.first = 0
    play(v, prompts("llava"), [made("pai", alpha=0.5, gamma=1.0)])
    assert not found.made


def test_what_cannot_be_recorded_is_computed_as_ever(recordings, monkeypatch):
    before = play(view("llama"), [sample("llama", 1)])
    v, found = recordings("llama")

    def fails(*_):
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr("harness.steering.recorded.Recording.play", fails)
    same(play(v, [sample("llama", 1)]), before, 0)
    assert found.refused and not found.made


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is at hand")
@pytest.mark.parametrize("name", FAMILIES)
def test_graphs_give_the_plain_models_steps(name):
    v = view(name)
    device = v.device
    v.model.to("cuda")
    try:
        before = play(v, prompts(name), steps=24)
        v.recordings = Recordings()
        for _ in range(2):
            same(play(v, prompts(name), steps=24), before, 1e-3)
        assert v.recordings.played > 20 and v.recordings.made and not v.recordings.refused
    finally:
        v.recordings = None
        v.model.to(device)

"""What every probe inherits: it edits nothing on any family, and reads the same of a prompt alone, in a batch, and
beside other methods that do nothing."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from harness.checks import invariants
from harness.checks.playing import play, same
from harness.checks.zoo import FAMILIES, sample, view
from harness.core import Decoding, UsageError
from harness.core.readings import AXES
from harness.plugins.registry import Registry
from harness.steering import Generated, Inputs, Probe
from tests.methods.artefacts import ARTEFACTS
from tests.methods.made import made

PROBES = sorted(n for n, m in Registry().methods.items() if m.kind == "probe")
LINES = 80
"""Lines of a probe's file at most."""
every = pytest.mark.parametrize("probe", PROBES)


def ready(probe: str, family: str) -> Probe:
    """With the artefact that it needs."""
    found = made(probe)
    if found.needs_artefact:
        found.artefact = ARTEFACTS[probe](view(family))
    return found


@functools.cache
def plain(family: str, *others: str) -> tuple[list[Inputs], list[Generated]]:
    """Two prompts with one picture, and their answers without a probe."""
    picture = 0 if FAMILIES[family].tokens else None
    inputs = [sample(family, i, length=4 + 2 * i, picture=picture, shared=picture is not None) for i in range(2)]
    return inputs, play(view(family), inputs, [made(name) for name in others])


@every
@pytest.mark.parametrize("family", FAMILIES)
def test_edits_nothing_and_reads_the_same_alone(probe, family):
    inputs, before = plain(family)
    method = ready(probe, family)
    read = invariants.edits_nothing(view(family), inputs, method, before)
    if not FAMILIES[family].tokens and Registry().methods[probe].raw.get("needs_picture"):
        assert not any(g.readings for g in read)
        return
    invariants.reads_the_same_alone(view(family), inputs, method, read, which=[1])
    for one in read:
        assert all(name.startswith(f"{probe}.") for name in one.readings)
        for name, reading in one.readings.items():
            assert set(reading.axes) <= set(AXES) and not np.isinf(reading.values).any(), name
            steps = [n for n, axis in zip(reading.values.shape, reading.axes, strict=True) if axis == "step"]
            assert all(n == len(one.tokens) for n in steps), name
    assert any(not r.axes for r in read[0].readings.values()), "a number by which runs are compared"


@every
def test_sees_what_other_methods_do_and_changes_none_of_it(probe):
    others = ("vista", "vcd", "var")
    inputs, before = plain("llava", *others)
    read = play(view("llava"), inputs, [ready(probe, "llava"), *(made(name) for name in others)])
    same(read, before)
    assert all(g.readings for g in read)


@every
def test_reads_answers_that_are_decoded_otherwise(probe):
    """Beam search, and a method that decodes by itself: the finished answer is read once more."""
    v, (inputs, greedy) = view("llava"), plain("llava")
    ways = [([], Decoding("beam", num_beams=2)), (["opera"], Decoding())]
    for methods, decoding in ways[:: 1 if probe == PROBES[0] else 2]:
        (before,) = play(v, inputs[:1], [made(m) for m in methods], decoding)
        (read,) = play(v, inputs[:1], [*(made(m) for m in methods), ready(probe, "llava")], decoding)
        assert read.tokens == before.tokens and read.readings
    (sampled,) = play(v, inputs[:1], [ready(probe, "llava")], Decoding("nucleus", temperature=1e-6))
    assert sampled.tokens == greedy[0].tokens and sampled.readings


@every
def test_its_file_is_short(probe):
    lines = Registry().methods[probe].path.with_suffix(".py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= LINES


class Edits(Probe):
    name = "edits"

    def residual(self, l, h, batch):
        return h + 1

    def readings(self, batch, passes):
        return {}


def test_a_probe_that_returns_something_is_refused():
    with pytest.raises(UsageError, match="method=edits is a probe, but its residual returned something"):
        play(view("llama"), [sample("llama", 0)], [Edits()])


class EditsTower(Edits):
    def tower_residual(self, l, x, batch):
        return x + 1


def test_nor_in_the_tower():
    with pytest.raises(UsageError, match="method=edits is a probe, but its tower_residual returned something"):
        play(view("llava"), [sample("llava", 0)], [EditsTower()])

"""What every steering method inherits: it is found by its YAML, and checked on every family. `harness check` asks the
same of an author's own method."""

from __future__ import annotations

import importlib
from functools import cache

import pytest

from harness.checks import invariants
from harness.checks.playing import GREEDY, differ, hooks, play
from harness.checks.zoo import SEEING, sample, view
from harness.core import Decoding, UsageError
from harness.methods._shared.eviction import CACHES
from harness.plugins.registry import Registry
from harness.steering import Generated, Steering
from tests.methods.artefacts import ARTEFACTS

REGISTRY = Registry()
STEERING = [n for n, m in REGISTRY.methods.items() if m.kind == "steering" and n != "vanilla"]
NAMES = SEEING
every = pytest.mark.parametrize("method", STEERING)
families = pytest.mark.parametrize("family", NAMES)


LIVELY = {n: m.raw["lively"] for n, m in REGISTRY.methods.items() if "lively" in m.raw}
"""Values under which a method has something to do on random models with prompts of a dozen tokens."""
LATE = {name: LIVELY[name] for name in ("lazyeviction", "delta", "powerattention", "graph_window")}
BEAMS = Decoding("beam", num_beams=2)
QUIET = {("opera", "idefics3")}
"""Where the second-best beam never wins on a random model."""


def skip_unsupported(method: str, family: str) -> None:
    """A family that the method's YAML names as unsupported must be refused by name."""
    if family in REGISTRY.methods[method].raw.get("unsupported", ()):
        with pytest.raises(UsageError, match=f"method={method} "):
            play(view(family), batch(family), [make(method, family)])
        pytest.skip("refused by name, as its YAML says")


def make(name: str, family: str = "llava", **changes) -> Steering:
    plugin = REGISTRY.methods[name]
    module, cls = plugin.target.rsplit(".", 1)
    made = getattr(importlib.import_module(module), cls)
    if plugin.raw.get("external") and not changes:
        with pytest.raises(UsageError, match=f"method={name} needs"):
            made(**plugin.defaults)
        pytest.skip("needs something from outside, and says so")
    made = made(**plugin.defaults | changes)
    assert isinstance(made, Steering)
    if made.needs_artefact:
        made.artefact = ARTEFACTS[name](view(family))
    return made


def neutral(name: str) -> Steering:
    return make(name, **REGISTRY.methods[name].raw["neutral"])


batch = invariants.prompts


@cache
def plain(family: str, decoding: Decoding = GREEDY) -> list[Generated]:
    """The plain model's answers; that a method leaves none changed is checked method by method."""
    return play(view(family), batch(family), decoding=decoding)


@every
@families
def test_neutral_strength_is_vanilla(method, family):
    invariants.neutral_is_vanilla(view(family), batch(family), neutral(method), plain(family))


@every
@pytest.mark.parametrize("family", ["llava", "instructblip"])
def test_beam_search_runs_unless_a_contrast_is_on(method, family):
    """Whether a method can follow beams depends on its values: neutral ones have no stream, whatever the class."""
    v, inputs, off = view(family), batch(family), neutral(method)
    if off.has("decode") or not off.beams:
        with pytest.raises(UsageError, match=f"method={method} "):
            play(v, inputs, [off], BEAMS)
        return
    assert not off.contrasts
    assert [g.tokens for g in play(v, inputs, [off], BEAMS)] == [g.tokens for g in plain(family, BEAMS)]
    skip_unsupported(method, family)
    if (on := make(method, family)).contrasts:
        with pytest.raises(UsageError, match=f"method={method} cannot run in decoding=beam with its contrast"):
            play(v, inputs, [on], BEAMS)


@every
@families
def test_defaults_change_something_and_leave_no_trace(method, family):
    skip_unsupported(method, family)
    made, quiet = make(method, family, **REGISTRY.methods[method].raw.get("lively", {})), (method, family) in QUIET
    v, inputs = view(family), batch(family)
    before, hung, attention = plain(family), hooks(v), v.implementation
    changed = play(v, inputs, [made])
    invariants.leaves_no_trace(v, inputs, before, hung, attention)
    if not quiet:
        differ(changed, before, late=method in CACHES)


@every
@families
def test_batch_and_shared_prefix_equal_singles(method, family):
    skip_unsupported(method, family)
    made = make(method, family, **LATE.get(method, {}))
    invariants.batch_equals_singles(view(family), batch(family), lambda: made)


@every
@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl"])
def test_samples_that_come_and_go_equal_singles(method, family):
    skip_unsupported(method, family)
    lively = REGISTRY.methods[method].raw.get("lively", {})
    invariants.makes_room(view(family), family, lambda: make(method, family, **lively))


@every
@pytest.mark.parametrize("other", ["vista", "vcd"])
def test_composition_runs_or_is_refused_by_name(method, other):
    if method == other:
        pytest.skip("with itself")
    unsupported = REGISTRY.methods[method].raw.get("unsupported", ())
    family = next(f for f in ("llava", *NAMES) if f not in unsupported)
    v, inputs = view(family), batch(family)
    try:
        assert all(len(g.tokens) == 5 for g in play(v, inputs, [make(method, family), make(other, family)]))
    except UsageError as e:
        assert method in str(e) and other in str(e)


@every
@pytest.mark.parametrize("family", ["llama", "llava"])
def test_text_alone_is_left_alone_or_refused(method, family):
    steered = bool(REGISTRY.methods[method].raw.get("text_only"))
    made = make(method, family, **(LATE.get(method, {}) if steered else {}))
    inputs = [sample(family, i, picture=None) for i in range(2)]
    invariants.text_alone(view(family), inputs, lambda: made, steered=steered, late=method in CACHES)

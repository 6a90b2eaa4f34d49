"""What every steering method keeps to on one small random model. Each raises Failed, or what the method raises."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from harness.checks.check import Failed
from harness.checks.playing import GREEDY, differ, hooks, play, same
from harness.checks.zoo import sample
from harness.core import UsageError
from harness.steering import Generated, Inputs, Steering, View
from harness.steering.refill import Asked, hindrance, refilled

LIMITS = (2, 6, 3, 5, 1)
"""New tokens of samples that come and go."""
TOKENS = 12_000
"""Of prompts that are read at once."""
CLOSE = 5e-4
"""Logits of a batch and of single prompts differ by rounding alone."""


def prompts(family: str) -> list[Inputs]:
    """Three prompts of different lengths; the first two share their picture."""
    return [sample(family, i, length=4 + 2 * i, picture=i // 2, shared=True) for i in range(3)]


def neutral_is_vanilla(view: View, inputs: Sequence[Inputs], neutral: Steering, before: Sequence[Generated]) -> None:
    """At its neutral strength a method gives the plain model's logits bit for bit. `before`: the plain model's
    answers."""
    same(play(view, inputs, [neutral]), before, 0)


def edits_nothing(
    view: View, inputs: Sequence[Inputs], probe: Steering, before: Sequence[Generated]
) -> Sequence[Generated]:
    """Under a probe the model gives the plain model's tokens, and its logits but for rounding (a probe that looks at
    every row of the prompt is given no shared prefix). `before`: the plain model's answers."""
    hung, attention = hooks(view), view.implementation
    read = play(view, inputs, [probe])
    same(read, before, CLOSE if probe.prefix == "none" or probe.contrasts else 0)
    if hooks(view) > hung or view.implementation != attention:
        raise Failed("its hooks or its attention function are left on the model")
    return read


def reads_the_same_alone(
    view: View, inputs: Sequence[Inputs], probe: Steering, together: Sequence[Generated], which: Sequence[int] = (0, 1)
) -> None:
    """Readings of a batch whose prompts share pictures (`together`) are those of each prompt alone, but for rounding.
    Raises Failed, also where there are none. `which`: the prompts that are asked alone."""
    if not any(g.readings for g in together):
        raise Failed("it has no readings")
    for number in which:
        (alone,), batched = play(view, [inputs[number]], [probe]), together[number]
        if alone.readings.keys() != batched.readings.keys():
            raise Failed(f"prompt {number + 1} has other readings when it runs alone")
        for name, reading in alone.readings.items():
            if not np.allclose(reading.values, batched.readings[name].values, atol=2e-3, rtol=2e-3, equal_nan=True):
                raise Failed(f"prompt {number + 1}: {name} differs when it runs alone")


def leaves_no_trace(view: View, inputs: Sequence[Inputs], before: Sequence, hung: int, attention: str) -> None:
    if (left := hooks(view) - hung) > 0:
        raise Failed(f"{left} of its hooks are left on the model")
    if view.implementation != attention:
        raise Failed(f"the model's attention function is {view.implementation}, no longer {attention}")
    try:
        same(play(view, inputs), before, 0)
    except Failed as e:
        raise Failed(f"once it is off, the plain model answers differently: {e}") from e


def batch_equals_singles(view: View, inputs: Sequence[Inputs], make: Callable[[], Steering]) -> None:
    """A batch whose prompts share pictures is each prompt alone, in tokens and (but for rounding) logits."""
    methods = [make()]
    same(play(view, inputs, methods), [play(view, [one], methods)[0] for one in inputs], CLOSE)


def makes_room(view: View, family: str, make: Callable[[], Steering]) -> None:
    """Samples that come and go in two slots get the answers, and are measured, as each alone. A method without
    `refills` lets them wait, and has nothing to show."""
    method = make()
    if hindrance(view, [method], GREEDY):
        return
    inputs = [sample(family, i, length=4 + 2 * (i % 3), picture=i // 2, shared=True) for i in range(len(LIMITS))]
    asked = [Asked(i, one, limit, i) for i, (one, limit) in enumerate(zip(inputs, LIMITS, strict=True))]
    found = {a.number: a.made for some in refilled(view, asked, [method], GREEDY, 2, TOKENS) for a in some}
    for number, one in enumerate(inputs):
        (alone,), got = play(view, [one], [make()], steps=LIMITS[number]), found[number]
        if alone.tokens != got.tokens:
            raise Failed(f"prompt {number + 1} says {got.tokens} beside others that come and go, alone {alone.tokens}")
        for name, value in alone.measures.items():
            if name not in got.measures or not np.isclose(value, got.measures[name], atol=CLOSE, rtol=CLOSE):
                raise Failed(f"prompt {number + 1}: {name} is {got.measures.get(name)}, alone {value}")


def text_alone(
    view: View, inputs: Sequence[Inputs], make: Callable[[], Steering], *, steered: bool, late: bool | None = None
) -> None:
    """Prompts without a picture are left alone, or refused by name; where the YAML has `text_only`, steered."""
    method = make()
    if steered:
        got = play(view, inputs, [method])
        differ(got, play(view, inputs), late=late)
        same(got, [play(view, [one], [method])[0] for one in inputs], CLOSE)
        return
    try:
        same(play(view, inputs, [method]), play(view, inputs), CLOSE)
    except UsageError as e:
        if method.name not in str(e):
            raise Failed(f"a prompt without a picture is refused without the method's name: {e}") from e


def refused(view: View, inputs: Sequence[Inputs], make: Callable[[], Steering]) -> None:
    """A family that the YAML names as unsupported is refused by name."""
    method = make()
    try:
        play(view, inputs, [method])
    except UsageError as e:
        if f"method={method.name} " not in str(e):
            raise Failed(f"a family under unsupported: is refused without method={method.name}: {e}") from e
    else:
        raise Failed("its YAML says unsupported, but it runs")

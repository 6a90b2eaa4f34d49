"""The checks of one method: on small random models of every family, and in whole runs of the embedded model."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

from harness.checks.check import Check, Failed, Skipped
from harness.core import Picture, UsageError
from harness.core.errors import Missing, first_line, nearest
from harness.plugins.plugin import Plugin
from harness.runs.stored import StoredRun

LIMIT = 12
"""Samples of a run."""
RUN = ("task=pope", "task.data=embedded", "model=tiny-llava")
"""What a method is checked on in whole runs, where neither its YAML (`check:`) nor the command says otherwise."""
DECLARE = "declare what is not allowed (batch, prefix, attention_rows) or make the points independent of the row"


def checks(plugin: Plugin, words: Sequence[str], results: Path) -> Iterator[Check]:
    """What a method keeps to. `words`: settings that were given, as of `harness eval`; `results`: an empty folder."""
    if plugin.kind in ("steering", "probe"):
        for check in _on_random_models(plugin, _values(plugin, words)):
            yield replace(check, run=partial(_outside, plugin, check.run))
    for check in _in_runs(plugin, words, results):
        yield replace(check, run=partial(_outside, plugin, check.run))


def _values(plugin: Plugin, words: Sequence[str]) -> dict[str, Any]:
    """The method's values as the words compose them."""
    from harness.checks.runs import configuration

    node = configuration([*_run(plugin, words), f"method={plugin.name}"])["method"][plugin.name]
    return {k: v for k, v in node.items() if not k.startswith("_")}


def _run(plugin: Plugin, words: Sequence[str]) -> list[str]:
    """The words of its runs: those given, and its own for the task and the model that are not given."""
    stated = [str(w) for w in plugin.raw.get("check") or RUN]
    given = {w.partition("=")[0] for w in words}
    kept = [w for w in stated if w.partition("=")[0].partition(".")[0] not in given & {"task", "model"}]
    return [*(w for w in kept if w.partition("=")[0] not in given), *words]


def _on_random_models(plugin: Plugin, values: dict[str, Any]) -> Iterator[Check]:
    from harness.checks import invariants
    from harness.checks.playing import differ, hooks, play
    from harness.checks.zoo import FAMILIES, SEEING, sample, view

    unsupported = set(plugin.raw.get("unsupported") or ())
    supported = [f for f in SEEING if f not in unsupported]
    neutral, lively = plugin.raw.get("neutral"), plugin.raw.get("lively") or {}

    @cache
    def artefact(family: str) -> Any:
        """What the method learns from a random model and two pictures of noise."""
        return _calibrated(plugin, values, view(family))

    def make(family: str, **changes: Any) -> Any:
        method = plugin.build(**{**values, **changes})
        if getattr(method, "needs_artefact", False):
            method.artefact = artefact(family)
        return method

    def each(families: Sequence[str], run: Callable[[str], None]) -> str:
        for family in families:
            try:
                run(family)
            except Failed as e:
                raise Failed(f"on {family}: {e}") from e
        return f"{len(families)} families of models"

    def off(family: str) -> None:
        assert neutral is not None
        v, inputs = view(family), invariants.prompts(family)
        invariants.neutral_is_vanilla(v, inputs, make(family, **neutral), play(v, inputs))

    def states_neutral() -> str:
        if not isinstance(neutral, dict) or not neutral:
            raise Failed("its YAML states no values at which it does nothing")
        if unknown := sorted(neutral.keys() - plugin.defaults.keys()):
            raise Failed(f"neutral: names {unknown[0]}, which is not among its defaults")
        return ", ".join(f"{k}={v}" for k, v in neutral.items())

    def on() -> str:
        """On random models a method may find nothing to do; on all of them it may not."""
        idle = []
        for family in supported:
            v, inputs = view(family), invariants.prompts(family)
            before, hung, attention = play(v, inputs), hooks(v), v.implementation
            changed = play(v, inputs, [make(family, **lively)])
            try:
                invariants.leaves_no_trace(v, inputs, before, hung, attention)
            except Failed as e:
                raise Failed(f"on {family}: {e}") from e
            with suppress(Failed):
                differ(changed, before, late=None)
                continue
            idle.append(family)
        if len(idle) == len(supported):
            raise Failed("it changes nothing on any family of models")
        return f"changes nothing on {', '.join(idle)}" if idle else f"{len(supported)} families of models"

    def alone(family: str) -> None:
        invariants.batch_equals_singles(view(family), invariants.prompts(family), partial(make, family))

    def room(family: str) -> None:
        invariants.makes_room(view(family), family, partial(make, family, **lively))

    def text(family: str) -> None:
        inputs = [sample(family, i, picture=None) for i in range(2)]
        steered = bool(plugin.raw.get("text_only"))
        values = lively if steered else {}
        invariants.text_alone(view(family), inputs, partial(make, family, **values), steered=steered)

    def not_these(family: str) -> None:
        if family not in FAMILIES:
            raise Failed(f"no such family is known: {nearest(family, FAMILIES)}")
        invariants.refused(view(family), invariants.prompts(family), partial(make, family))

    def looks(family: str) -> None:
        v, inputs = view(family), invariants.prompts(family)
        before = play(v, inputs)
        invariants.edits_nothing(v, inputs, make(family), before)
        invariants.leaves_no_trace(v, inputs, before, hooks(v), v.implementation)

    def reads_alone(family: str) -> None:
        v, inputs, probe = view(family), invariants.prompts(family), make(family)
        invariants.reads_the_same_alone(v, inputs, probe, play(v, inputs, [probe]))

    if plugin.kind == "probe":
        fix = "clone a tensor before you change it, and hang nothing else on the model"
        yield Check("it edits nothing, and leaves no trace", lambda: each(supported, looks), fix)
        yield Check("readings of a batch = those of its prompts", lambda: each(supported, reads_alone), DECLARE)
    else:
        yield Check(
            "its YAML states neutral values", states_neutral, "add neutral: {alpha: 0.0} (docs/add-a-method.md)"
        )
        if isinstance(neutral, dict) and neutral:
            fix = "return None from every point, and make no contrast, where its strength is neutral"
            yield Check("neutral = vanilla, bit for bit", lambda: each(supported, off), fix)
        fix = (
            "check its layers and defaults, and undo what it changes outside of its points; where prompts of a dozen "
            "tokens give it nothing to do, state values that act there in its YAML: lively: {window: 2}"
        )
        yield Check("it acts, and leaves no trace", on, fix)
        yield Check("a batch = its prompts one by one", lambda: each(supported, alone), DECLARE)
        fix = "name in `refills` and `by_column` what it keeps of a batch (docs/add-a-method.md), or take them out"
        yield Check("samples that come and go = each alone", lambda: each(supported, room), fix)
    fix = "do nothing where batch.sees is false, or raise a UsageError that names the method"
    yield Check("prompts without a picture", lambda: each(("llama", "llava"), text), fix)
    if unsupported:
        fix = "raise a UsageError with method=NAME in `layers` or `prepare`, or take the family out of unsupported:"
        yield Check("unsupported families are refused by name", lambda: each(sorted(unsupported), not_these), fix)


def _calibrated(plugin: Plugin, values: dict[str, Any], view: Any) -> Any:
    """Raises Skipped where random weights teach the method nothing."""
    from harness.steering.bench import Annotated, Bench

    pictures = [Annotated(Picture(str(i).encode()), (("dog",), ("cat",))[i % 2]) for i in range(4)]
    try:
        return plugin.build(**values).calibrate(Bench(view, pictures, view.encode))
    except Exception as e:
        raise Skipped(
            f"it calibrates itself, which random models cannot serve ({type(e).__name__}: {first_line(e, 120)}); the "
            "runs below do it on the embedded model"
        ) from e


def _in_runs(plugin: Plugin, words: Sequence[str], results: Path) -> Iterator[Check]:
    from harness.checks.runs import equal, played, resumed, told

    base = [f"limit={LIMIT}", *_run(plugin, words)]
    own = [*base, f"method={plugin.name}"]
    neutral = plugin.raw.get("neutral") or {}

    @cache
    def run() -> StoredRun:
        return played(own, results)

    @cache
    def answers() -> dict[str, str]:
        return told(run())

    def runs() -> str:
        changed = sum(a != b for a, b in zip(answers().values(), plain().values(), strict=True))
        record = run().record
        return f"{len(answers())} samples of {record.task} on {record.model}, {changed} answers change"

    @cache
    def plain() -> dict[str, str]:
        return told(played([w for w in base if not w.startswith("method.")], results))

    def off() -> str:
        given = [f"method.{plugin.name}.{k}={spelled(v)}" for k, v in neutral.items()]
        equal(told(played([*own, *given], results)), plain())
        return ""

    def singles() -> str:
        answers()
        apart = results / "singles"
        apart.mkdir(exist_ok=True)
        (results / "calibration").mkdir(exist_ok=True)
        (apart / "calibration").symlink_to(results / "calibration")  # what it learned is the same
        equal(told(played([*own, "batch_size=1"], apart)), answers())
        return ""

    def resume() -> str:
        before = answers()
        equal(told(resumed(own, results, run())), before)
        return ""

    fix = "run it with debug=true: harness eval task=pope limit=12 debug=true method=..."
    yield Check("a whole run", runs, fix)
    if plugin.kind == "probe":
        fix = "find what it edits: a probe returns None from every point and changes no tensor in place"
        yield Check("answers = vanilla's in a run", lambda: equal(answers(), plain()) or "", fix)
    elif neutral:
        fix = "the method, its presets or its calibration act at the neutral values"
        yield Check("neutral = vanilla in a run", off, fix)
    yield Check("batch_size=1 gives the same answers", partial(_outside, plugin, singles), DECLARE)
    fix = "keep nothing from one batch or sample to the next"
    yield Check("a resumed run gives the same answers", resume, fix)


def spelled(value: Any) -> str:
    """A value as the command line takes it."""
    return value if isinstance(value, str) else json.dumps(value)


def _outside(plugin: Plugin, run: Callable[[], str]) -> str:
    """Skipped where the method needs something from outside (`external:` in its YAML) and says so, or where its own
    task does (`check:`)."""
    try:
        return run()
    except UsageError as e:
        if plugin.raw.get("external") and "needs" in str(e):
            raise Skipped(first_line(e, 300)) from e
        raise
    except Missing as e:
        if plugin.raw.get("check"):
            raise Skipped(first_line(e, 300)) from e
        raise

"""The checks of one task: its records, its key, its parser and its metrics. No model is loaded."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from harness.checks.check import Check, Failed, Skipped
from harness.checks.runs import configuration, played
from harness.core.errors import HarnessError, Unusable, first_line
from harness.core.score import Score, judged, occurring, primary
from harness.core.task import Task
from harness.core.types import Reply, Request, Result, Sample
from harness.engine.episode import Episode
from harness.engine.limit import by_cluster, subset
from harness.engine.rescoring import again
from harness.plugins.build import build_task
from harness.plugins.plugin import Plugin

LIMIT = 300
"""Samples that are played."""
ODD = (
    "", " ", "\n\n", "Yes", "no.", "A", "(B)", "42", "-1e309", "[0.5, 0.5]", "[1, 2, 3, 4]", "{}", "null", "<think>",
    "題 ✓", "\x00", "\ud800", "**Answer:** it depends", "a" * 20000, "1,2;3 " * 50, "$\\frac{1}{2}$", "I refuse.",
)  # fmt: skip
"""Answers that a parser must survive: a model says anything."""
FEW = 12
"""Samples that are given each of them."""


def checks(plugin: Plugin, words: Sequence[str], results: Path) -> Iterator[Check]:
    """What a task keeps to. `words`: settings that were given, as of `harness eval`; `results`: an empty folder."""
    given = [f"task={plugin.name}", *words]
    base = given if any(w.startswith("task.data=") for w in given) else [*given, *_records(plugin, given)]

    @cache
    def task() -> Task:
        return build_task(_settings(base))

    @cache
    def samples() -> list[Sample]:
        return list(task().samples())

    def some() -> list[Sample]:
        return by_cluster(subset(samples(), LIMIT, 0))

    @cache
    def asked() -> list[tuple[Sample, Request]]:
        return [(s, r) for s in some() if isinstance(r := first(task(), s), Request)]

    @cache
    def best() -> list[Result]:
        return played([*base, "model=oracle", f"limit={LIMIT}"], results).results()

    def declared() -> Score:
        return judged(task().scores, task().metrics(best()), occurring(best()))

    yield Check("its YAML", lambda: states(plugin, lambda: task().primary), "see docs/add-a-task.md")
    fix = "give each sample a text of its own as id, a cluster that names what samples share, and a fixed order"
    yield Check("samples", lambda: sound(samples(), list(build_task(_settings(base)).samples())), fix)
    fix = (
        "hash the records and settings with hashlib, in sorted order, and nothing of the process, the time or the path"
    )
    yield Check("fingerprint", lambda: stable(base, task().fingerprint()), fix)
    fix = "raise Unusable in the episode of a record that cannot be used, and nowhere else"
    yield Check("prompts and pictures", lambda: pictures(asked(), some(), task()), fix)
    fix = "`oracle` must return the text that the parser reads as right"
    yield Check("model=oracle is right about everything", lambda: ceiling(task, best, declared), fix)
    fix = "`chance` must draw from what the task allows with its `rng`, and not look at the target"
    yield Check("model=chance is blind", lambda: blind(task(), asked(), results, base, declared()), fix)
    fix = "the parser must take any text: give a verdict of None and the score of a wrong answer, raise nothing"
    yield Check("any answer is scored", lambda: total(task(), asked(), best()), fix)
    fix = "an episode may depend on its sample and its replies alone"
    yield Check("stored answers are scored alike", lambda: repeated(task(), some(), best()), fix)
    fix = "`aggregate` must leave out rows without an outcome, and take a list without any outcome"
    yield Check("metrics", lambda: summed(task(), best()), fix)


def _records(plugin: Plugin, words: Sequence[str]) -> list[str]:
    """The records that ship with a task, where it has some and no others are given."""
    own = any(w.startswith(("task.root=", "task.hub=")) for w in words)
    ships = "embedded" in (plugin.raw.get("variants") or {}) and "data" in plugin.defaults
    return ["task.data=embedded"] if ships and not own else []


def _settings(words: Sequence[str]) -> dict[str, Any]:
    return configuration([*words, "model=oracle"])["task"]


def states(plugin: Plugin, primary: Callable[[], str]) -> str:
    """Version, primary metric (which settings may choose: then the class has it), cluster and title are stated."""
    missing = [k for k in ("version", "primary", "cluster") if k not in plugin.declared]
    if missing == ["primary"] and primary():
        missing = []
    if missing:
        raise Failed(f"it states no {' and no '.join(missing)}")
    if not plugin.card.get("title"):
        raise Failed("its card has no title")
    return ", ".join(f"{k} {v}" for k, v in plugin.declared.items())


def sound(samples: Sequence[Sample], later: Sequence[Sample]) -> str:
    """Ids are texts and unique, clusters and groups are named, the order is fixed. Raises Failed."""
    if not samples:
        raise Failed("there are none for these settings")
    for s in samples:
        for field in ("id", "cluster", "group"):
            if not isinstance(value := getattr(s, field), str) or not value:
                raise Failed(f"sample {s.id!r}: its {field} is {value!r}, not a text")
    twice = [(i, n) for i, n in Counter(s.id for s in samples).items() if n > 1]
    if twice:
        raise Failed(f"{len(twice)} ids occur more than once: {twice[0][0]!r} {twice[0][1]} times")
    for one, two in zip(samples, later, strict=False):
        if one.id != two.id:
            raise Failed(f"they come in another order the second time: {two.id!r} in place of {one.id!r}")
    if len(samples) != len(later):
        raise Failed(f"there are {len(samples)} the first time and {len(later)} the second")
    clusters, groups = len({s.cluster for s in samples}), len({s.group for s in samples})
    return f"{len(samples)} samples in {clusters} clusters and {groups} groups"


def stable(words: Sequence[str], here: str) -> str:
    """Another process, whose hashes of texts are other ones, gives the same fingerprint. Raises Failed."""
    code = "import sys; from harness.checks.tasks import fingerprint; print(fingerprint(sys.argv[1:]))"
    environment = os.environ | {"PYTHONHASHSEED": "12345"}
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False, env=environment
    )
    lines = done.stdout.split()
    if done.returncode or not lines:
        error = done.stderr.strip().splitlines()
        raise Failed(f"another process cannot compute it: {error[-1] if error else 'it says nothing'}")
    if lines[-1] != here:
        raise Failed(f"it is {here[:12]} here and {lines[-1][:12]} in another process")
    return here[:12]


def fingerprint(words: Sequence[str]) -> str:
    """Of the task that these words compose."""
    return build_task(_settings(words)).fingerprint()


def first(task: Task, sample: Sample) -> Request | Unusable:
    """What its episode asks first, or why it cannot be played. Raises Failed for anything else."""
    play = task.episode(sample)
    try:
        request = next(play)
    except Unusable as e:
        return e
    except StopIteration as e:
        raise Failed(f"sample {sample.id}: its episode ends without a question") from e
    finally:
        play.close()
    if not isinstance(request, Request):
        raise Failed(f"sample {sample.id}: its episode yields {type(request).__name__}, not a Request")
    return request


def pictures(asked: Sequence[tuple[Sample, Request]], samples: Sequence[Sample], task: Task) -> str:
    """Every picture of the first prompts opens. Raises Failed."""
    count = 0
    for sample, request in asked:
        if request.max_new_tokens < 1:
            raise Failed(f"sample {sample.id}: max_new_tokens is {request.max_new_tokens}")
        for picture in request.pictures:
            count += 1
            try:
                picture.check()
            except Unusable as e:
                raise Failed(f"sample {sample.id}: {e}") from e
    if not asked:
        reason = first(task, samples[0]) if samples else "there are none"
        raise Failed(f"none of {len(samples)} samples can be played: {reason}")
    lost = f"; {len(samples) - len(asked)} samples cannot be played" if len(asked) < len(samples) else ""
    return f"{len(asked)} samples with {count} pictures{lost}"


def ceiling(task: Callable[[], Task], best: Callable[[], list[Result]], declared: Callable[[], Score]) -> str:
    """The task's own key scores full marks on every sample. Raises Failed, Skipped where there is no key."""
    if type(task()).oracle is Task.oracle:
        raise Skipped("the task has no key (`oracle`)")
    score = declared()
    for r in () if task().noisy else best():
        if r.outcome and score.right(r.outcome.scores) is False:
            said, value = r.outcome.answer, score.value(r.outcome.scores)
            raise Failed(f"sample {r.id}: {said!r:.80} scores {score.name}={value}, its target is {r.target!r:.80}")
    metric = primary(task().metrics(best()))
    return f"{metric.name} {metric.value:g}" if metric else f"{len(best())} samples"


def blind(
    task: Task, asked: Sequence[tuple[Sample, Request]], results: Path, words: Sequence[str], score: Score
) -> str:
    """Chance does not look at the target, and is not always right. Raises Failed, Skipped where there is no chance."""
    if type(task).chance is Task.chance:
        raise Skipped("the task has no chance level (`chance`)")
    for sample, request in asked[:FEW]:
        others = [s.target for s, _ in asked if s.target != sample.target and type(s.target) is type(sample.target)]
        if not others:
            continue
        drawn = task.chance(sample, request, random.Random(1))
        try:
            other = task.chance(replace(sample, target=others[0]), request, random.Random(1))
        except Exception:  # it reads the target's form, not its value
            continue
        if drawn != other:
            raise Failed(f"sample {sample.id}: with another target it draws {other!r:.60} in place of {drawn!r:.60}")
    run = played([*words, "model=chance", f"limit={LIMIT}"], results)
    rights = [score.right(r.outcome.scores) for r in run.results() if r.outcome]
    if len(rights) >= FEW and all(r is True for r in rights):
        raise Failed(f"it is right about all of {len(rights)} samples")
    metric = run.primary
    return f"{metric.name} {metric.value:.3f}" if metric else ""


def total(task: Task, asked: Sequence[tuple[Sample, Request]], best: Sequence[Result]) -> str:
    """Whatever a model answers, an episode ends with an outcome that holds the usual scores. Raises Failed."""
    if not task.repeatable:
        raise Skipped("its episodes act on something outside")
    usual = set(occurring(best))
    for sample, request in asked[:FEW]:
        for text in ODD:
            text = Reply.said([]) if request.continuations else text
            result = answered(task, sample, text)
            if result.error:
                raise Failed(
                    f"sample {sample.id}, answer {text!r:.40}: {result.error['type']}: {result.error['message']}"
                )
            scores = set(result.outcome.scores) if result.outcome else set()
            if usual and not scores & usual:
                raise Failed(f"sample {sample.id}, answer {text!r:.40}: no score of {', '.join(sorted(usual))}")
    return f"{len(ODD)} odd answers to {min(FEW, len(asked))} samples"


def answered(task: Task, sample: Sample, text: str) -> Result:
    """A sample whose every request is answered with this text. Raises Failed for an episode that does not end."""
    episode = Episode(sample, task.episode(sample))
    result = episode.advance(None)
    for _ in range(200):
        if result is not None:
            return result
        result = episode.advance(Reply(text, finish="given"))
    episode.play.close()
    raise Failed(f"sample {sample.id}: its episode still asks after 200 replies")


def repeated(task: Task, samples: Sequence[Sample], rows: Sequence[Result]) -> str:
    """An episode that gets the same replies asks and scores the same. Raises Failed."""
    if not task.repeatable:
        raise Skipped("its episodes act on something outside")
    by = {s.id: s for s in samples}
    for row in rows:
        if row.id not in by:
            continue
        new = again(task, by[row.id], row)
        if new is None:
            raise Failed(f"sample {row.id}: it asks something else the second time")
        if new.outcome != row.outcome:
            raise Failed(f"sample {row.id}: {new.outcome} in place of {row.outcome}")
    return f"{len(rows)} answers"


def summed(task: Task, rows: Sequence[Result]) -> str:
    """One primary metric; failed rows are missing, not wrong, also where nothing else is there. Raises Failed."""
    found = task.metrics(rows)
    main = primary(found)
    if main is None:
        raise Failed("no metric is primary: mark one by primary=True")
    error = {"type": "Unusable", "message": "x", "traceback": ""}
    lost = [replace(r, outcome=None, error=error) for r in rows]
    try:
        task.metrics(lost)
    except HarnessError:
        raise
    except Exception as e:
        raise Failed(f"with error rows alone: {type(e).__name__}: {first_line(e)}") from e
    keep = max(1, len(rows) // 2)
    half = primary(task.metrics([*rows[:keep], *lost[keep:]]))
    alone = primary(task.metrics(rows[:keep]))
    if half is None or alone is None or (half.value != alone.value and half.value == half.value):
        values = [m.value if m else None for m in (half, alone)]
        raise Failed(f"error rows change {main.name} from {values[1]} to {values[0]}: they are missing, not wrong")
    return ", ".join(dict.fromkeys(m.name for m in found))

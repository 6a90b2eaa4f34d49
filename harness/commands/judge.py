"""harness judge: stored answers graded by a model, or those of two runs compared. The model that answered is not
asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.commands.words import importable, results_folder, say, share_cores
from harness.config.parser import Parser
from harness.core.errors import DONE, INCOMPLETE, UsageError

if TYPE_CHECKING:
    from harness.engine.renewal import Asking
    from harness.runs.stored import StoredRun

HELP = "have a model grade stored answers (judge=NAME), or compare those of two runs; the answers stay as they are"


def add_arguments(parser: Parser) -> None:
    parser.add_argument("words", nargs="+", metavar="RUN|judge=NAME", help="runs, the judge, and its settings")
    parser.add_argument("--against", metavar="RUN", help="compare answers of one run with this one's, in both orders")
    parser.add_argument("--json", action="store_true", help="with --against: the summary as JSON")


def run(given: Any) -> int:
    from harness.runs.stored import find

    names = [w for w in given.words if "=" not in w]
    settings = [w for w in given.words if "=" in w]
    if not names:
        raise UsageError("harness judge: name a run (harness ls shows them)")
    if not any(w.startswith("judge=") and w != "judge=none" for w in settings):
        raise UsageError("harness judge: name a judge, for example judge=openai (harness list models)")
    if other := [w for w in settings if not w.startswith(("judge=", "judge."))]:
        raise UsageError(f"harness judge: {other[0]} is not a setting of the judge: write judge.KEY=VALUE")
    results = results_folder(given.results)
    runs = [find(results, name) for name in names]
    importable(r.record for r in runs)
    share_cores()
    if given.against is None:
        return max(_graded(run, _asking(run, settings), results) for run in runs)
    if len(runs) > 1:
        raise UsageError("harness judge: --against compares one run with another")
    if not any(w.startswith("judge.prompt=") for w in settings):
        settings.append("judge.prompt=pairwise")
    return _preferred(runs[0], find(results, given.against), settings, results, as_json=given.json)


def _asking(run: StoredRun, settings: list[str]) -> Asking:
    """The judge that the words choose, composed as `harness eval` composes it."""
    from harness.config.compose import run as composed
    from harness.engine.renewal import Asking

    found: list[dict[str, Any]] = []
    folders = [str(f) for f in run.record.config.get("plugins") or ()]
    plugins = [f"plugins=[{','.join(folders)}]"] if folders else []
    words = [f"task={run.record.task}", "model=oracle", *plugins, *settings, "logger=quiet"]
    if code := composed(words, lambda config: found.append(config) or 0):
        raise UsageError(f"the judge cannot be composed (exit {code})")
    return Asking(found[0]["judge"], settings)


def _graded(run: StoredRun, judge: Asking, results: Path) -> int:
    from harness.engine.renewal import renew
    from harness.judge.report import lines
    from harness.runs.stored import named
    from harness.store import ingest

    name = renew(run, results, judge=judge, say=lambda text: say(f"harness: {text}", err=True)).name
    made = named(results, name)
    assert made is not None
    ingest(results, [made.directory.path])
    for metric in made.metrics:
        if metric.group == "all" and metric.name == (made.record.judge or {}).get("score"):
            bounds = "" if metric.low is None else f" [{metric.low:.3f}, {metric.high:.3f}]"
            say(f"{metric.name} {metric.value:.3f}{bounds}")
    for text in lines(made.record.judge or {}):
        say(f"  {text}")
    say(f"run {name}")
    return INCOMPLETE if (made.record.judge or {}).get("failed") else DONE


def _preferred(a: StoredRun, b: StoredRun, settings: list[str], results: Path, *, as_json: bool) -> int:
    from harness.comparison.pairing import pair
    from harness.engine.pairwise import compared
    from harness.engine.play import planned
    from harness.judge import build_judge
    from harness.judge.report import lines, spoken
    from harness.plugins.build import build_task
    from harness.runs.files import write_json

    judge = build_judge(_asking(a, settings).node)
    assert judge is not None
    if a.record.imported or b.record.imported:
        raise UsageError("harness judge: an imported run does not say what was asked: its answers cannot be judged")
    pairs = pair(a, b)
    task = build_task(a.record.config["task"])
    judge.accepts(task, pairwise=True)
    by = {s.id: s for s in planned(task, {**a.record.config, "limit": None})}
    triples = [(by[x.id], x, y) for x, y in zip(pairs.left, pairs.right, strict=True) if x.id in by]
    try:
        models = [r.record.settings("model") for r in (a, b)]
        found = compared(judge, task, triples, models, results, say=lambda text: say(f"harness: {text}", err=True))
    finally:
        task.close()
    short = (r.name.rpartition("-")[2] for r in (a, b))
    path = results / "judgments" / f"{'-'.join(short)}-{judge.score.partition('@')[2]}.json"
    summary = {"a": a.name, "b": b.name, **found.facts}
    write_json(path, {**summary, "samples": found.rows})
    if as_json:
        print(json.dumps(summary, indent=1))
    else:
        say(f"A {a.name}")
        say(f"B {b.name}")
        say(f"A is preferred: {spoken(found.facts['preferred'])} (0.5: neither)")
        say(f"same verdict in both orders: {spoken(found.facts['consistent'])}")
        say(f"the answer shown first is preferred: {spoken(found.facts['shown_first'])} (0.5: no position bias)")
        for text in lines(found.facts):
            say(f"  {text}")
        say(f"verdicts in {path}")
    return INCOMPLETE if found.facts["failed"] else DONE

"""harness show: one run, or the card of a method, task or model."""

from __future__ import annotations

import json
import textwrap
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.commands.words import results_folder, say
from harness.config.parser import Parser, whole
from harness.core.errors import UsageError, nearest
from harness.core.sinks import line
from harness.core.verified import LEVELS, Verified
from harness.plugins.plugin import Plugin
from harness.plugins.registry import Registry

if TYPE_CHECKING:
    from harness.runs.record import RunRecord

PROMPTS = "prompts"
CARDS = ("method", "task", "model")
LONGEST = 2000
"""Characters of an answer with its thinking that are shown."""
HELP = "one run, or the card of method=NAME, task=NAME, model=NAME"


def add_arguments(parser: Parser) -> None:
    parser.add_argument(
        "what",
        metavar="RUN|method=NAME|task=NAME|model=NAME|prompts",
        help="a run by name or beginning, or whose card; prompts: what a model gets for the first samples",
    )
    parser.add_argument(
        "settings", nargs="*", metavar="KEY=VALUE", help="with --ids and prompts: settings of harness eval"
    )
    parser.add_argument("--ids", action="store_true", help="with task=NAME: ids that model=replay takes, and settings")
    parser.add_argument(
        "--samples", type=whole(1), default=0, metavar="N", help="also print N samples of the run; prompts of N samples"
    )
    parser.add_argument(
        "--wrong",
        action="store_true",
        help="with --samples: only those wrong by the primary score, and errors",
    )
    parser.add_argument("--probe", metavar="NAME", help="of a run: what a probe read, as tables, curves and heat maps")
    parser.add_argument("--json", action="store_true", help="the record and metrics, or a probe's readings, as JSON")
    parser.add_argument("--plugins", action="append", default=[], metavar="DIR", help="folder with plug-ins")


def run(given: Any) -> int:
    if given.wrong and (not given.samples or given.what == PROMPTS or "=" in given.what):
        raise UsageError("harness show: --wrong goes with a run and --samples N")
    if given.what == PROMPTS:
        from harness.commands.prompts import show

        return show(given.settings, given.plugins, given.samples, as_json=given.json)
    group, equals, name = given.what.partition("=")
    if equals:
        if group not in CARDS:
            raise UsageError(f"harness show {given.what}: {nearest(group, CARDS)}")
        plugin = Registry(given.plugins).get(group, name)
        if given.ids and group == "task":
            return _ids([given.what, *given.settings], given.plugins)
        if given.probe:
            raise UsageError("harness show: --probe goes with a run")
        if given.samples:
            raise UsageError("harness show: --samples goes with a run or with prompts")
        if given.ids or given.settings:
            raise UsageError("harness show: settings go with --ids, and --ids with task=NAME")
        _card(plugin, as_json=given.json)
        return 0
    from harness.runs.stored import find

    found = find(results_folder(given.results), given.what)
    if given.probe:
        from harness.commands.probe import show as readings

        readings(found, given.probe, as_json=given.json)
        return 0
    _run(found, given)
    return 0


def _ids(words: list[str], folders: list[str]) -> int:
    """What `model=replay` may be given for the samples of a task."""
    from harness.config.compose import Asked, run

    found: list[dict[str, Any]] = []
    plugins = [f"plugins=[{','.join(folders)}]"] if folders else []
    if code := run(Asked([*words, *plugins, "model=oracle"]), lambda config: found.append(config) or 0):
        return code
    from harness.answers.ids import lines
    from harness.plugins.build import build_task

    task = build_task(found[0]["task"])
    for text in lines(list(task.samples()), f"task={task.name} task.data={found[0]['task'].get('data')}"):
        print(line(text))
    return 0


def _card(plugin: Plugin, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(plugin.raw, indent=1))
        return
    say(f"{plugin.group} {plugin.name}: {plugin.title}")
    say("")
    if plugin.group == "method":
        for text in (*_verified(plugin.verified), ""):
            say(text)
    for key, value in plugin.declared.items():
        say(f"  {key}: {value}")
    for key, value in plugin.card.items():
        if key not in ("title", "verified"):
            say(f"  {key}: {_text(value)}")
    for name, text in (plugin.raw.get("variants") or {}).items():
        say(f"  {plugin.group}.data={name}: {_text(text)}")
    if plugin.defaults:
        print("\nsettings:")
        where = f"method.{plugin.name}" if plugin.group == "method" else plugin.group
        for key, value in plugin.defaults.items():
            if key != "_target_":
                say(f"  {where}.{key}={json.dumps(value) if not isinstance(value, str) else value}")
    if plugin.presets:
        print("\npresets:")
        for preset in plugin.presets:
            scope = ", ".join(f"{k}={preset[k]}" for k in ("model", "task") if preset.get(k))
            values = ", ".join(f"{k}={v}" for k, v in preset["values"].items())
            say(f"  {scope}: {values} ({preset.get('source', 'no source')})")
    if plugin.untuned:
        print()
        say(f"not tuned: {plugin.untuned}")
    say("")
    say(f"file: {plugin.path}")


def _verified(verified: Verified) -> list[str]:
    """The level and what it rests on, in lines of 80 columns at most."""
    lines = {
        "verified": f"{verified.level}: {LEVELS[verified.level]}",
        "code": verified.repository,
        "commit": verified.commit,
        "difference": verified.difference,
        "note": verified.note,
    }
    wrap = partial(textwrap.fill, width=80, subsequent_indent=" " * 14, break_on_hyphens=False, break_long_words=False)
    return [part for key, value in lines.items() if value for part in wrap(f"  {key:<10}  {value}").splitlines()]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{k}: {_text(v)}" for k, v in value.items())
    if isinstance(value, list):
        return "; ".join(map(_text, value))
    return " ".join(str(value).split())


def _run(run: Any, given: Any) -> None:
    record = run.record
    if given.json:
        from harness.runs.directory import as_json

        print(json.dumps(record.as_json() | {"metrics": [as_json(m) for m in run.metrics]}, indent=1))
        return

    from harness.judge.report import lines as judged_lines
    from harness.loggers.tables import metrics_table, terminal

    if run.metrics:
        terminal().print(metrics_table(record, run.metrics))
    lines = _imported(record) if record.imported else _played(run)
    lines = {"run": run.name, **lines, "folder": str(run.directory.path)}
    for key, value in lines.items():
        say(f"  {key:<9} {value}")
    for text in judged_lines(record.judge) if record.judge else ():
        say(f"  judge     {text}")
    for note in dict.fromkeys(f"{m.name} ({m.group}): {m.note}" for m in run.metrics if m.note):
        say(f"  note      {note}")
    for message, n in record.errors:
        say(f"  error     {n} x {message}")
    if given.samples:
        _samples(run, given)


def _imported(record: RunRecord) -> dict[str, str]:
    """What is known of a run of another tool."""
    counts, source = record.counts, record.imported
    return {
        "status": f"{record.status}, {counts.done} samples, {counts.errors} errors",
        "imported": f"from {source['tool']} {source['version']}",
        "files": ", ".join(f"{name} (SHA-256 {digest[:12]})" for name, digest in source["files"].items()),
        "method": record.method,
        "model": record.model,
        "task": f"{record.task} version {record.task_version}",
        "time": f"{record.started} to {record.finished}",
        "settings": json.dumps(record.task_facts),
    }


def _played(run: Any) -> dict[str, str]:
    """Facts that a run of our own records."""
    record = run.record
    counts, hardware, git = record.counts, record.hardware, record.git
    gpu = ", ".join(hardware.get("gpu") or ()) or "no GPU"
    return {
        "status": f"{record.status}, {counts.done} of {counts.samples} samples, {counts.errors} errors, "
        f"{counts.requests} requests of which {counts.asked} were asked",
        **({"stopped": record.stopped} if record.stopped else {}),
        **({"rescored": f"answers of {record.rescored_from}"} if record.rescored_from else {}),
        "method": f"{record.method} {json.dumps(_numbers(record))}",
        "model": f"{record.model} {json.dumps(_without_curves(record.model_facts))}",
        **{f"learned {course}": line for course, line in _curves(record.model_facts).items()},
        "task": f"{record.task} version {record.task_version}, data {record.data}",
        "decoding": json.dumps(record.decoding),
        "seed": ", ".join([f"{record.seed}", f"limit {record.limit}", *_selection(record)]),
        **({"system": json.dumps(record.system, ensure_ascii=False)} if record.system else {}),
        **({"examples": f"{record.fewshot} of the calibration split"} if record.fewshot else {}),
        "time": f"{record.started}, {record.wall_seconds} s wall, {record.cpu_seconds} s CPU",
        "cost": _cost(run.cost()),
        "on": f"{hardware.get('cpu')}, {hardware.get('cores')} cores, {gpu}; Python {record.environment.get('python')}",
        "artefact": ", ".join(c["directory"] for c in record.calibrations) or "none",
        "packages": ", ".join(f"{k} {v}" for k, v in record.packages.items()),
        "commit": f"{git.get('commit')}{' (changed)' if git.get('dirty') else ''}" if git else "outside a git checkout",
        "command": record.command,
    }


def _courses(facts: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What a model of the zoo was trained on, by course; empty for other models."""
    found = facts.get("courses")
    return {k: v for k, v in found.items() if isinstance(v, dict)} if isinstance(found, dict) else {}


def _without_curves(facts: dict[str, Any]) -> dict[str, Any]:
    courses = {k: {f: v for f, v in of.items() if f != "curve"} for k, of in _courses(facts).items()}
    return {**facts, "courses": courses} if courses else facts


def _curves(facts: dict[str, Any]) -> dict[str, str]:
    """Course -> its learning curve in a line: the score at some of its points."""
    out = {}
    for course, of in _courses(facts).items():
        points = [p for p in of.get("curve") or () if p.get("scores")]
        shown = points[:: max(1, len(points) // 6)]
        means = [f"{sum(p['scores'].values()) / len(p['scores']):.3f} at {p['step']}" for p in shown]
        if means:
            out[course] = f"{of.get('score', 'score')} {', '.join(means)} steps ({len(points)} points)"
    return out


def _selection(record: RunRecord) -> list[str]:
    return [*([f"offset {record.offset}"] if record.offset else []), *([record.ids] if record.ids else [])]


def _cost(cost: dict[str, float]) -> str:
    units = {
        "seconds": "s a sample",
        "tokens_per_second": "tokens/s",
        "thinking_tokens": "tokens and",
        "thinking_seconds": "s of thinking a sample",
        "passes": "decoder passes and",
        "positions": "positions a sample",
        "peak_memory_gib": "GiB at the peak",
    }
    return ", ".join(f"{cost[k]:.3g} {unit}" for k, unit in units.items() if k in cost).replace("and,", "and")


def _numbers(record: RunRecord) -> dict[str, Any]:
    nodes = record.settings("method")
    return {name: {k: v for k, v in nodes[name].items() if k != "_target_"} for name in record.methods if name in nodes}


def _samples(run: Any, given: Any) -> None:
    from harness.comparison.pairing import judged
    from harness.core.reasoning import answered
    from harness.core.score import occurring
    from harness.core.types import Reply

    shown, results = 0, run.results()
    score = judged(run, occurring(results))
    for result in results:
        outcome = result.outcome
        wrong = outcome is None or score.right(outcome.scores) is False
        if shown == given.samples or (given.wrong and not wrong):
            continue
        shown += 1
        said = f"{outcome.answer!r} -> {outcome.verdict}" if outcome else f"error: {result.error['message']}"
        scores = ", ".join(f"{k}={v:g}" for k, v in outcome.scores.items()) if outcome else ""
        say(f"  {result.id} [{result.group}] target {result.target!r}: {said}  {scores}")
        if told := outcome.details.get("judge") if outcome else None:
            said = told.get("error") or told.get("reason")
            say(f"    {told.get('name')}: {told.get('verdict') or 'no verdict'}: {str(said)[:LONGEST]}")
        for reply in result.replies or ():
            if isinstance(reply, Reply) and answered(reply.text) != reply.text:
                tokens = f" ({result.thinking_tokens} tokens)" if result.thinking_tokens else ""
                more = f" ... {len(reply.text)} characters" if len(reply.text) > LONGEST else ""
                say(f"    with thinking{tokens}: {reply.text[:LONGEST]!r}{more}")

"""harness power: how many samples it takes to detect an effect, and the smallest effect that a task can show."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.commands.words import say
from harness.config.parser import Parser, add_settings
from harness.core.errors import UsageError

if TYPE_CHECKING:
    from harness.comparison.pilot import Pilot
    from harness.stats.power import Spread

HELP = "how many samples it takes to detect an effect, and the smallest effect that a task can show"
USAGE = "harness power task=NAME effect=E [method=NAME] [model=NAME] [KEY=VALUE ...] [--json]"
EXAMPLES = """examples:
  harness power task=pope effect=0.02                     from the newest stored runs of the task
  harness power task=pope effect=0.02 method=vista        from those of vista and vanilla
  harness power task=pope effect=0.02 run=RUN baseline=RUN
  harness power task=pope effect=0.02 discordance=0.06 design_effect=1.5     stated, where nothing has run yet

settings:
  effect=0.02        the difference that is to be found, in the unit of the score, or 2%
  power=0.8          how probable it is to find it
  alpha=0.05         of the two-sided test
  run=, baseline=    two stored runs on the same samples, which tell how much such runs differ by luck
  discordance=Q      or a stated share of samples whose score, 0 or 1, changes
  design_effect=1    of the clusters with discordance=: that of a stored run, or 1
All others are those of harness eval: they choose the task, its data and limit=."""
OWN = ("effect", "power", "alpha", "run", "baseline", "discordance", "design_effect")
GUESSES = (0.02, 0.05, 0.1, 0.2)
"""Discordances of a table where nothing is known."""


def add_arguments(parser: Parser) -> None:
    parser.usage, parser.epilog = USAGE, EXAMPLES
    add_settings(parser)
    parser.add_argument("--json", action="store_true", help="the figures as JSON")


def run(given: Any) -> int:
    from harness.config.compose import Asked, asked, run

    own = {k: v for k, e, v in (w.partition("=") for w in given.words) if e and k in OWN}
    given.words = [w for w in given.words if w.partition("=")[0] not in OWN]
    found: list[dict[str, Any]] = []
    if code := run(Asked(asked(given).words), lambda config: found.append(config) or 0):
        return code
    report = _report(found[0], own)
    if given.json:
        print(json.dumps(report, indent=1))
        return 0
    for text in _lines(report):
        say(text)
    return 0


def _report(config: dict[str, Any], own: dict[str, str]) -> dict[str, Any]:
    from harness.comparison import pilot
    from harness.engine.evaluate import checked
    from harness.engine.play import planned
    from harness.engine.selection import ids_of
    from harness.plugins.build import build_task
    from harness.stats.power import assumed

    effect = _number(own, "effect", None, 0, float("inf"))
    power, alpha = _number(own, "power", 0.8, 0, 1), _number(own, "alpha", 0.05, 0, 1)
    checked(config)
    task, results = build_task(config["task"]), Path(config["results"])
    samples = planned(task, {**config, "ids": ids_of(config.get("ids"))})
    size, clusters = len(samples), len({s.cluster for s in samples})
    if clusters < 2:
        raise UsageError(f"task={task.name} has one cluster with these settings: intervals need several")
    data, method = str(config["task"].get("data") or "default"), "+".join(config["method"])
    report: dict[str, Any] = {
        "task": task.name, "data": data, "samples": size, "clusters": clusters, "cluster": task.cluster or "cluster",
        "effect": effect, "power": power, "alpha": alpha, "plans": [],
    }  # fmt: skip
    if ("run" in own) != ("baseline" in own):
        raise UsageError("harness power: run= and baseline= go together: name two stored runs on the same samples")
    made = None
    if "discordance" not in own and "run" in own:
        made = pilot.named(results, own["run"], own["baseline"])
    elif "discordance" not in own:
        made = pilot.newest(results, task.name, data, config["model"]["name"], method)
    if effect > 1 and (made is None or made.bounded):
        raise UsageError(_beyond(own["effect"]) + ("" if made else "; other scores take run= and baseline="))
    if made:
        return _with(report, made)
    if "discordance" in own:
        guesses: Sequence[float] = [_number(own, "discordance", None, 0, 1)]
    else:
        guesses = [g for g in GUESSES if g > effect]
    factor, source = 1.0, "clusters taken as independent samples"
    if "design_effect" in own:
        factor, source = _number(own, "design_effect", None, 0, float("inf")), "stated"
    elif known := pilot.design_effect(results, task.name, data):
        factor, source = known[0], f"of the score in {known[1].name}"
    report |= {"design_effect": factor, "design_effect_from": source, "stated": "discordance" in own}
    for guess in guesses:
        try:
            spread = assumed(guess, effect, size, clusters, factor)
        except ValueError as e:
            raise UsageError(f"{e}: at least as many samples change as the effect moves") from e
        report["plans"].append({"discordance": guess, **_plan(report, spread)})
    if not guesses:
        raise UsageError(f"effect={effect:g} is larger than any discordance that is likely: state discordance=")
    return report


def _beyond(effect: str) -> str:
    """What is wrong with an effect above 1 on a score between 0 and 1."""
    meant = "choose one up to 1" if effect.endswith("%") or float(effect) > 100 else f"did you mean {effect}%?"
    return f"effect={effect}: a score between 0 and 1 moves by 1 at most: {meant}"


def _with(report: dict[str, Any], made: Pilot) -> dict[str, Any]:
    d, record = made.difference, made.run.record
    clusters = max(2, round(d.clusters * report["samples"] / d.n))
    facts = {
        "pilot": {
            "run": made.run.name, "baseline": made.base.name, "model": record.model, "score": made.score,
            "samples": d.n, "clusters": d.clusters, "difference": d.value, "stderr": d.stderr,
        },
        "design_effect": d.design_effect,
    }  # fmt: skip
    if (record.task, record.data) != (report["task"], report["data"]):
        raise UsageError(f"{made.run.name} is of task={record.task}, data {record.data}: name runs of {report['task']}")
    plan = _plan({**report, "clusters": clusters}, made.spread)
    return {**report, **facts, "plans": [{"discordance": made.discordance, **plan}]}


def _plan(report: dict[str, Any], spread: Spread) -> dict[str, Any]:
    from harness.stats.power import clusters_for, detectable, fewest, found

    effect, power, alpha = report["effect"], report["power"], report["alpha"]
    needed = clusters_for(spread, effect, power, alpha)
    whole, least = spread.at(report["clusters"]), fewest(alpha)
    return {
        "clusters_needed": needed,
        "fewest_clusters": least,
        "samples_needed": None if needed is None else max(1, round(needed * spread.samples / spread.clusters)),
        "detectable": detectable(whole, power, alpha) if whole.clusters >= least else None,
        "power": found(whole, effect, alpha),
    }


def _lines(report: dict[str, Any]) -> list[str]:
    kind = report["cluster"]
    size = f"{report['samples']:,} samples in {report['clusters']:,} clusters ({kind})"
    lines = [f"{report['task']} ({report['data']}): {size}"]
    if known := report.get("pilot"):
        lines += [
            f"  spread     {known['run']}",
            f"             against {known['baseline']}:",
            f"             {known['samples']:,} samples in {known['clusters']:,} clusters, {known['score']} "
            f"{known['difference']:+.4f}, standard error {known['stderr']:.4f}",
        ]
        if known["clusters"] < 10:
            lines.append("             fewer than 10 clusters: a rough guess")
    else:
        what = "stated" if report["stated"] else "assumed, because no two stored runs show it"
        lines.append(f"  spread     discordance {what}")
    if report.get("design_effect"):
        origin = f" ({report['design_effect_from']})" if "design_effect_from" in report else ""
        lines.append(f"             design effect {report['design_effect']:.2f}{origin}")
    lines.append(
        f"  test       effect {report['effect']:g}, power {report['power']:g}, two-sided alpha {report['alpha']:g}"
    )
    for plan in report["plans"]:
        lines += _planned(plan, report)
    return lines


def _planned(plan: dict[str, Any], report: dict[str, Any]) -> list[str]:
    q = plan["discordance"]
    head = f"  with {q:.1%} of the samples changed" if q is not None else "  with this spread"
    if plan["samples_needed"] is None:
        needs = "is out of reach"
    else:
        needs = f"takes {plan['samples_needed']:,} samples in {plan['clusters_needed']:,} clusters"
        more = plan["samples_needed"] > report["samples"]
        if plan["clusters_needed"] == plan["fewest_clusters"]:
            needs += ", the fewest that a comparison judges"
        needs += ", more than there are" if more else f": limit={plan['samples_needed']}"
    if plan["detectable"] is None:
        shows = f"show no effect: a comparison judges {plan['fewest_clusters']} clusters or more"
    else:
        shows = f"show {plan['detectable']:.4f} or more, and the effect with probability {plan['power']:.0%}"
    return [f"{head}:", f"    the effect {needs}", f"    all {report['samples']:,} samples {shows}"]


def _number(own: dict[str, str], key: str, default: float | None, low: float, high: float) -> float:
    text = own.get(key)
    if text is None:
        if default is None:
            raise UsageError(f"harness power: add {key}=, for example {key}=0.02")
        return default
    try:
        value = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = float("nan")
    if not (low < value and (value < high or (key == "discordance" and value == high))):
        upto = "" if high == float("inf") else f" and below {high:g}"
        raise UsageError(f"{key}={text} must be a number above {low:g}{upto}")
    return value

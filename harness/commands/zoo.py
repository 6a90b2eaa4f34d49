"""harness zoo: train a model of the zoo."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.commands.words import say, share_cores
from harness.config.parser import Parser, add_settings, one_of, results_default
from harness.core.errors import UsageError, first_line, near

HELP = "train a model of the zoo: harness zoo train mixer=based task=recall"
USAGE = "harness zoo train mixer=NAME task=NAME [course=NAME,...] [seed=N,...] [KEY=VALUE ...]"
EXAMPLES = """examples:
  harness zoo train mixer=softmax task=recall                  as harness/zoo/recipes.yaml says
  harness zoo train mixer=window task=recall mixer.window=16 seed=0,1,2
  harness zoo train mixer=mine task=recall plugins=[.]         a mixer of your own: docs/add-a-mixer.md
  harness zoo train mixer=rat task=recall seconds=60           for a minute of CPU time
  harness zoo train mixer=vsa task=scenes device=cuda          a vision tower, on a GPU

mixer= is a model of the recipes, or any mixer. Settings: course= (of the task; all of them by default), seed=, out=
(default: zoo/ in the results folder), seconds=, steps=, batch=, rate=, decay=, optimizer=, examine= (points of the
learning curve), mixer.OPTION=, shape.KEY= (width, short, inner, ...), as=NAME, device= (cuda: all seeds of a model of
series at once), and those of the task. Rerun the same command to resume an interrupted training on the CPU.
Then: harness eval model=zoo mixer=NAME weights=OUT task=NAME"""
OWN = ("mixer", "course", "seed", "out", "seconds", "as", "device")
RECIPE = ("steps", "batch", "rate", "decay", "optimizer", "examine")
OF_RUN = ("task", "plugins")


def add_arguments(parser: Parser) -> None:
    parser.usage, parser.epilog = USAGE, EXAMPLES
    parser.add_argument("what", help="train", **one_of("action of zoo", ["train"]))
    add_settings(parser)


def run(given: Any) -> int:
    share_cores()
    from harness.config.compose import Asked, run

    words, values = [], {}
    for word in given.words:
        key, equals, value = word.partition("=")
        if not equals or not value:
            raise UsageError(f"invalid setting {word!r}: write key=value, for example mixer=softmax task=recall")
        if key in OF_RUN or key.startswith("task."):
            words.append(word)
        elif key in (*OWN, *RECIPE) or key.startswith(("mixer.", "shape.")):
            values[key] = value
        else:
            hint = near(key, (*OWN, *RECIPE, *OF_RUN), 0.6) or f"choose one of {', '.join((*OWN, *RECIPE, *OF_RUN))}"
            raise UsageError(f"unknown setting {key}: {hint}")
    for key, example in (("mixer", "softmax"), ("task", "recall")):
        if key not in values and not any(w.startswith(f"{key}=") for w in words):
            raise UsageError(f"harness zoo train: name a {key}, for example {key}={example}")
    out = Path(values.get("out") or Path(given.results or results_default()) / "zoo")
    return run(Asked([*words, "model=oracle", "logger=quiet"]), lambda config: _train(config, values, out))


def _train(config: dict[str, Any], values: Mapping[str, str], out: Path) -> int:
    """Train on each course with each seed."""
    from dataclasses import replace

    from harness.plugins.build import build_task
    from harness.plugins.registry import unknown
    from harness.runs.environment import hardware
    from harness.zoo.recipe import recipe
    from harness.zoo.train import learn

    task = build_task(config["task"])
    known = task.courses()
    courses = values["course"].split(",") if "course" in values else list(known)
    for course in courses:
        if course not in known:
            raise UsageError(unknown("course", course, known))
    name, changes = values["mixer"], {k: _value(v) for k, v in values.items() if k not in OWN}
    for course in courses:
        how = recipe(name, course).changed(changes)
        how = replace(how, name=values.get("as", name))
        seeds = _seeds(values.get("seed", "0"))
        if values.get("device", "cpu") != "cpu" and not known[course].labels:
            _at_once(how, known[course], course, seeds, values, out)
            continue
        for seed in seeds:
            say(f"{how.name} on {course}, seed {seed}: {_budget(how.steps, values)} of {how.batch} examples")
            seconds = float(_number("seconds", values.get("seconds", "0")))
            if known[course].sessions:
                from harness.zoo.towers.sessions import learn_sessions

                made = learn_sessions(how, known[course], course, seed, out, say=_point, device=_device(values))
            elif known[course].labels:
                from harness.zoo.towers.learn import learn_tower

                made = learn_tower(
                    how, known[course], course, seed, out, seconds=seconds, say=_point, device=_device(values)
                )
            else:
                cpu = str(hardware()["cpu"] or "")
                made = learn(how, known[course], course, seed, out, seconds=seconds, say=_point, machine=cpu)
            assert made is not None
            _told(made)
    say(f"harness eval model=zoo mixer={values.get('as', name)} weights={out} task={config['task']['name']}")
    return 0


def _at_once(how: Any, course: Any, name: str, seeds: Sequence[int], values: Mapping[str, str], out: Path) -> None:
    """All seeds of a model of series, on a GPU."""
    from harness.zoo.graphs import learn_at_once

    if "seconds" in values or how.optimizer != "adamw":
        raise UsageError("device= takes steps= and optimizer=adamw for models of series: leave seconds= out")
    shown = ", ".join(map(str, seeds))
    say(f"{how.name} on {name}, seeds {shown} at once: {how.steps} steps of {how.batch} examples")
    for made in learn_at_once(how, course, name, seeds, out, _device(values), say):
        _told(made)


def _told(made: Any) -> None:
    scores = ", ".join(f"{k} {v}" for k, v in made.facts["scores"].items())
    say(f"{made.file}: {made.facts['score']} {scores}, {made.facts['cpu_seconds']} CPU seconds")


def _device(values: Mapping[str, str]) -> str:
    """cpu, cuda, or one of several GPUs. Raises UsageError where there is none of that name."""
    import torch

    name = values.get("device", "cpu")
    try:
        torch.zeros(1, device=name)
    except Exception as e:  # torch raises several kinds, AssertionError among them
        raise UsageError(f"device={name} is not available: {first_line(e)}") from e
    return name


def _point(row: str) -> None:
    """A line of the log, without what is the same in each."""
    facts = json.loads(row)
    shown = {k: v for k, v in facts.items() if k not in ("stage", "cpu", "examples", "minutes")}
    say("  " + ", ".join(f"{k} {v}" for k, v in shown.items()) + f", {60 * facts['minutes']:.0f} s")


def _budget(steps: int, values: Mapping[str, str]) -> str:
    return f"{values['seconds']} s" if "seconds" in values else f"{steps} steps"


def _seeds(word: str) -> Sequence[int]:
    return [int(_number("seed", part)) for part in word.split(",")]


def _number(key: str, word: str) -> float:
    try:
        number = float(word)
    except ValueError as e:
        raise UsageError(f"{key}={word} must be a number") from e
    if not 0 <= number < math.inf or (key == "seed" and not number.is_integer()):
        raise UsageError(f"{key}={word} must be a {'whole ' if key == 'seed' else ''}number of 0 or more")
    return number


def _value(word: str) -> Any:
    import yaml

    from harness.core.yaml_loader import Loader

    if word.replace("e", "", 1).replace("-", "").replace(".", "", 1).isdigit():
        return float(word) if {".", "e"} & set(word) else int(word)
    return yaml.load(word, Loader=Loader)

"""What the completion scripts ask: `harness complete "eval method=vi"` prints the words that may stand there."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from harness.cli import COMMANDS, load, parser
from harness.config.compose import GROUPS, KEYS, choices, plugin_folders
from harness.config.parser import Parser, results_default
from harness.core.errors import HarnessError
from harness.core.sinks import line
from harness.plugins.registry import Registry

HELP = 'the words that can complete a line: harness complete "eval method=vi"'
FILTERS = ("task", "data", "model", "method", "status", "seed", "limit")
"""Keys by which `ls`, `compare` and `export` choose runs."""
PATHS = ("DIR", "FILE", "PATH")
"""Metavars of files and folders."""
SPACE = re.compile(r"(?<!\\) ")


def add_arguments(parser: Parser) -> None:
    parser.add_argument("line", nargs="*", help="what is typed after `harness`")


def run(given: Any) -> int:
    *before, word = (w.replace("\\ ", " ") for w in SPACE.split(" ".join(given.line)))
    for found in candidates([w for w in before if w], word):
        print(line(found))
    return 0


def candidates(before: Sequence[str], word: str) -> list[str]:
    """Completions of `word` after the words `before`."""
    if not before:
        return _starting(COMMANDS, word)
    command, given = before[0], before[1:]
    if command not in COMMANDS:
        return []
    made = parser(command, load(command))
    if given and (option := _option(made, given[-1])) is not None:
        return _of_metavar(str(option.metavar), given, word)
    name, equals, value = word.partition("=")
    if word.startswith("-"):
        option = _option(made, name) if equals else None
        if option is None:
            return _starting(made.options, word)
        return [f"{name}={found}" for found in _of_metavar(str(option.metavar), given, value)]
    positional = _positional(made, given)
    if positional is None:
        return []
    if command == "fetch":
        return _starting((m.name for m in _registry(given).models.values() if m.card.get("package")), word)
    if positional.dest in ("words", "settings") and "RUN" not in str(positional.metavar):
        return _setting(given, word)
    return _of_metavar(str(positional.metavar), given, word)


def _option(made: Parser, word: str) -> argparse.Action | None:
    """The option of this name, where it takes a value."""
    return next((a for a in made._actions if word in a.option_strings and a.nargs != 0), None)


def _positional(made: Parser, given: Sequence[str]) -> argparse.Action | None:
    """The argument that the next word is; the last one takes all that follow, if it takes several."""
    actions = [a for a in made._actions if not a.option_strings]
    words, skip = 0, False
    for word in given:
        if not skip and not word.startswith(("-", "results=")):
            words += 1
        skip = not skip and _option(made, word) is not None
    if words < len(actions):
        return actions[words]
    return actions[-1] if actions and actions[-1].nargs in ("*", "+") else None


def _of_metavar(metavar: str, given: Sequence[str], word: str) -> list[str]:
    """What a help text names: `RUN|method=NAME`, `build|serve`, `DIR`."""
    parts, found = metavar.split("|"), list[str]()
    key, equals, value = word.partition("=")
    cards = [p.partition("=")[0] for p in parts if p.endswith("=NAME")]
    keyed = [*cards, *((*FILTERS, "results") if "KEY=VALUE" in parts else ())]
    if equals and key in cards:
        return [f"{key}={name}" for name in _starting(choices(_registry(given), key), value)]
    if equals and key in keyed:
        return [f"{key}={found}" for found in _filter(key, given, value)]
    found += [f"{k}=" for k in keyed]
    if "RUN" in parts:
        found += _runs(given)
    if "TASK" in parts:
        found += _registry(given).tasks
    if "MODEL" in parts:
        found += _registry(given).models
    found += [p for p in parts if p.islower() and "=" not in p and len(parts) > 1]
    return [*_starting(found, word), *(_files(word) if set(parts) & set(PATHS) else [])]


def _filter(key: str, given: Sequence[str], value: str) -> list[str]:
    if key == "results":
        return _files(value)
    if key == "status":
        return _starting(("running", "interrupted", "done", "partial", "failed"), value)
    from harness.runs.stored import stored

    recorded = {str(getattr(run.record, key)) for run in stored(_results(given))}
    known = choices(_registry(given), key) if key in ("task", "method", "model") else ()
    return _starting(sorted({*recorded, *known}), value)


def _runs(given: Sequence[str]) -> list[str]:
    folder = _results(given) / "runs"
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith(".")) if folder.is_dir() else []


def _results(given: Sequence[str]) -> Path:
    """The results folder that the words name."""
    for at, word in enumerate(given):
        if word.startswith(("results=", "--results=")):
            return Path(word.partition("=")[2])
        if word == "--results" and at + 1 < len(given):
            return Path(given[at + 1])
    return Path(results_default())


def _registry(given: Sequence[str]) -> Registry:
    try:
        return Registry(plugin_folders(given))
    except HarnessError:
        return Registry()


def _setting(given: Sequence[str], word: str) -> list[str]:
    """A setting of a run, or what may stand after its =."""
    from harness.config.values import keys, values

    registry = _registry(given)
    words = [w for w in given if "=" in w and not w.startswith("-")]
    key, equals, value = word.partition("=")
    if not equals:
        if "." in word:
            return _starting([f"{k}=" for k in keys(words, registry)], word)
        return _starting(dict.fromkeys(f"{k}=" for k in (*GROUPS, *KEYS, *_short(words, registry))), word)
    listed, comma, last = value.rpartition(",")
    start = f"{key}={listed}{comma}" + ("[" if last.startswith("[") else "")
    known = values(key, words, registry)
    taken = set(listed.strip("[]").split(",")) if comma else set()
    found = [start + v for v in _starting(known.words, last.lstrip("[")) if v not in taken]
    if key == "stop_early":
        found += [start + run for run in _starting(_runs(given), last)]
    at = "@" if key == "ids" else ""
    if known.files and value.startswith(at):
        found += [f"{key}={at}{path}" for path in _files(value.removeprefix(at))]
    return found


def _short(words: Sequence[str], registry: Registry) -> list[str]:
    """Names by which settings of what is chosen may be called without their group."""
    from harness.config.values import keys

    own = [k for k in keys(words, registry) if "." in k] if any(w.startswith("method=") for w in words) else []
    return [k.rpartition(".")[2] for k in own if k.startswith(("task.", "method.", "model."))]


def _files(start: str) -> list[str]:
    """Files and folders whose path begins so; a folder ends in a slash."""
    head, slash, name = start.rpartition("/")
    folder = Path(f"{head}{slash}" or ".").expanduser()
    try:
        found = sorted(p for p in folder.iterdir() if p.name.startswith(name) and (name or p.name[0] != "."))
        return [f"{head}{slash}{p.name}{'/' if p.is_dir() else ''}" for p in found]
    except OSError:
        return []


def _starting(words: Iterable[str], start: str) -> list[str]:
    return [w for w in words if w.startswith(start)]

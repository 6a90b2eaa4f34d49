"""What the completion scripts ask: `harness complete "eval method=vi"` prints the words that may stand there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from harness.cli import COMMANDS, load, parser
from harness.config.compose import GROUPS, KEYS, choices, plugin_folders
from harness.config.parser import Parser, results_default
from harness.core.errors import UsageError
from harness.plugins.registry import Registry

HELP = 'the words that may stand at the end of a line: harness complete "eval method=vi"'


def add_arguments(parser: Parser) -> None:
    parser.add_argument("line", nargs="*", help="what is typed after `harness`")


def run(given: Any) -> int:
    before, _, word = " ".join(given.line).rpartition(" ")
    for found in candidates(before.split(), word):
        print(found)
    return 0


def candidates(before: Sequence[str], word: str) -> list[str]:
    """Completions of `word` after the words `before`."""
    if not before:
        return _starting(COMMANDS, word)
    command = before[0]
    if word.startswith("-") and command in COMMANDS:
        return _starting(parser(command, load(command)).options, word)
    if command == "list":
        return _starting(("tasks", "methods", "models"), word)
    if command == "fetch":
        return _starting((m.name for m in Registry().models.values() if m.card.get("package")), word)
    if command == "completion":
        return _starting(("bash", "zsh", "fish"), word)
    if command == "eval":
        return _setting(before, word)
    if command in ("show", "compare", "rescore", "judge"):
        runs = Path(results_default()) / "runs"
        names = sorted(p.name for p in runs.iterdir()) if runs.is_dir() else []
        return _starting(names, word)
    return []


def _setting(before: Sequence[str], word: str) -> list[str]:
    try:
        registry = Registry(plugin_folders(before))
    except UsageError:
        registry = Registry()
    key, equals, value = word.partition("=")
    if equals:
        if key not in GROUPS:
            return []
        listed, comma, last = value.rpartition(",")
        start = f"{key}={listed}{comma}" + ("[" if last.startswith("[") else "")
        return [start + name for name in _starting(choices(registry, key), last.lstrip("["))]
    keys = [f"{k}=" for k in (*GROUPS, *KEYS)]
    chosen = dict(w.split("=", 1) for w in before if "=" in w)
    if "." in word:
        for group in ("task", "model"):
            if plugin := registry.group(group).get(chosen.get(group, "")):
                keys += [f"{group}.{k}=" for k in plugin.defaults if k not in ("_target_", "name", "family")]
        keys += [f"method.{p.name}.{k}=" for p in registry.methods.values() for k in p.defaults]
    return _starting(keys, word)


def _starting(words: Iterable[str], start: str) -> list[str]:
    return [w for w in words if w.startswith(start)]

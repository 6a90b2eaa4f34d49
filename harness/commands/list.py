"""harness list: what can be named."""

from __future__ import annotations

from typing import Any

from harness.commands.words import say, warn
from harness.config.parser import Parser, one_of
from harness.core.verified import LEVELS
from harness.plugins.plugin import Plugin
from harness.plugins.registry import ROOT, Registry

LEVEL = max(map(len, LEVELS))
"""Width of the column that shows how far a method was compared with its authors' code."""
KINDS = {"tasks": "task", "methods": "method", "models": "model"}
HELP = "the tasks, methods and models there are"


def add_arguments(parser: Parser) -> None:
    parser.add_argument("kinds", nargs="*", help="default: all of them", **one_of("kind", KINDS))
    parser.add_argument("--plugins", action="append", default=[], metavar="DIR", help="folder with plug-ins")


def run(given: Any) -> int:
    kinds = given.kinds or list(KINDS)
    registry = Registry(given.plugins)
    for kind in kinds:
        plugins = registry.group(KINDS[kind])
        width = max(map(len, plugins), default=0)
        if len(kinds) > 1:
            say(f"{kind}:")
        for name, plugin in sorted(plugins.items()):
            level = f"{plugin.verified.level:<{LEVEL}}  " if kind == "methods" else ""
            say(f"  {name:<{width}}  {level}{_about(plugin)}")
        if kind == "methods":
            say("  (second column: how far it was compared with its authors' code; see harness show method=NAME)")
    groups = {KINDS[kind] for kind in kinds}
    for fault in dict.fromkeys(text for (group, _), text in registry.faults.items() if group in groups):
        warn(f"left out: {fault}")
    return 0


def _about(plugin: Plugin) -> str:
    parts = [plugin.title]
    if plugin.group == "method" and plugin.card.get("paper"):
        paper = str(plugin.card["paper"]).replace("https://arxiv.org/abs/", "arXiv ")
        parts.append(f"[{plugin.kind}, {paper}]")
    if plugin.group == "task":
        parts.append(f"[{', '.join(plugin.raw.get('variants') or {})}]")
    if plugin.group == "model" and (members := plugin.card.get("members")):  # of zoo: mixer=NAME
        folder = ROOT / str(members["folder"])
        parts.append(f"[{members['setting']}=: {', '.join(sorted(p.name for p in folder.iterdir() if p.is_dir()))}]")
    return " ".join(parts)

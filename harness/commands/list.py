"""harness list: what can be named."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.errors import UsageError
from harness.core.registry import Plugin, Registry
from harness.core.verified import LEVELS

HELP = "usage: harness list tasks|methods|models [--plugins DIR]"
LEVEL = max(map(len, LEVELS))
"""Width of the column that says how far a method was compared with its authors' code."""
KINDS = {"tasks": "task", "methods": "method", "models": "model"}


def main(words: Sequence[str]) -> int:
    words = list(words)
    if any(w in ("-h", "--help") for w in words):
        print(HELP)
        return 0
    folders = []
    if "--plugins" in words:
        at = words.index("--plugins")
        folders = words[at + 1 : at + 2]
        del words[at : at + 2]
    kinds = words or list(KINDS)
    for kind in kinds:
        if kind not in KINDS:
            raise UsageError(f"harness list {kind}: choose tasks, methods or models")
    registry = Registry(folders)
    for kind in kinds:
        plugins = registry.group(KINDS[kind])
        width = max(map(len, plugins), default=0)
        if len(kinds) > 1:
            print(f"{kind}:")
        for name, plugin in sorted(plugins.items()):
            level = f"{plugin.verified.level:<{LEVEL}}  " if kind == "methods" else ""
            print(f"  {name:<{width}}  {level}{_about(plugin)}")
        if kind == "methods":
            print("  (second column: how far it was compared with its authors' code; see harness show method=NAME)")
    return 0


def _about(plugin: Plugin) -> str:
    parts = [plugin.title]
    if plugin.group == "method" and plugin.card.get("paper"):
        paper = str(plugin.card["paper"]).replace("https://arxiv.org/abs/", "arXiv ")
        parts.append(f"[{plugin.kind}, {paper}]")
    if plugin.group == "task":
        parts.append(f"[{', '.join(plugin.raw.get('variants') or {})}]")
    return " ".join(parts)

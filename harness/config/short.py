"""Settings by their bare name: `model=openai base_url=...` for `model.base_url=...`, `method=vista lam=0.1` for
`method.vista.lam=0.1`. A bare name must belong to one of the chosen task, model and methods alone."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from harness.core.errors import UsageError
from harness.plugins.plugin import Plugin
from harness.plugins.registry import Registry


def names(value: str) -> list[str]:
    """Those in `a`, `a,b` or `[a,b]`."""
    return [name for name in re.split(r"[,\[\]\s'\"]+", value) if name]


def lengthened(words: Sequence[str], registry: Registry, known: Sequence[str]) -> list[str]:
    """The words with bare names written out. `known`: keys that stand for themselves. Raises UsageError where a name
    belongs to several of the chosen plug-ins."""
    places = list(chosen(words, registry))
    out = []
    for word in words:
        key, equals, value = word.partition("=")
        if equals and re.fullmatch(r"\w+", key) and key not in known:
            meant = list(dict.fromkeys(f"{place}.{key}" for place, plugin in places if key in plugin.settings))
            if len(meant) > 1:
                raise UsageError(f"{key} is ambiguous: write {' or '.join(f'{m}={value}' for m in meant)}")
            if meant:
                word = f"{meant[0]}={value}"
        out.append(word)
    return out


def chosen(words: Sequence[str], registry: Registry) -> Iterator[tuple[str, Plugin]]:
    """(where its settings lie, plug-in) of what the words choose, and of the model that the task brings."""
    values: dict[str, list[str]] = {}
    for word in words:
        group, _, value = word.partition("=")
        if group in ("task", "method", "model"):
            values[group] = [name for name in names(value) if name in registry.group(group)]
    for task in values.get("task", ()):
        plugin = registry.get("task", task)
        yield "task", plugin
        values.setdefault("model", [str(plugin.raw.get("default_model", "tiny-llava"))])
    for model in values.get("model", ()):
        yield "model", registry.get("model", model)
    for method in values.get("method", ()):
        yield f"method.{method}", registry.get("method", method)

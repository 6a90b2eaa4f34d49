"""The first lines of an evaluation: what runs, and with which preset. They come before anything heavy is imported."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from harness.config.short import chosen
from harness.plugins.plugin import Plugin
from harness.plugins.registry import Registry

VANILLA = "vanilla"


def heading(words: Sequence[str], registry: Registry, *, sweep: bool = False) -> list[str]:
    """ "pope, method vista, model tiny-llava", and a line for each method about the numbers it uses.

    Args:
        words: Of the command line, with the settings' names in full.
    """
    plugins = dict.fromkeys((p.group, p.name) for _, p in chosen(words, registry))
    tasks, models, methods = (
        [registry.get(group, name) for group, name in plugins if group == wanted]
        for wanted in ("task", "model", "method")
    )
    shown = [_names(tasks), f"method {_composed(words) or VANILLA}", f"model {_names(models)}"]
    what = ("sweep of " if sweep else "") + ", ".join(shown)
    return [what, *dict.fromkeys(line for m in methods for line in _presets(m, words, tasks, models))]


def quiet(words: Sequence[str]) -> bool:
    """Whether these words ask for no output but errors."""
    return next((w for w in reversed(words) if w.startswith("logger=")), "") == "logger=quiet"


def _presets(method: Plugin, words: Sequence[str], tasks: Sequence[Plugin], models: Sequence[Plugin]) -> Iterator[str]:
    given = _given(words, f"method.{method.name}.")
    left = [k for k in method.defaults if k not in given and not k.startswith("_")]
    family = _given(words, "model.").get("family")
    for model in models if left else ():
        of = family or model.raw.get("family")
        for task in tasks:
            tuned = {k: v for k, v in method.tuned(of, task.name).items() if k in left}
            if tuned:
                yield f"  {method.name}: preset for {of or model.name} on {task.name}: {_values(tuned)}"
            else:
                whose = f"the family {of}" if of else f"model {model.name}, which names no family"
                defaults = _values({k: method.defaults[k] for k in left})
                yield f"  {method.name}: no preset for {whose} on {task.name}: defaults {defaults}"


def _values(values: dict[str, object]) -> str:
    return ", ".join(f"{k}={_text(v)}" for k, v in values.items())


def _text(value: object) -> str:
    if isinstance(value, list):
        return f"[{','.join(map(_text, value))}]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def _given(words: Sequence[str], prefix: str) -> dict[str, str]:
    pairs = (w.lstrip("+").partition("=") for w in words)
    return {key.removeprefix(prefix): value for key, _, value in pairs if key.startswith(prefix)}


def _composed(words: Sequence[str]) -> str:
    """What is given as `method=`: names that are composed are joined by +, those of a sweep listed."""
    value = next((w.partition("=")[2] for w in reversed(words) if w.startswith("method=")), "")
    composed = re.sub(r"\[([^\]]*)\]", lambda m: re.sub(r"\s*,\s*", "+", m[1]), value)
    return ", ".join(part.strip(" '\"") for part in composed.split(","))


def _names(plugins: Sequence[Plugin]) -> str:
    return ", ".join(p.name for p in plugins)

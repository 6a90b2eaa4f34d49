"""What may stand after the = of a setting, as far as it can be said: what shells complete."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from harness.config.compose import choices
from harness.config.kinds import SWITCH, annotated
from harness.config.settings import GROUPS, Setting, settings
from harness.config.short import lengthened
from harness.config.signatures import refused
from harness.core.errors import UsageError
from harness.plugins.registry import Registry

KNOWN = {
    "batch_size": ("auto",),
    "calibration": ("auto", "embedded"),
    "stop_early": ("true", "false"),
    "retry": ("errors",),
    "model.reasoning": ("strip", "keep"),
    "model.device": ("auto", "cpu", "cuda", "mps"),
    "logger.mode": ("online", "offline", "disabled"),
    "hydra/launcher": ("basic", "joblib", "submitit_local", "submitit_slurm"),
}
"""Of settings that are checked where they are used, not by the class that takes them."""
FILES = {"results", "plugins", "calibration", "ids", "model.path", "model.delta", "model.gguf"}
"""Settings that name a file or folder; those of tasks say so themselves."""


@dataclass(frozen=True)
class Values:
    """The words, and whether a file or folder may be named as well."""

    words: tuple[str, ...] = ()
    files: bool = False


def values(key: str, before: Sequence[str], registry: Registry) -> Values:
    """Of the setting `key`, also by its short name, beside the words `before`."""
    if key in GROUPS:
        return Values(tuple(choices(registry, key)))
    try:
        (word,) = lengthened([*before, f"{key}="], registry, (*GROUPS, *KNOWN))[len(before) :]
    except UsageError:
        return Values()
    full = word.partition("=")[0]
    found: dict[str, None] = dict.fromkeys(KNOWN.get(full, ()))
    files = full in FILES
    for setting in settings(before, registry).get(full, ()):
        own, place = _of_class(setting)
        files = files or place
        if not place:
            found |= dict.fromkeys([*own, *_numbers(setting, registry), *_default(setting)])
    return Values(tuple(found), files)


def keys(before: Sequence[str], registry: Registry) -> Iterator[str]:
    """Settings of the run and of what the words choose; of every method where they choose none."""
    known = list(settings(before, registry))
    yield from known
    if not any(w.startswith("method=") for w in before):
        yield from (f"method.{p.name}.{k}" for p in registry.methods.values() for k in p.defaults)


def _of_class(setting: Setting) -> tuple[list[str], bool]:
    """What the class that takes a setting accepts, and whether it names a file or folder."""
    name = setting.key.rpartition(".")[2]
    found: list[str] = []
    if not setting.target:
        return ["true", "false"] if isinstance(setting.default, bool) else [], False
    if setting.key.startswith("task."):
        from harness.records.settings import Place, rules

        module, _, cls = setting.target.rpartition(".")
        form = getattr(getattr(importlib.import_module(module), cls), "Settings", None)
        rule = rules(form).get(name) if form else None
        if isinstance(rule, Place):
            return [], True
        found += [str(v) for v in getattr(rule, "values", ())]
    found += refused(setting.target).get(name, [])
    found += _literals(annotated(setting.target).get(name))
    kinds = setting.kinds
    return [*found, *(["true", "false"] if SWITCH in kinds else [])], False


def _literals(annotation: Any) -> list[str]:
    """The values in a Literal."""
    if not isinstance(annotation, str) or "Literal" not in annotation:
        return []
    return [str(n.value) for n in ast.walk(ast.parse(annotation, mode="eval")) if isinstance(n, ast.Constant)]


def _numbers(setting: Setting, registry: Registry) -> list[str]:
    """What presets and the tuning grid of a method hold for one of its settings."""
    group, _, rest = setting.key.partition(".")
    method, _, key = rest.partition(".")
    if group != "method" or method not in registry.methods:
        return []
    plugin = registry.methods[method]
    presets = [p["values"][key] for p in plugin.presets if key in p["values"]]
    return [_text(v) for v in (*presets, *((plugin.raw.get("tune") or {}).get(key) or ()))]


def _default(setting: Setting) -> list[str]:
    """As it may be given: not one that follows other settings, or that must be given."""
    text = _text(setting.default)
    plain = isinstance(setting.default, bool | int | float | str) and text not in ("", "???") and "${" not in text
    return [text] if plain else []


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

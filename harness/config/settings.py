"""Every setting that a command line can name: its default, and what it may be."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml

from harness.config.kinds import ANY, MAPPING, NUMBER, Kinds, annotated, kinds, reads_as, refusal
from harness.config.short import chosen, names
from harness.core.decoding import Decoding
from harness.core.errors import UsageError, near
from harness.core.yaml_loader import Loader
from harness.plugins.plugin import Plugin
from harness.plugins.registry import ROOT, Registry

FOLDER = ROOT / "harness" / "config"
PLUGINS = ("task", "method", "model")
GROUPS = (*PLUGINS, "decoding", "executor", "logger", "judge")
JUDGE: dict[str, Any] = {"prompt": "correctness", "max_new_tokens": 256, "pictures": False}
"""Settings of every judge, beside those of its model: docs/judge.md explains them."""
REFERENCES = {"chance", "oracle", "replay"}
"""Models that answer from a task's key or from a file: they cannot judge."""
DECODING = f"{Decoding.__module__}.{Decoding.__qualname__}"
STATED = {
    "limit": "int | None",
    "ids": "str | None",
    "system": "str | None",
    "batch_size": "int | str",
    "stop_early": "bool | str",
    "retry": "str | None",
    "results": "str",
    "plugins": "list[str] | str",
    "executor.cpus": "float",
    "executor.gpus": "float",
    "executor.address": "str | None",
    "logger.entity": "str | None",
    "logger.mode": "str | None",
    "logger.site": "str | None",
    "logger.tags": "list[str] | str",
}
"""Settings that are not argument of a class, where the default does not say what they may be."""


@dataclass(frozen=True)
class Setting:
    """One key. `target`: the class whose argument it is, if it is one's."""

    key: str
    default: Any
    target: str = ""

    @cached_property
    def kinds(self) -> Kinds:
        name = self.key.rpartition(".")[2]
        if self.key in STATED:
            return kinds(self.default, STATED[self.key])
        known = annotated(self.target) if self.target else {}
        return kinds(self.default, known[name]) if name in known else kinds(self.default)

    def check(self, value: Any) -> None:
        """Raises UsageError where a composed value is of another kind."""
        if not self.kinds.fits(value):
            raise UsageError(refusal(self.key, value, self.kinds))


def settings(words: Sequence[str], registry: Registry) -> dict[str, list[Setting]]:
    """By key, those of the run and of what these words choose; several where a sweep chooses several."""
    found: dict[str, list[Setting]] = {}
    for setting in _settings(words, registry):
        found.setdefault(setting.key, []).append(setting)
    return found


def _settings(words: Sequence[str], registry: Registry) -> Iterator[Setting]:
    for key, default in run_settings().items():
        yield Setting(key, default)
    for place, plugin in chosen(words, registry):
        for key, default in plugin.settings.items():
            yield Setting(f"{place}.{key}", default, plugin.target)
    for name in named(words, "judge"):
        if plugin := registry.models.get(name):
            for key, default in {**plugin.settings, **JUDGE}.items():
                yield Setting(f"judge.{key}", default, "" if key in JUDGE else plugin.target)
    for group in GROUPS[len(PLUGINS) :]:
        for name in named(words, group):
            for key, default in option(group, name).items():
                if group != "decoding" and key == "name":
                    continue  # says which it is
                yield Setting(f"{group}.{key}", default, DECODING if group == "decoding" else "")


def judge(model: Plugin) -> dict[str, Any]:
    """The node of a judge: the model's settings and its own."""
    return {**model.raw, **JUDGE}


def run_settings() -> dict[str, Any]:
    """The settings of eval.yaml with their defaults."""
    raw = _file(FOLDER / "eval.yaml")
    own = {k: v for k, v in raw.items() if k not in ("defaults", "hydra")}
    nested = {f"{k}.{name}": one for k, v in own.items() if isinstance(v, dict) for name, one in v.items()}
    return {k: v for k, v in own.items() if not isinstance(v, dict)} | nested


def option(group: str, name: str) -> dict[str, Any]:
    """The settings of one of a group's files; none where there is no such file."""
    path = FOLDER / group / f"{name}.yaml"
    return _file(path) if path.is_file() else {}


@cache
def _file(path: Path) -> dict[str, Any]:
    """One that comes with harness, read once; nobody changes what it says."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=Loader)


def named(words: Sequence[str], group: str) -> list[str]:
    """What the words choose in a group of files, or its default."""
    given = [w.partition("=")[2] for w in words if w.partition("=")[0] == group]
    if given:
        return names(given[-1])
    return [str(d[group]) for d in _file(FOLDER / "eval.yaml")["defaults"] if isinstance(d, dict) and group in d]


def check_keys(words: Sequence[str], known: Mapping[str, Sequence[Setting]], registry: Registry) -> None:
    """Raises UsageError for the first key below a group that nothing chosen has, with the nearest ones that are."""
    for word in words:
        key, equals, _ = word.lstrip("+").partition("=")
        group, dot, name = key.partition(".")
        if not equals or not dot or group not in GROUPS or key in known or name.startswith("_"):
            continue
        if any(key.startswith(f"{k}.") and {ANY, MAPPING} & s[0].kinds.values for k, s in known.items()):
            continue
        raise UsageError(f"unknown setting {key}{_hint(key, known, registry)}")


def check_presets(words: Sequence[str], known: Mapping[str, Sequence[Setting]], registry: Registry) -> None:
    """Raises UsageError where a preset of a chosen method holds a value that its setting does not take."""
    for place, plugin in chosen(words, registry):
        for key, value in ((k, v) for preset in plugin.presets for k, v in preset["values"].items()):
            for setting in known.get(f"{place}.{key}", ()):
                if not setting.kinds.fits(value):
                    hint = " (write it without quotes, and with a point, as 1.0e-5: YAML reads it as a text)"
                    quoted = isinstance(value, str) and reads_as(value, NUMBER)
                    why = refusal(key, value, setting.kinds)
                    raise UsageError(f"{plugin.path}: presets: {why}{hint if quoted else ''}")


def _hint(key: str, known: Mapping[str, Sequence[Setting]], registry: Registry) -> str:
    if owners := _elsewhere(key.partition(".")[0], registry).get(key):
        return f" here: it is one of {' or '.join(owners[:3])}"
    if hint := near(key, known, 0.6):
        return f": {hint}"
    group = key.partition(".")[0]
    others = _elsewhere(group, registry)
    if close := difflib.get_close_matches(key, others, n=1, cutoff=0.8):
        return f": did you mean {close[0]} (of {others[close[0]][0]})?"
    own = [k for k in known if k.startswith(f"{group}.")]
    return f": choose one of {', '.join(own)}" if own else f": nothing chosen has settings below {group}"


def _elsewhere(group: str, registry: Registry) -> dict[str, list[str]]:
    """Every key of a group -> the choices that have it."""
    if group in PLUGINS:
        place = "method.{}" if group == "method" else group
        plugins = registry.group(group).values()
        having = [(p.name, place.format(p.name), p.settings) for p in plugins]
    elif group == "judge":
        models = (m for name, m in registry.models.items() if name not in REFERENCES)
        having = [(p.name, group, {**p.settings, **JUDGE}) for p in models]
    else:
        having = [(p.stem, group, option(group, p.stem)) for p in sorted((FOLDER / group).glob("*.yaml"))]
    found: dict[str, list[str]] = {}
    for name, place, keys in having:
        for key in keys:
            found.setdefault(f"{place}.{key}", []).append(f"{group}={name}")
    return found

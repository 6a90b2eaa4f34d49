"""One task, method or model that can be named: what its YAML says, and the object that it makes."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError
from harness.core.task import DECLARED
from harness.core.verified import Verified

PRIVATE = ("_target_", "defaults")
OPEN = "???"
"""What a YAML says of a setting that has to be given."""


@dataclass(frozen=True)
class Plugin:
    """One YAML file: the class it names, its numbers, its card."""

    name: str
    group: str
    """"task", "method" or "model"."""
    path: Path
    target: str
    kind: str = ""
    card: dict[str, Any] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    presets: list[dict[str, Any]] = field(default_factory=list)
    raw: dict[str, Any] = field(default_factory=dict)
    verified: Verified = field(default_factory=Verified)

    @property
    def title(self) -> str:
        """Of its card; its name where that has none."""
        return str(self.card.get("title", self.name))

    @property
    def untuned(self) -> str:
        """Why `harness tune` has chosen nothing for an embedded model, in a sentence; empty where it has."""
        return str(self.raw.get("untuned", ""))

    @property
    def settings(self) -> dict[str, Any]:
        """What may be given for it, with the defaults. A model whose YAML leaves nothing to be given is one model, and
        keeps its name: under another one, its scores would pass for another model's."""
        if self.group != "model":
            return {k: v for k, v in self.defaults.items() if k not in PRIVATE}
        named = OPEN in self.raw.values()
        return {k: v for k, v in self.raw.items() if k not in PRIVATE and (named or k != "name")}

    @property
    def declared(self) -> dict[str, str]:
        """The `version`, `primary` and `cluster` that a task's YAML states."""
        return {k: str(self.raw[k]) for k in ("version", "primary", "cluster") if k in self.raw}

    @property
    def node(self) -> dict[str, Any]:
        """Its part of a configuration: the class and the values of the YAML, presets left aside."""
        own: dict[str, Any] = {"_target_": self.target}
        if self.group == "task":
            own |= {DECLARED: self.declared, "name": self.name}
        return {**own, **self.defaults}

    def preset(self, key: str, family: str | None, task: str) -> Any:
        """The number that a method uses for a model family and task: its preset, or its default.

        A preset may leave `task` or `model` out; the most specific one that fits wins.
        """
        return self.tuned(family, task).get(key, self.defaults[key])

    def tuned(self, family: str | None, task: str) -> dict[str, Any]:
        """The numbers that presets give for a model family and task."""
        found: dict[str, tuple[int, Any]] = {}
        for entry in self.presets:
            fits = all(entry.get(k) in (None, have) for k, have in (("model", family), ("task", task)))
            weight = sum(entry.get(k) is not None for k in ("model", "task"))
            for key, value in entry["values"].items() if fits else ():
                if weight > found.get(key, (-1, None))[0]:
                    found[key] = weight, value
        return {key: value for key, (_, value) in found.items()}

    def build(self, **changes: Any) -> Any:
        """The task, method or model with the values of its YAML, some of them changed.

        Raises:
            UsageError: an unknown setting, a value that the class refuses, or one that follows other settings of a
                run (`${...}` in the YAML) and is not among the changes.
        """
        from harness.plugins.build import build

        node = {**self.node, **changes}
        if follows := [k for k, v in node.items() if isinstance(v, str) and v.startswith("${")]:
            raise UsageError(f"{self.group} {self.name}: {follows[0]} follows other settings of a run: give its value")
        return build(self.group, self.name, node)

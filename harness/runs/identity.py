"""A run's identity: a hash of everything that can change an answer or a score.

It has two parts. `answers` covers what the model is and how it is asked: code, numbers, weights, versions, decoding.
`task` covers what is asked and how it is scored. A run that differs in its task alone is rescored from stored
answers, as far as it asks the same (`harness.engine.rescoring`).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any

from harness.plugins.build import VANILLA, target
from harness.runs import sources

ENGINE = ("harness.engine.play", "harness.plugins.build")
"""Modules through which the engine can change an answer, with what they import. Methods and models are reached from
their own modules."""

OF_TASKS = {"harness/core/task.py", "harness/core/score.py"}
"""Models and methods also import these, but they only matter to what is asked and how it is scored."""
INERT = {
    "harness/__init__.py",
    "harness/core/files.py",
    "harness/core/secrets.py",
    "harness/core/sinks.py",
    "harness/core/verified.py",
    "harness/core/yaml_loader.py",
    "harness/plugins/plugin.py",
    "harness/plugins/raised.py",
    "harness/plugins/registry.py",
    "harness/plugins/shape.py",
}
"""They find plug-ins, cards and files, and what they find is in the identity; they redact or word messages, or name
what `import harness` offers."""


def digest(parts: Mapping[str, Any]) -> str:
    """SHA-256 over the parts as canonical JSON."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def run_name(task: str, data: str, method: str, model: str, identity: str) -> str:
    """Readable and unique: `pope-embedded-vista-tiny-llava-3f9c2a7b10`."""
    words = "-".join((task, data, method, model))
    return f"{re.sub(r'[^A-Za-z0-9.+_]+', '-', words)[:120]}-{identity[:10]}"


def _module(node: Mapping[str, Any]) -> str:
    """Module of the class that a configuration's node names."""
    return target(node).rpartition(".")[0]


def roots(config: Mapping[str, Any]) -> list[str]:
    """The modules of the classes that make a run: the task's first, then the model's and the methods'."""
    methods = (node for name, node in config["method"].items() if name != VANILLA)
    return [_module(node) for node in (config["task"], config["model"], *methods)]


def code_of_answers(config: Mapping[str, Any], more: Iterable[str] = ()) -> dict[str, str]:
    """File -> digest: model, methods, steering layer, prompts and the engine. `more`: `Model.modules`."""
    return code_beside_tasks([*ENGINE, *roots(config)[1:], *more])


def code_beside_tasks(modules: Iterable[str]) -> dict[str, str]:
    """File -> digest, of the modules and what they import, without what only matters to tasks."""
    return _without(OF_TASKS | INERT, sources.code(modules))


def code_of_scores(config: Mapping[str, Any]) -> dict[str, str]:
    """File -> digest: the task with its records' readers, parsers, scorers and statistics."""
    return _without(INERT, sources.code(roots(config)[:1]))


def _without(names: set[str], code: dict[str, str]) -> dict[str, str]:
    return {file: digest for file, digest in code.items() if file not in names}


def versions(packages: Iterable[str]) -> dict[str, str]:
    """Package -> its version as far as it counts: 5.24 for 5.24.1; all of it where it is not a release."""
    found = {}
    for name in packages:
        try:
            version = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            continue
        release = re.fullmatch(r"(\d+\.\d+)(\.\d+)*(\.?post\d+)?", version)
        found[name] = release[1] if release else version
    return found

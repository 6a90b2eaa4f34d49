"""The judge of a run, as `judge=` names it: a model, a prompt, and what it is shown."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.config.settings import JUDGE
from harness.core.errors import HarnessError, UsageError
from harness.core.model import Model
from harness.core.picture import Picture
from harness.core.task import Task
from harness.core.types import Request, user
from harness.judge.template import Template, read
from harness.plugins.build import build_model

PREFIX = "judge:"
"""Scores and metrics of judges begin with it."""


@dataclass(frozen=True)
class Judge:
    """A model that grades. `family`: what it shares with models that it may favour."""

    model: Model
    template: Template
    max_new_tokens: int
    pictures: bool
    family: str

    @cached_property
    def identity(self) -> dict[str, Any]:
        """Everything that can change a verdict."""
        return {
            "name": self.model.name,
            "fingerprint": self.model.fingerprint(),
            "prompt": self.template.digest,
            "max_new_tokens": self.max_new_tokens,
            "pictures": self.pictures,
            "reasoning": self.model.reasoning,
        }

    @cached_property
    def score(self) -> str:
        """The name of its score and metric: of the model, and of all that makes it this judge (`judge:qwen@1f3a9c`), so
        that two judges are never taken for one."""
        digest = hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()
        return f"{PREFIX}{re.sub(r'[^A-Za-z0-9._+-]+', '-', self.model.name)}@{digest[:6]}"

    def replies(self, results: Path) -> Path:
        """Where its replies are kept, by request: prompts of one judge share a file."""
        name = re.sub(r"[^A-Za-z0-9._+-]+", "-", self.model.name)
        return (
            results / "judgments" / f"{name}-{hashlib.sha256(self.model.fingerprint().encode()).hexdigest()[:12]}.jsonl"
        )

    def accepts(self, task: Task, *, pairwise: bool = False) -> None:
        """Raises UsageError where a task's answers cannot be graded (or compared) by this judge."""
        if not task.repeatable:
            raise UsageError(
                f"task={task.name} acts on something outside: its answers cannot be judged, leave judge= out"
            )
        if self.template.pairwise and not pairwise:
            raise UsageError(f"judge.prompt={self.template.name} compares two answers: harness judge RUN --against RUN")
        if pairwise and not self.template.pairwise:
            raise UsageError(
                f"judge.prompt={self.template.name} grades one answer: --against takes judge.prompt=pairwise"
            )

    def request(self, values: Mapping[str, str], pictures: Sequence[Picture]) -> Request:
        """What it is asked: the prompt, with the question's pictures in front where it is shown them."""
        text = self.template.filled(values)
        return Request(user(*(pictures if self.pictures else ()), text), self.max_new_tokens)


def build_judge(node: Mapping[str, Any] | None) -> Judge | None:
    """From the part `judge` of a configuration; None for `judge=none`. Loads no weights. Raises UsageError."""
    if not node or "_target_" not in node:
        return None
    own = {k: node.get(k, default) for k, default in JUDGE.items()}
    if isinstance(own["max_new_tokens"], bool) or own["max_new_tokens"] < 1:
        raise UsageError(f"judge.max_new_tokens={own['max_new_tokens']} leaves no room for a verdict: give 1 or more")
    try:
        model = build_model({k: v for k, v in node.items() if k not in JUDGE})
    except HarnessError as e:
        raise type(e)(re.sub(r"\bmodel([.=:])", r"judge\1", str(e))) from e
    if model.reads_samples:
        raise UsageError(f"judge={model.name} reads a task's key or a file, not the answers: choose a model that reads")
    return Judge(model, read(str(own["prompt"])), own["max_new_tokens"], bool(own["pictures"]), kin(node))


def kin(node: Mapping[str, Any]) -> str:
    """What a model's relatives share: its family's or its name's first word, "qwen" of Qwen2.5-VL-7B."""
    name = str(node.get("family") or str(node.get("name") or "").rstrip("/").rpartition("/")[2])
    found = re.match(r"[a-z]+", name.lower())
    return found[0] if found else name.lower()

"""What lm-eval's and lmms-eval's tasks have in common: documents, their fingerprint, and answers at random."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.core import Reply, Request
from harness.core.files import DIGESTS
from harness.core.types import Likelihood


def documents(tasks: Mapping[str, Any]) -> dict[str, tuple[Any, list[Any]]]:
    """Sample id -> (its task, the document's instances in order)."""
    out: dict[str, tuple[Any, list[Any]]] = {}
    for name, task in tasks.items():
        for instance in task.instances:
            out.setdefault(f"{name}.{instance.doc_id}", (task, []))[1].append(instance)
    for _, instances in out.values():
        instances.sort(key=lambda i: i.idx)
    return out


def code(include: str | None) -> list[str]:
    """Digests of the Python files in a folder of the user's tasks: a peer's settings know functions by name alone."""
    return [DIGESTS.of(f) for f in sorted(Path(include).rglob("*.py"))] if include else []


def contents(doc: Any) -> str:
    """A document for a fingerprint. What JSON cannot hold counts by its kind."""
    return json.dumps(doc, skipkeys=True, default=lambda value: type(value).__name__)


def by_lot(request: Request, rng: random.Random) -> str:
    """What `chance` answers: a continuation at random; no words."""
    if not request.continuations:
        return ""
    return Reply.said([Likelihood(-rng.random(), False) for _ in request.continuations])

"""What lm-eval's and lmms-eval's tasks have in common: instances of documents, and answers by lot."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from harness.core import Reply, Request
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


def by_lot(request: Request, rng: random.Random) -> str:
    """What `chance` answers: a continuation by lot; no words."""
    if not request.continuations:
        return ""
    return Reply.said([Likelihood(-rng.random(), False) for _ in request.continuations])

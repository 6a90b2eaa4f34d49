"""Which samples a run plays, in which order, and by which scheduler: all of the engine that answers depend on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from harness.core.errors import HarnessError, UsageError
from harness.core.method import Method, Pipeline
from harness.core.task import Task
from harness.core.types import Result, Sample
from harness.engine.limit import by_cluster, named, subset
from harness.engine.schedule import Scheduler
from harness.engine.streamed import Streamed, whole
from harness.plugins.build import build_decoding

if TYPE_CHECKING:
    from harness.engine.plan import Plan


def planned(task: Task, config: Mapping[str, Any]) -> Sequence[Sample]:
    """What is to be played, whole clusters side by side. Raises HarnessError for no samples, or ids that repeat."""
    offset = config.get("offset") or 0
    drawn_from = config.get("ids") is not None or config["limit"] is not None or offset
    samples = list(task.samples()) if drawn_from else whole(task)
    if isinstance(samples, Streamed):
        return samples
    if not samples:
        raise HarnessError(f"task={task.name} has no samples for these settings: see harness show task={task.name}")
    for key in ("id", "cluster", "group"):
        if odd := next((s for s in samples if not isinstance(getattr(s, key), str | int | float)), None):
            value = getattr(odd, key)
            raise HarnessError(f"task={task.name}: sample {odd.id!r} has {key} {value!r:.40}: give each a text")
    twice = [id_ for id_, n in Counter(s.id for s in samples).items() if n > 1]
    if twice:
        raise HarnessError(f"task={task.name}: sample id {twice[0]!r} occurs twice: ids must be unique")
    drawn = subset(named(samples, config.get("ids")), config["limit"], config["seed"], offset)
    if not drawn:
        raise UsageError(f"offset={offset} leaves nothing of {len(samples)} samples: give a smaller one")
    return by_cluster(drawn)


def steering(methods: Sequence[Method]) -> list[Method]:
    """Those that act inside the model."""
    return [m for m in methods if not isinstance(m, Pipeline)]


def scheduler(plan: Plan, rows: int | None, report: Callable[[list[Result]], None], **more: Any) -> Scheduler:
    """Scheduler of a run whose model is loaded, or soon will be. `more`: keywords of `Scheduler`."""
    return Scheduler(
        plan.task,
        plan.model,
        [m for m in plan.methods if isinstance(m, Pipeline)],
        build_decoding(plan.config["decoding"], plan.task),
        seed=plan.config["seed"],
        rows=rows,
        report=report,
        dress=plan.dress,
        **more,
    )

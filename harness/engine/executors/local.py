"""A run in this process (`executor=local`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Sequence

from harness.core.types import Sample
from harness.engine import memory
from harness.engine.executors.executor import Order
from harness.engine.play import scheduler
from harness.engine.prepare import Prepared, prepared


class Local:
    """One scheduler over the plan's own model."""

    def __init__(self, order: Order):
        self._order = order
        looks = {"window": order.window, "enough": order.enough, "hopeless": order.hopeless}
        self._scheduler = scheduler(
            order.plan, order.rows, order.report, stop=order.stop, debug=order.plan.config.get("debug", False), **looks
        )
        self.counts = self._scheduler.counts
        self._before: Counter[str] | None = None

    def start(self) -> Prepared:
        made = prepared(self._order.plan, self._order.say)
        self._before = Counter(self._order.plan.model.work())
        return made

    def run(self, samples: Sequence[Sample], finished: Container[str] = frozenset()) -> None:
        self._scheduler.run(samples, finished)

    def work(self) -> Counter[str]:
        if self._before is None:  # it did not start: what the model counted is of other runs
            return Counter()
        return Counter(self._order.plan.model.work()) - self._before

    def peak(self) -> int | None:
        return memory.peak()

    def close(self) -> None:
        return

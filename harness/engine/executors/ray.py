"""A run over Ray actors (`executor=ray`): each holds a replica of the model and plays shards that the driver planned.

Shards are runs of whole clusters, planned over all samples of the run, finished ones included: what shares a prefix
stays together, and a resumed run has the same shards. The driver alone writes the journal, a shard at a time. A shard
whose actor died is played again by a new one; nothing of it was written, so nothing is doubled.
"""

from __future__ import annotations

import logging
import os
import sys
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from harness.core.errors import HarnessError, Missing, UsageError
from harness.core.types import Result, Sample
from harness.engine import memory
from harness.engine.executors.executor import Order
from harness.engine.plan import compose
from harness.engine.play import scheduler
from harness.engine.prepare import Prepared, prepared
from harness.engine.schedule import Counts, Interrupted, windows

DEATHS = 3
"""Actors that one shard may cost before the run ends with an error: the shard itself is what kills them."""


class Worker:
    """Lives in an actor: one composed run with its model loaded."""

    def __init__(self, config: dict[str, Any], folder: str, paths: list[str], rows: int | None):
        os.chdir(folder)
        sys.path[:] = [*paths, *(p for p in sys.path if p not in paths)]
        self.rows = rows
        self.plan = compose(config)
        self.samples = {s.id: s for s in self.plan.task.samples()}

    def load(self) -> Prepared:
        """Get the model ready."""
        return prepared(self.plan, lambda _: None)

    def play(self, ids: list[str]) -> dict[str, Any]:
        """One shard: its results in order, and what they cost."""
        plan, results = self.plan, list[Result]()
        before = Counter(plan.model.work())
        player = scheduler(plan, self.rows, results.extend)
        player.run([self.samples[i] for i in ids])
        work = Counter(plan.model.work())
        work.subtract(before)
        return {"results": results, "counts": player.counts, "work": dict(work), "peak": memory.peak() or 0}

    def close(self) -> None:
        self.plan.task.close()
        self.plan.model.close()


class Sharded:
    """The driver's side. Raises Missing where Ray is not installed, UsageError for settings that do not go together."""

    def __init__(self, order: Order):
        config, self.rows, self.report = order.plan.config, order.rows, order.report
        self.config, self.stop, self.say = config, order.stop, order.say
        settings = config["executor"]
        self.workers, self.shard = settings["workers"], settings["shard"]
        if not isinstance(self.workers, int) or not isinstance(self.shard, int) or min(self.workers, self.shard) < 1:
            raise UsageError("executor.workers and executor.shard are whole numbers from 1")
        if config["stop_early"]:
            raise UsageError("stop_early looks at results in one order: leave it out, or use executor=local")
        try:
            ray: Any = import_module("ray")
        except ImportError as e:
            raise Missing("executor=ray needs Ray: pip install 'harness[ray]', or leave executor= out") from e
        self.counts, self._work, self._peak = Counts(), Counter[str](), 0
        self._ray = ray
        if not ray.is_initialized():
            ray.init(
                address=settings["address"], include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR
            )
        resources = {"num_cpus": settings["cpus"], "num_gpus": settings["gpus"], "max_restarts": 0}
        self._actor = ray.remote(Worker).options(**resources)

    def start(self) -> Prepared:
        """Load the first replica, which makes what is to be calibrated; then the others. Returns its facts."""
        self._actors = [self._new()]
        facts = self._result(self._actors[0].load.remote())
        self._actors += [self._new() for _ in range(self.workers - 1)]
        for actor in self._actors[1:]:
            actor.load.remote()
        return facts

    def run(self, samples: Sequence[Sample], finished: Iterable[str] = ()) -> None:
        """Play all samples whose ids are not in `finished`. Raises Interrupted when asked to stop."""
        done = set(finished)
        planned = [[s.id for s in shard if s.id not in done] for shard in windows(samples, self.shard)]
        todo = deque((number, ids) for number, ids in enumerate(planned) if ids)
        deaths: Counter[int] = Counter()
        idle, playing = list(self._actors), {}
        while todo or playing:
            while idle and todo and not self.stop():
                actor = idle.pop()
                shard = todo.popleft()
                playing[actor.play.remote(shard[1])] = (actor, shard)
            if self.stop() and not playing:
                raise Interrupted
            ready, _ = self._ray.wait(list(playing), num_returns=1, timeout=1.0)
            for reference in ready:
                actor, shard = playing.pop(reference)
                try:
                    played = self._result(reference)
                except self._ray.exceptions.RayActorError:
                    deaths[shard[0]] += 1
                    if deaths[shard[0]] >= DEATHS:
                        raise HarnessError(
                            f"{DEATHS} workers died on the samples {shard[1][0]} ... {shard[1][-1]}: see Ray's logs; "
                            "what is finished is kept, and the same command resumes"
                        ) from None
                    self.say("a worker died; a new one repeats its shard")
                    todo.appendleft(shard)
                    actor = self._new()
                    actor.load.remote()
                    idle.append(actor)
                    continue
                idle.append(actor)
                self._keep(played)

    def work(self) -> Counter[str]:
        return self._work

    def peak(self) -> int:
        return self._peak

    def _keep(self, played: dict[str, Any]) -> None:
        self.report(played["results"])
        counts: Counts = played["counts"]
        for name in vars(counts):
            setattr(self.counts, name, getattr(self.counts, name) + getattr(counts, name))
        self._work.update(played["work"])
        self._peak = max(self._peak, played["peak"])

    def _new(self) -> Any:
        return self._actor.remote(self.config, str(Path.cwd()), sys.path, self.rows)

    def _result(self, reference: Any) -> Any:
        """The result of a remote call; an error of ours that was raised there is raised here as it was."""
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as e:
            raise (e.cause if isinstance(e.cause, HarnessError) else e) from None

    def close(self) -> None:
        """End the replicas."""
        for actor in getattr(self, "_actors", []):
            actor.close.remote()
            actor.__ray_terminate__.remote()

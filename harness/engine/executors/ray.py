"""A run over Ray actors (`executor=ray`): each holds a replica of the model and plays shards that the driver planned.

Shards are runs of whole clusters, planned over all samples of the run, finished ones included: what shares a prefix
stays together, and a resumed run has the same shards. The driver alone writes the journal, a shard at a time. A shard
whose actor died is played again by a new one; nothing of it was written, so nothing is doubled. The driver waits for
nothing without asking, each second, whether Ray is still there.
"""

from __future__ import annotations

import logging
import os
import queue
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from harness.core.errors import HarnessError, Missing, UsageError, first_line
from harness.core.types import Result, Sample
from harness.engine import memory
from harness.engine.executors import leftovers
from harness.engine.executors.executor import Order
from harness.engine.plan import compose
from harness.engine.play import scheduler
from harness.engine.prepare import Prepared, prepared
from harness.engine.schedule import Counts, Interrupted, windows

DEATHS = 3
"""Actors that one shard may cost before the run ends with an error: the shard itself is what kills them."""
HEAD = 20.0
"""Seconds that Ray's head may take to say which of its nodes are alive."""
KEPT = "what is finished is kept, and the same command resumes"


class Worker:
    """Lives in an actor: one composed run with its model loaded."""

    def __init__(self, config: dict[str, Any], folder: str, paths: list[str], rows: int | None):
        os.chdir(folder)
        sys.path[:] = [*paths, *(p for p in sys.path if p not in paths)]
        self.config, self.rows = config, rows

    def start(self) -> None:
        """Answered as soon as the actor has a process."""

    def load(self) -> Prepared:
        """Get the model ready."""
        self.plan = compose(self.config)
        self.samples = {s.id: s for s in self.plan.task.samples()}
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
        if hasattr(self, "plan"):
            self.plan.task.close()
            self.plan.model.close()


Shard = tuple[int, list[str]]
"""Its number, and the ids of its samples that are not finished."""


@dataclass(frozen=True, eq=False)
class Doing:
    """What an actor was asked for last: to have a process, to load its replica, or to play a shard."""

    what: Literal["start", "load", "play"]
    actor: Any
    shard: Shard | None = None
    since: float = field(default_factory=time.monotonic)


class Sharded:
    """The driver's side. Raises Missing where Ray is not installed, UsageError for settings that do not go together."""

    def __init__(self, order: Order):
        config, self.rows, self.report = order.plan.config, order.rows, order.report
        self.config, self.stop, self.say, self.hopeless = config, order.stop, order.say, order.hopeless
        settings = config["executor"]
        self.workers, self.shard, self.patience = settings["workers"], settings["shard"], settings["patience"]
        numbers = (self.workers, self.shard, self.patience)
        if not all(isinstance(n, int) and n >= 1 for n in numbers):
            raise UsageError("executor.workers, executor.shard and executor.patience are whole numbers from 1")
        if config["stop_early"]:
            raise UsageError("stop_early looks at results in one order: leave it out, or use executor=local")
        try:
            ray: Any = import_module("ray")
        except ImportError as e:
            raise Missing("executor=ray needs Ray: pip install 'harness[ray]', or leave executor= out") from e
        self.counts, self._work, self._peak = Counts(), Counter[str](), 0
        self._ray = ray
        if not ray.is_initialized():
            if settings["address"] is None:
                leftovers.watch()
            how = {"include_dashboard": False, "log_to_driver": False, "logging_level": logging.ERROR}
            try:
                ray.init(address=settings["address"], **how)
            except Exception as e:  # Ray raises plain Exceptions, too
                where = f"at executor.address={settings['address']}" if settings["address"] else "here"
                raise Missing(f"Ray cannot be started or reached {where}: {first_line(e, 160)}") from e
        resources = {"num_cpus": settings["cpus"], "num_gpus": settings["gpus"], "max_restarts": 0}
        self._needs = f"executor.cpus={settings['cpus']} and executor.gpus={settings['gpus']}"
        self._actor = ray.remote(Worker).options(**resources)
        self._doing: dict[Any, Doing] = {}
        self._idle: list[Any] = []
        self._actors: list[Any] = []
        self._deaths: Counter[int | None] = Counter()
        self._lost = False

    def start(self) -> Prepared:
        """Load the first replica, which makes what is to be calibrated; then the others. Returns its facts."""
        self._launch()
        facts: Prepared | None = None
        while facts is None:
            if self.stop():
                raise Interrupted
            for doing, found in self._finished():
                facts = found if doing.what == "load" else None
        for _ in range(self.workers - 1):
            self._launch()
        return facts

    def run(self, samples: Sequence[Sample], finished: Container[str] = frozenset()) -> None:
        """Play all samples whose ids are not in `finished`. Raises Interrupted when asked to stop."""
        done = frozenset(finished) if isinstance(finished, Iterable) else finished
        planned = [[s.id for s in shard if s.id not in done] for shard in windows(samples, self.shard)]
        todo = deque((number, ids) for number, ids in enumerate(planned) if ids)
        while todo or self._playing():
            while self._idle and todo and not self.stop():
                self._ask("play", self._idle.pop(), todo.popleft())
            if self.stop() and not self._playing():
                raise Interrupted
            for doing, found in self._finished():
                if doing.shard and found is None:
                    todo.appendleft(doing.shard)
                elif doing.shard:
                    self._keep(found)
                    if self.hopeless():
                        todo.clear()

    def work(self) -> Counter[str]:
        return self._work

    def peak(self) -> int:
        return self._peak

    def _playing(self) -> bool:
        return any(d.shard for d in self._doing.values())

    def _finished(self) -> Iterator[tuple[Doing, Any]]:
        """What ended within a second, with its result; None where the actor died, which a new one replaces."""
        ready, _ = self._ray.wait(list(self._doing), num_returns=1, timeout=1.0)
        for reference in ready:
            doing = self._doing.pop(reference)
            try:
                found = self._result(reference)
            except self._ray.exceptions.RayActorError:
                self._replace(doing)
                found = None
            else:
                if doing.what == "start":
                    self._ask("load", doing.actor)
                else:
                    self._idle.append(doing.actor)
            yield doing, found
        if not ready:
            self._check()

    def _replace(self, doing: Doing) -> None:
        """A new actor for one that died. Raises HarnessError where they die of the same thing again and again."""
        self._check()
        number, ids = doing.shard or (None, ["start"])
        self._deaths[number] += 1
        if self._deaths[number] >= DEATHS:
            where = f"on the samples {ids[0]} ... {ids[-1]}" if doing.shard else "before they had loaded the model"
            raise HarnessError(f"{DEATHS} workers died {where}: see Ray's logs; {KEPT}")
        self.say("a worker died; a new one repeats its shard" if doing.shard else "a worker died; a new one starts")
        self._actors.remove(doing.actor)
        self._launch()

    def _check(self) -> None:
        """Raises HarnessError where nothing can come any more: no node is alive, or no worker starts."""
        nodes = self._nodes()
        if nodes is None:
            raise HarnessError(f"Ray's head (gcs_server) has not answered for {HEAD:g} seconds; {KEPT}")
        if not any(node["Alive"] for node in nodes):
            self._lost = True
            raise HarnessError(f"Ray's last node is dead (its raylet or an agent of it ended); {KEPT}")
        starts = [d.since for d in self._doing.values() if d.what == "start"]
        if starts and len(starts) == len(self._doing) and time.monotonic() - max(starts) > self.patience:
            raise HarnessError(
                f"no worker has started for {self.patience} seconds (executor.patience): Ray has no room for "
                f"{self._needs}, or cannot start processes (see its logs); {KEPT}"
            )

    def _nodes(self) -> list[dict[str, Any]] | None:
        """Ray's nodes; None where its head does not answer. Ray itself would wait for a minute, and end our process."""
        answers: queue.SimpleQueue[list[dict[str, Any]]] = queue.SimpleQueue()
        threading.Thread(target=lambda: answers.put(self._ray.nodes()), daemon=True).start()
        try:
            return answers.get(timeout=HEAD)
        except queue.Empty:
            return None

    def _keep(self, played: dict[str, Any]) -> None:
        self.report(played["results"])
        counts: Counts = played["counts"]
        for name in vars(counts):
            setattr(self.counts, name, getattr(self.counts, name) + getattr(counts, name))
        self._work.update(played["work"])
        self._peak = max(self._peak, played["peak"])

    def _launch(self) -> None:
        actor = self._actor.remote(self.config, str(Path.cwd()), sys.path, self.rows)
        self._actors.append(actor)
        self._ask("start", actor)

    def _ask(self, what: Literal["start", "load", "play"], actor: Any, shard: Shard | None = None) -> None:
        words = [shard[1]] if shard else []
        self._doing[getattr(actor, what).remote(*words)] = Doing(what, actor, shard)

    def _result(self, reference: Any) -> Any:
        """The result of a remote call; an error of ours that was raised there is raised here as it was."""
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as e:
            raise (e.cause if isinstance(e.cause, HarnessError) else e) from None

    def close(self) -> None:
        """End the replicas; all of Ray where it is gone, so that a next run starts it again."""
        if self._lost:
            self._ray.shutdown()
            return
        for actor in self._actors:
            actor.close.remote()
            actor.__ray_terminate__.remote()

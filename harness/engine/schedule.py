"""The scheduler: plays many episodes at once, so that the model sees planned batches.

Episodes are generators. The scheduler starts a window of them, collects what they ask, lets the model plan batches
over all pending requests in a fixed order, and advances the episodes whose replies have come. A model that has room
takes what they ask next while it answers the others. Batches are planned, not raced: the same run gives the same
numbers. A task may limit how many episodes live at once: then new ones start as old ones end, and those that wait on
something of their own are stepped side by side in threads. A window ends where a cluster ends, and is counted over all
samples of the run, finished ones included, so that a resumed run plans the batches that the first one would have.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Container, Generator, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from harness.core.decoding import Decoding
from harness.core.dress import NOTHING, Dress
from harness.core.errors import FATAL, UsageError
from harness.core.method import Pipeline
from harness.core.model import Call, Model
from harness.core.task import Task
from harness.core.types import Outcome, Reply, Request, Result, Sample
from harness.engine.episode import Episode, Transcript, fault

WINDOW = 4096
"""Samples alive at once. Requests wait for each other only inside a window."""
FRESH = 256
"""Episodes that are started before a look at whether all of them fail."""
HELD = 0.25
"""Seconds for which finished results may wait for others of their batch before they are reported."""


class Interrupted(Exception):
    """The run was asked to stop; everything finished is in the journal."""


@dataclass
class Counts:
    """What the run has done: samples finished, error rows among them, requests made, requests really asked."""

    done: int = 0
    errors: int = 0
    requests: int = 0
    asked: int = 0


class Scheduler:
    """Plays samples with one model. `report` receives each batch's finished results, in order, to journal them."""

    def __init__(
        self,
        task: Task,
        model: Model,
        pipelines: Sequence[Pipeline],
        decoding: Decoding,
        *,
        seed: int,
        rows: int | None,
        report: Callable[[list[Result]], None],
        stop: Callable[[], bool] = lambda: False,
        window: int = WINDOW,
        enough: Callable[[], bool] = lambda: False,
        hopeless: Callable[[], bool] = lambda: False,
        debug: bool = False,
        dress: Dress = NOTHING,
    ):
        self.task, self.model, self.pipelines, self.decoding = task, model, tuple(pipelines), decoding
        self.seed, self.rows, self.report, self.stop, self.window = seed, rows, report, stop, window
        self.enough = enough
        """Asked after each window: nothing more is played once it is true."""
        self.hopeless = hopeless
        """Asked after each batch, likewise."""
        self.debug = debug
        self.dress = NOTHING if model.reads_samples else dress
        self.counts = Counts()

    def run(self, samples: Iterable[Sample], finished: Container[str] = frozenset()) -> None:
        """Play all samples whose ids are not in `finished`. Raises Interrupted when asked to stop."""
        done = frozenset(finished) if isinstance(finished, Iterable) else finished
        for window in windows(samples, self.window):
            self._play([s for s in window if s.id not in done])
            if self.enough() or self.hopeless():
                return

    def _play(self, samples: Sequence[Sample]) -> None:
        todo = deque(samples)
        asking: list[Episode] = []
        while todo or asking:
            room = len(todo) if self.task.live is None else self.task.live - len(asking)
            fresh = [self._episode(s) for s in islice(_drained(todo), max(0, room))]
            for start in range(0, len(fresh), FRESH):
                more, ended = self._step([(episode, None) for episode in fresh[start : start + FRESH]])
                self._report(ended)
                asking += more
                if not asking and self.hopeless():
                    return
            waiting: dict[str, list[Episode]] = {}
            batches = iter(self.model.plan(self._calls(asking, waiting), self.rows))
            asking = []
            for batch in batches:
                self._settled(batch, waiting, asking, batches)
                if self.stop():
                    raise Interrupted
                if self.hopeless():
                    return

    def _calls(self, asking: Sequence[Episode], waiting: dict[str, list[Episode]]) -> list[Call]:
        """One call for equal requests, none for those that somebody is `waiting` for already."""
        calls = []
        for episode in asking:
            request, sample = episode.request, episode.sample
            assert request is not None
            if (key := self._key(request, sample)) not in waiting:
                calls.append(Call(request, sample, self._seed(key), len(episode.prompts) > 1))
            waiting.setdefault(key, []).append(episode)
        self.counts.requests += len(asking)
        return calls

    def _settled(
        self,
        batch: list[Call],
        waiting: dict[str, list[Episode]],
        asking: list[Episode],
        batches: Iterator[list[Call]],
    ) -> None:
        """Answer a planned batch; `asking` gets the episodes that ask on, unless the model answers them, too. Parts of
        a batch that was narrowed down to its faults are reported together, because each report is a flush to the disk,
        unless they take long."""

        def further() -> list[Call]:
            if self.task.waits or self.task.live is not None:  # turns go side by side, and new episodes start between
                return []
            if self.hopeless():
                return []
            if not asking:
                return next(batches, [])
            some, asking[:] = list(asking), []
            return self._calls(some, waiting)

        held: list[Result] = []
        since = time.monotonic()
        try:
            for part, answers in self._answer(batch, further):
                pairs = [
                    (episode, answer)
                    for call, answer in zip(part, answers, strict=True)
                    for episode in waiting.pop(self._key(call.request, call.sample))
                ]
                more, ended = self._step(pairs)
                asking += more
                held += ended
                if self.stop():
                    raise Interrupted
                if time.monotonic() - since > HELD:
                    self._report(held)
                    held, since = [], time.monotonic()
        finally:
            self._report(held)

    def first(self, sample: Sample) -> Request | Result:
        """What the model would be asked first for a sample; its result where it asks nothing."""
        episode = self._episode(sample)
        ended = episode.advance(None)
        episode.play.close()
        if ended is not None:
            return ended
        assert episode.request
        return episode.request

    def _episode(self, sample: Sample) -> Episode:
        """The task's episode, each of its requests passed through the pipelines, the first one outermost."""
        transcript, pipelines = Transcript(), list[Pipeline]()

        def play() -> Generator[Request, Reply, Outcome]:
            for pipeline in self.pipelines:
                if not isinstance(begun := pipeline.begin(sample), Pipeline):
                    raise UsageError(f"method={pipeline.name}: `begin` must return a pipeline, such as itself")
                pipelines.append(begun)
            return (yield from _drive(self.task.episode(sample), ask))

        def ask(request: Request) -> Generator[Request, Reply, Reply]:
            transcript.asked.append(request.key)
            if self.decoding.strategy == "choices":
                request = replace(request, choices=tuple(self.task.choices(sample)))
            try:
                reply = yield from self._respond(request, pipelines)
            except Exception as e:
                transcript.told.append({k: v for k, v in fault(e).items() if k != "traceback"})
                raise
            for name, value in reply.measures.items() if self.pipelines else ():
                transcript.measures.setdefault(name, []).append(value)
            transcript.steps += reply.steps
            plain = {"latency": 0.0, "attention": None, "measures": {}, "steps": (), "readings": {}}
            transcript.told.append(replace(transcript.given(reply), **plain))
            return reply

        return Episode(sample, play(), transcript, self.model.reasoning, self.debug)

    def _respond(self, request: Request, pipelines: Sequence[Pipeline]) -> Generator[Request, Reply, Reply]:
        if not pipelines:
            return (yield self.dress(request))
        if request.continuations:
            raise UsageError(
                f"method={pipelines[0].name} asks questions of its own and cannot weigh given continuations: choose a "
                "steering method, or a task that generates"
            )
        name, play = pipelines[0].name, pipelines[0].respond(request)
        if not isinstance(play, Generator):
            raise UsageError(f"method={name}: `respond` must be a generator: ask by `reply = yield request`")
        reply = yield from _drive(play, lambda inner: self._respond(inner, pipelines[1:]))
        if not isinstance(reply, Reply):
            raise UsageError(f"method={name}: `respond` returned an object of type {type(reply).__name__}, not a Reply")
        return reply

    def _step(self, pairs: Sequence[tuple[Episode, Reply | Exception | None]]) -> tuple[list[Episode], list[Result]]:
        """Advance episodes: those that ask, and the results of those that ended, both in the order given."""
        if self.task.waits and len(pairs) > 1:
            with ThreadPoolExecutor(len(pairs)) as threads:
                ended = list(threads.map(lambda pair: pair[0].advance(pair[1]), pairs))
        else:
            ended = [episode.advance(answer) for episode, answer in pairs]
        asking = [episode for (episode, _), result in zip(pairs, ended, strict=True) if result is None]
        return asking, [result for result in ended if result is not None]

    def _key(self, request: Request, sample: Sample) -> str:
        key = "\n".join([request.key, *request.choices])
        return f"{sample.id}\n{key}" if self.model.reads_samples else key

    def _seed(self, key: str) -> int:
        return int.from_bytes(hashlib.sha256(f"{self.seed}\n{key}".encode()).digest()[:6], "big")

    def _report(self, results: list[Result]) -> None:
        if results:
            self.counts.done += len(results)
            self.counts.errors += sum(r.error is not None for r in results)
            self.report(results)

    def _answer(
        self, batch: list[Call], further: Callable[[], list[Call]]
    ) -> Iterator[tuple[list[Call], list[Reply | Exception]]]:
        """The answers to a batch and what the model takes of `further`, as they come. Out of memory halves it, for this
        and all later batches; a fault is narrowed down by halves to the call that causes it, and costs that call
        alone."""
        bad: dict[int, tuple[Call, Exception]] = {}

        def prepared(calls: Sequence[Call]) -> list[Call]:
            for call in calls:
                try:
                    self.model.prepare(call)
                except FATAL:
                    raise
                except Exception as e:
                    bad[id(call)] = call, e
            return [call for call in calls if id(call) not in bad]

        def faulty() -> Iterator[tuple[list[Call], list[Reply | Exception]]]:
            if bad:
                faults = list(bad.values())
                bad.clear()
                yield [call for call, _ in faults], [error for _, error in faults]

        def joined() -> list[Call]:
            some = prepared(further())
            good.extend(some)
            return some

        good = prepared(batch)
        yield from faulty()
        if not good:
            return
        answered: set[int] = set()
        try:
            for part, replies in self.model.answers(list(good), self.decoding, self.rows, joined):
                answered |= {id(call) for call in part}
                self.counts.asked += len(part)
                yield list(part), [*replies]
                yield from faulty()
            yield from faulty()
        except FATAL:
            raise
        except Exception as e:
            yield from faulty()
            left = [call for call in good if id(call) not in answered]
            if len(left) == 1:
                self.counts.asked += 1
                yield left, [e]
                return
            half = len(left) // 2
            if isinstance(e, MemoryError):
                self.rows = max(1, min(len(left), self.rows or len(left)) // 2)
            yield from self._answer(left[:half], further)
            yield from self._answer(left[half:], further)


def _drive(
    play: Generator[Request, Reply, Any], ask: Callable[[Request], Generator[Request, Reply, Reply]]
) -> Generator[Request, Reply, Any]:
    """Run `play` to its end; whatever it asks goes through `ask`, and a failed answer is thrown into it."""
    reply, error = None, None
    while True:
        try:
            request = play.throw(error) if error else next(play) if reply is None else play.send(reply)
        except StopIteration as end:
            return end.value
        try:
            reply, error = (yield from ask(request)), None
        except Exception as e:
            error = e


def _drained(todo: deque[Sample]) -> Iterator[Sample]:
    """Takes samples off the front, one when one is wanted."""
    while todo:
        yield todo.popleft()


def windows(samples: Iterable[Sample], size: int) -> Iterator[list[Sample]]:
    """Parts of about `size` samples that never split a cluster's run of neighbours."""
    part: list[Sample] = []
    for sample in samples:
        if len(part) >= size and sample.cluster != part[-1].cluster:
            yield part
            part = []
        part.append(sample)
    if part:
        yield part

"""A run's answers graded by a judge, after they are journaled.

The judge's questions are played as a task's are: batches, faults, memory and Ctrl-C are treated alike.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.core.decoding import Decoding
from harness.core.errors import Unusable
from harness.core.score import Score, text
from harness.core.task import Task
from harness.core.types import Metric, Outcome, Reply, Request, Result, Sample
from harness.engine.conclusion import Conclusion
from harness.engine.schedule import Scheduler
from harness.judge import Judge
from harness.judge.remembered import Remembered
from harness.judge.report import agreeing, facts, metrics
from harness.judge.rows import bare, marked
from harness.judge.verdict import read
from harness.runs.record import RunRecord


@dataclass(frozen=True)
class Judged:
    """Results with the judge's scores, and what the record says about the judging."""

    judge: Judge
    results: list[Result]
    facts: dict[str, Any]

    def added(self, found: Conclusion, record: RunRecord, task: Task) -> tuple[Conclusion, RunRecord]:
        """The run's conclusion with the judge's metrics, and its record with what is known of the judge."""
        more = metrics(self.judge, self.results, found.metrics)
        own = Score(self.judge.score, primary=any(m.primary for m in more))
        same = agreeing(self.judge, task.scores, self.results, found.metrics)
        known = self.facts | ({"agreement": same} if same else {})
        scores = (*task.scores, own) if more else tuple(task.scores)
        return replace(found, metrics=[*found.metrics, *more]), replace(record, judge=known, scores=scores)


class Grading(Task):
    """One sample an answer: what the judge is asked about it, and what it said."""

    name = "judge"

    def __init__(self, judge: Judge, task: Task, pairs: Sequence[tuple[Sample, Result]]):
        self.judge, self.task, self.pairs = judge, task, pairs

    def fingerprint(self) -> str:
        return self.judge.template.digest

    def samples(self) -> Iterable[Sample]:
        for sample, row in self.pairs:
            yield replace(sample, data={"sample": sample, "answer": row.outcome.answer if row.outcome else ""})

    def episode(self, sample: Sample) -> Generator[Request, Reply, Outcome]:
        asked = first_request(self.task, sample.data["sample"])
        values = {"question": question(asked), "answer": sample.data["answer"]}
        values["reference"] = reference(self.judge, sample)
        reply = yield self.judge.request(values, asked.pictures)
        said = read(reply.text, self.judge.template.verdicts)
        given = {} if said.value is None else {self.judge.score: said.value}
        return Outcome(reply.text, given, said.word, {"reason": said.reason})

    def aggregate(self, results: Sequence[Result]) -> list[Metric]:
        return []


def reference(judge: Judge, sample: Sample) -> str:
    """The sample's target as the judge reads it, several accepted answers one a line. Raises Unusable where the prompt
    needs one and there is none."""
    target = sample.target
    if "reference" in judge.template.fields and (target is None or target in ("", [], (), {})):
        raise Unusable("the sample has no reference answer: take a prompt without {reference}")
    if isinstance(target, list | tuple) and all(isinstance(t, str | int | float) for t in target):
        return "\n".join(dict.fromkeys(map(str, target)))
    return text(target) or ""


def question(request: Request) -> str:
    """The text of a request, without its pictures and its system message; turns are told apart where it has several."""
    turns = [(m.role, " ".join(p for p in m.content if isinstance(p, str)).strip()) for m in request.messages]
    said = [(role, words) for role, words in turns if words and role != "system"]
    return said[0][1] if len(said) == 1 else "\n\n".join(f"{role}: {words}" for role, words in said)


def first_request(task: Task, sample: Sample) -> Request:
    """What an episode asks first. Raises what the episode raises, Unusable where it asks nothing."""
    play = task.episode(sample)
    try:
        return next(play)
    except StopIteration:
        raise Unusable("nothing was asked about this sample") from None
    finally:
        play.close()


def graded(
    judge: Judge,
    task: Task,
    samples: Sequence[Sample],
    results: Sequence[Result],
    model: Mapping[str, Any],
    folder: Path,
    **how: Any,
) -> Judged:
    """The results with the judge's scores; error rows stay as they are.

    Args:
        model: Settings of the model that answered.
        folder: The results folder; replies are kept in its judgments/.
        how: `say`, `stop`, `ask` of `played`.
    """
    by = {s.id: s for s in samples}
    pairs = [(by[r.id], r) for r in results if r.outcome and r.id in by]
    said, work = played(judge, Grading(judge, task, pairs), folder, **how)
    rows = [marked(r, said[r.id], judge) if r.id in said else r for r in map(bare, results)]
    return Judged(judge, rows, facts(judge, list(said.values()), work, [model]))


def played(
    judge: Judge,
    task: Task,
    folder: Path,
    *,
    say: Callable[[str], None] = lambda _: None,
    stop: Callable[[], bool] = lambda: False,
    ask: bool = True,
) -> tuple[dict[str, Result], dict[str, int]]:
    """The result of every sample of a task that asks the judge, by id, and counts: `asked`, `recalled`, its work.

    `ask` False: only replies that are kept count, the rest fail. Raises Interrupted when asked to stop; every reply
    that came is kept.
    """
    model = Remembered(judge.model, judge.replies(folder), say, ask=ask)
    found: dict[str, Result] = {}
    samples = list(task.samples())

    def report(batch: list[Result]) -> None:
        found.update((r.id, r) for r in batch)

    say(f"judging {len(samples)} answers with {judge.model.name}")
    try:
        Scheduler(task, model, (), Decoding(), seed=0, rows=None, report=report, stop=stop).run(samples)
        return found, {"asked": model.asked, "recalled": model.recalled, **model.work()}
    finally:
        model.close()

"""One sample on its way: the task's generator, what it was told, and the row that it ends in."""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from harness.core.errors import FATAL, Unusable, first_line
from harness.core.reasoning import answered
from harness.core.score import checked, number
from harness.core.secrets import redacted
from harness.core.types import Outcome, Reply, Request, Result, Sample, Step
from harness.plugins.raised import place

if TYPE_CHECKING:
    from harness.core.readings import Reading


class FirstError(Exception):
    """With `debug=true`: a sample failed. Its cause is what was raised."""


@dataclass(eq=False)
class Transcript:
    """What the task's episode asked and was told, before any pipeline."""

    asked: list[str] = field(default_factory=list)
    told: list[Reply | Mapping[str, str]] = field(default_factory=list)
    thought: list[tuple[Reply, Reply]] = field(default_factory=list)
    """Replies without their thinking, and as the model gave them."""
    steps: list[Step] = field(default_factory=list)
    """What pipelines did."""
    measures: dict[str, list[float]] = field(default_factory=dict)
    """What pipelines measured."""

    def given(self, reply: Reply) -> Reply:
        """The reply as the model gave it; one that a pipeline made is what it is."""
        return next((raw for plain, raw in self.thought if plain is reply), reply)


@dataclass(eq=False)
class Episode:
    """One sample on its way: its generator, and what it has cost so far."""

    sample: Sample
    play: Generator[Request, Reply, Outcome]
    transcript: Transcript = field(default_factory=Transcript)
    reasoning: str = "strip"
    debug: bool = False
    """Raise FirstError instead of an error row."""
    request: Request | None = None
    prompts: list[str] = field(default_factory=list)
    prompt_tokens: int = 0
    new_tokens: int = 0
    thinking_tokens: int = 0
    latency: float = 0.0
    finish: str = ""
    measures: dict[str, list[float]] = field(default_factory=dict)
    readings: Mapping[str, Reading] = field(default_factory=dict)
    """What probes read at the last call that they saw."""

    def advance(self, answer: Reply | Exception | None) -> Result | None:
        """Hand over a reply (or throw its error in); returns the result once the episode has ended."""
        try:
            if isinstance(answer, Exception):
                self.request = self.play.throw(answer)
            elif answer is None:
                self.request = next(self.play)
            else:
                self.prompt_tokens += answer.prompt_tokens
                self.new_tokens += answer.new_tokens
                self.thinking_tokens += answer.thinking_tokens
                self.latency += answer.latency
                self.finish = answer.finish
                for name, value in answer.measures.items():
                    self.measures.setdefault(name, []).append(value)
                self.readings = answer.readings or self.readings
                self.request = self.play.send(self._answered(answer))
            self.prompts.append(self.request.key)
        except StopIteration as end:
            return self._ended(end.value)
        except FATAL:
            raise
        except Exception as e:
            return self._result(None, e)
        return None

    def _answered(self, reply: Reply) -> Reply:
        """The reply without its thinking: every task and every pipeline reads it so."""
        text = answered(reply.text) if self.reasoning == "strip" else reply.text
        if text == reply.text:
            return reply
        plain = replace(reply, text=text)
        self.transcript.thought.append((plain, reply))
        return plain

    def _ended(self, value: Any) -> Result:
        """What the episode came to: an error row where its outcome cannot be stored or counted."""
        try:
            if not isinstance(value, Outcome):
                raise TypeError(f"episode returned {type(value).__name__}, not an Outcome")
            outcome = self._measured(checked(value))
        except Exception as e:
            return self._result(None, e)
        return self._result(outcome, None)

    def _measured(self, outcome: Outcome) -> Outcome:
        """The outcome with what methods measured among its scores, and with the steps of pipelines. Raises ValueError
        where the task has a score of that name."""
        self.measures = self.transcript.measures | self.measures  # a pipeline may hand on what the model's reply had
        if taken := sorted(self.measures.keys() & outcome.scores.keys()):
            raise ValueError(f"score {taken[0]} is the task's own, and a method measures one of that name")
        means = {name: number(name, sum(values) / len(values)) for name, values in self.measures.items()}
        steps = outcome.steps or tuple(self.transcript.steps)
        return replace(outcome, scores={**outcome.scores, **means}, steps=steps)

    def _result(self, outcome: Outcome | None, error: Exception | None) -> Result:
        sample = self.sample
        if error and self.debug:
            raise FirstError(f"sample {sample.id}: {type(error).__name__}: {first_line(error)}") from error
        return Result(
            sample.id,
            sample.cluster,
            sample.group,
            sample.target,
            outcome,
            fault(error) if error else None,
            prompt=together(self.prompts),
            prompt_tokens=self.prompt_tokens,
            new_tokens=self.new_tokens,
            latency=self.latency,
            finish=self.finish,
            calls=len(self.prompts),
            replies=self._replies(outcome),
            asked=together(asked) if (asked := self.transcript.asked) and asked != self.prompts else "",
            thinking_tokens=self.thinking_tokens,
            measures=tuple(self.measures) if outcome else (),
            readings=self.readings if outcome else {},
        )

    def _replies(self, outcome: Outcome | None) -> tuple[Reply | Mapping[str, str], ...] | None:
        told = tuple(self.transcript.told)
        plain = Reply(outcome.answer if outcome else "", self.prompt_tokens, self.new_tokens, 0.0, self.finish)  # type: ignore[arg-type]
        return None if not told or (outcome and told == (plain,)) else told


def together(keys: Sequence[str]) -> str:
    """One SHA-256 for the requests with these keys; "" for none."""
    return hashlib.sha256("".join(keys).encode()).hexdigest() if keys else ""


def fault(error: Exception) -> dict[str, str]:
    """An error as a row keeps it: its type, one line, and the end of its traceback, without secrets."""
    kind, said = "Unusable" if isinstance(error, Unusable) else type(error).__name__, first_line(error, 1000)
    where = place(error)
    return {
        "type": kind,
        "message": f"{said} ({where})" if where else said,
        "traceback": redacted("".join(traceback.format_exception(error)))[-8000:],
    }

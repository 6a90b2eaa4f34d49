"""What flows through a run: sample -> request -> reply -> outcome -> result -> metric."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from harness.core.drawing import Mark
from harness.core.errors import Unusable
from harness.core.picture import Picture
from harness.core.secrets import clean

if TYPE_CHECKING:
    from harness.core.readings import Reading
    from harness.core.series import Series


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a chat: text and pictures in the order in which the model shall read them."""

    role: Literal["system", "user", "assistant"]
    content: tuple[str | Picture, ...]


def user(*content: str | Picture) -> tuple[Message, ...]:
    """The messages of a single-turn prompt: `user(picture, "Is there a dog in the image?")`."""
    return (Message("user", content),)


@dataclass(frozen=True)
class Sample:
    """One record of a task. `cluster` names what samples share (POPE: the image), `group` the reporting split."""

    id: str
    cluster: str
    group: str
    target: Any
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Capture:
    """Asks for the attention to the picture beside the answer: of these layers (of 32 where the model has fewer)."""

    layers: tuple[int, ...]


@dataclass(frozen=True)
class Attention:
    """What the rows that chose the new tokens attended to: `weights` [steps, layers, h, w], mean over heads, on the
    grid of image tokens. `box` is the part of the picture that the grid covers, (x0, y0, x1, y1) in 0..1."""

    weights: Any
    box: tuple[float, float, float, float]


@dataclass(frozen=True)
class Request:
    """One call of a model.

    `max_new_tokens` counts tokens. `draw` tells apart several samples of one prompt (temperature > 0): equal
    requests are asked once in a run. `capture` asks for attention as well. `plain` gives the text to the model as it
    is, without a chat template. `continuations` asks for no new text but for the likelihood of each of these texts
    after the prompt: see `Reply.likelihoods`. `series` asks a model of the zoo for predictions in a series
    (`harness.core.series`); the messages then only tell people what is asked. `choices`, set by `decoding=choices`, are
    the answers among which one is picked; they are no part of `key`, so that such a run pairs with others.
    """

    messages: tuple[Message, ...]
    max_new_tokens: int
    stop: tuple[str, ...] = ()
    draw: int = 0
    capture: Capture | None = None
    plain: bool = False
    continuations: tuple[str, ...] = ()
    series: Series | None = None
    choices: tuple[str, ...] = ()

    @cached_property
    def pictures(self) -> tuple[Picture, ...]:
        """Those of all messages, in order."""
        return tuple(part for m in self.messages for part in m.content if isinstance(part, Picture))

    def changed(
        self,
        text: Callable[[str], str] | None = None,
        picture: Callable[[Picture], Picture] | None = None,
        system: str | None = None,
    ) -> Request:
        """The same request with other words in its last user message, with other pictures, or with another system
        message (one in front where it has none)."""
        last = max((i for i, m in enumerate(self.messages) if m.role == "user"), default=-1)
        messages = []
        for i, m in enumerate(self.messages):
            parts: list[str | Picture] = []
            for part in m.content:
                if isinstance(part, Picture):
                    parts.append(picture(part) if picture else part)
                else:
                    parts.append(text(part) if text and i == last else part)
            messages.append(replace(m, content=tuple(parts)))
        if system is not None:
            messages = [Message("system", (system,)), *(m for m in messages if m.role != "system")]
        return replace(self, messages=tuple(messages))

    @cached_property
    def key(self) -> str:
        """SHA-256 over everything in the request, the pixels' bytes included."""
        content = [
            [m.role, [["picture", p.digest] if isinstance(p, Picture) else ["text", p] for p in m.content]]
            for m in self.messages
        ]
        spec = json.dumps([content, self.max_new_tokens, self.stop, self.draw], ensure_ascii=False)
        if self.capture:
            spec += repr(self.capture)
        if self.plain or self.continuations:
            spec += json.dumps([self.plain, self.continuations], ensure_ascii=False)
        if self.series:
            spec += self.series.digest
        return hashlib.sha256(spec.encode("utf-8", "surrogatepass")).hexdigest()


class Likelihood(NamedTuple):
    """Log-probability of a continuation (natural, summed over its tokens), whether greedy decoding gives it, and its
    number of tokens."""

    logprob: float
    greedy: bool
    tokens: int = 1


Finish = Literal["stop", "length", "given", "tool_calls", "content_filter", "refusal"]
"""Why an answer ended: by itself, at the limit of tokens, read from a file, or as a chat server says."""


@dataclass(frozen=True)
class Step:
    """One step of an episode: what was seen, what was done, and what came of it.

    Args:
        action: What was done, in the words of the task.
        told: What came of it, where that is worth a word (why it failed).
        picture: What was seen before.
        marks: What to draw over it (where it was clicked).
        file: The picture's name in the folder `pictures` of the run, once it is stored.
    """

    action: str
    told: str = ""
    picture: Picture | None = field(default=None, repr=False)
    marks: Sequence[Mark] = ()
    file: str = ""

    def as_json(self) -> dict[str, Any]:
        """Without the picture itself, and without what is empty."""
        told, file = {"told": self.told} if self.told else {}, {"file": self.file} if self.file else {}
        marks = {"marks": [m.as_json() for m in self.marks]} if self.marks else {}
        return {"action": self.action, **told, **file, **marks}

    @staticmethod
    def of(row: Mapping[str, Any]) -> Step:
        """From its JSON. Raises KeyError, TypeError, ValueError."""
        marks = tuple(Mark.of(m) for m in row.get("marks") or ())
        return Step(str(row["action"]), str(row.get("told", "")), None, marks, str(row.get("file", "")))


@dataclass(frozen=True)
class Reply:
    """What a model answered. `latency` is seconds of the batch divided by its rows; `finish` tells why it ended."""

    text: str
    prompt_tokens: int = 0
    new_tokens: int = 0
    latency: float = 0.0
    finish: Finish = "stop"
    attention: Attention | None = field(default=None, repr=False, compare=False)
    """What `Request.capture` asked for. Never journaled."""
    thinking_tokens: int = field(default=0, compare=False)
    """New tokens that were thinking and not answer, where the model counts them. Journaled as a sum of the sample."""
    measures: Mapping[str, float] = field(default_factory=dict, compare=False)
    """What methods measured while it was made. Journaled as scores of the sample: their means over its replies."""
    steps: Sequence[Step] = field(default=(), repr=False, compare=False)
    """What a pipeline did on the way to it. Journaled with the outcome."""
    readings: Mapping[str, Reading] = field(default_factory=dict, repr=False, compare=False)
    """What probes read while it was made, as `probe.name`. Stored beside the journal: `harness.runs.readings`."""

    @cached_property
    def likelihoods(self) -> list[Likelihood]:
        """The answer to `Request.continuations`, in their order, read from the text. Raises Unusable."""
        try:
            return [
                Likelihood(float(value), bool(greedy), int(count)) for value, greedy, count in json.loads(self.text)
            ]
        except (ValueError, TypeError) as e:
            raise Unusable(f"this is not an answer to a question for likelihoods: {self.text[:80]!r}") from e

    @staticmethod
    def said(likelihoods: Sequence[Likelihood]) -> str:
        """The text of a reply that gives these likelihoods."""
        return json.dumps([list(x) for x in likelihoods])


@dataclass(frozen=True)
class Outcome:
    """What an episode ends with.

    `answer` is the raw text that was scored, `verdict` what the parser read in it (None: nothing), `scores` one
    number per score name, `details` anything JSON that a reader of samples wants to see.
    """

    answer: str
    scores: Mapping[str, float]
    verdict: str | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    steps: Sequence[Step] = field(default=(), repr=False, compare=False)
    """Of an episode that acts on something outside or of a pipeline, for readers; others are played again to see their
    steps."""


@dataclass(frozen=True)
class Result:
    """One line of a run's journal: a sample's outcome, or its error, with what it cost."""

    id: str
    cluster: str
    group: str
    target: Any
    outcome: Outcome | None
    error: Mapping[str, str] | None = None
    """{"type", "message", "traceback"} when the sample could not be scored; then `outcome` is None."""
    prompt: str = ""
    """SHA-256 of everything that the sample asked, for pairing runs."""
    prompt_tokens: int = 0
    new_tokens: int = 0
    latency: float = 0.0
    finish: str = ""
    calls: int = 0
    replies: tuple[Reply | Mapping[str, str], ...] | None = None
    """What the episode was told, in order, for rescoring it: replies, and the errors ({"type", "message"}) of failed
    calls. None where that is one reply with the outcome's answer as its text, or nothing."""
    asked: str = ""
    """SHA-256 of what the episode asked, where a pipeline asked the model something else (`prompt`)."""
    thinking_tokens: int = 0
    """How many of `new_tokens` were thinking, where the model counts them."""
    measures: tuple[str, ...] = ()
    """Names of those of the outcome's scores that methods measured: rescoring keeps them."""
    readings: Mapping[str, Reading] = field(default_factory=dict, repr=False, compare=False)
    """What probes read at its last call, until it is stored; no row of a journal has any."""

    def __post_init__(self) -> None:
        """Whoever made the row, its errors hold no secrets: what is stored, shown and published comes from here."""
        if self.error:
            object.__setattr__(self, "error", clean(self.error))
        if self.replies and not all(isinstance(r, Reply) for r in self.replies):
            replies = tuple(r if isinstance(r, Reply) else clean(r) for r in self.replies)
            object.__setattr__(self, "replies", replies)


@dataclass(frozen=True)
class Metric:
    """One number of a run with its uncertainty.

    `stderr`, `low`, `high` are None where no honest value exists (fewer than 10 clusters, see `note`).
    """

    name: str
    value: float
    group: str = "all"
    stderr: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    clusters: int = 0
    primary: bool = False
    higher_is_better: bool | None = True
    note: str = ""
    score: str = ""
    """The samples' score that this is the mean of, or `above/below`, a ratio of two scores' sums: what comparisons
    of runs are made by. `Task.metrics` fills it in for the primary metric of a task that declares its scores."""

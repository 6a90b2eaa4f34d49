"""What a sample's page shows beside the answer: the prompt as sent, pictures, marks, raw replies, steps.

Prompts and steps are not stored: the task's episode is played again with the replies that the journal holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import HarnessError
from harness.core.picture import Picture
from harness.core.reasoning import answered
from harness.core.task import Task
from harness.core.types import Outcome, Reply, Request, Result, Sample
from harness.engine.episode import together
from harness.leaderboard.board import Board
from harness.leaderboard.pictures import Pictures
from harness.plugins.build import build_task, class_of, target
from harness.records import shown
from harness.runs import pictures as stored

TEXTS = 4_000_000
"""Characters of all prompts of a board together, about: long ones are shown without their middle."""
SHORTEST, LONGEST = 2_000, 60_000
"""Characters that any prompt may have, and that none may exceed."""
REPLY = 8_000
"""Characters of a raw reply that are shown."""
TOLD = 400
"""Characters of what an episode says to a reply; more is left out."""


@dataclass
class Seen:
    """What one board's task tells a reader. Without a task it tells nothing."""

    task: Task | None = None
    pictures: Pictures | None = None
    samples: dict[str, Sample] = field(default_factory=dict)
    longest: int = LONGEST
    places: Sequence[str] = ()
    """`Task.places`."""
    _prompts: dict[str, tuple[list[Any], list[str], str]] = field(default_factory=dict, repr=False)

    def prompt(self, id_: str) -> list[Any]:
        """[role, parts] of each message of the first request; a part is text, or the number of a picture."""
        return self._asked(id_)[0]

    def files(self, id_: str) -> list[str]:
        """The addresses of the sample's pictures, in the order in which the prompt shows them."""
        return self._asked(id_)[1]

    def marks(self, id_: str, outcome: Outcome | None = None) -> list[dict[str, Any]]:
        sample = self.samples.get(id_)
        if self.task is None or sample is None:
            return []
        try:
            return [m.as_json() for m in self.task.marks(sample, outcome)]
        except Exception:  # what is drawn is a help: a fault in it costs itself alone
            return []

    def steps(self, result: Result, run: Path) -> list[dict[str, Any]]:
        """Of an episode with several calls: stored ones, or what it was shown and what it answered."""
        if result.outcome and result.outcome.steps:
            return [self._stored(s.as_json(), run) for s in result.outcome.steps]
        told = result.replies or ()
        sample = self.samples.get(result.id)
        if len(told) < 2 or self.task is None or not self.task.repeatable or sample is None:
            return []
        return [self._step(*s) for s in _played(self.task, sample, told)]

    def outdated(self, result: Result) -> bool:
        """Whether the task asked something else when the run was made. Told of single calls alone."""
        digest = self._asked(result.id)[2]
        then = result.asked or result.prompt
        return bool(digest and then) and result.calls == 1 and digest != then

    def _asked(self, id_: str) -> tuple[list[Any], list[str], str]:
        """The prompt, its pictures, and the digest of its request."""
        if id_ not in self._prompts:
            sample = self.samples.get(id_)
            self._prompts[id_] = self._read(sample) if sample else ([], [], "")
        return self._prompts[id_]

    def _read(self, sample: Sample) -> tuple[list[Any], list[str], str]:
        assert self.task and self.pictures
        request = _first(self.task, sample)
        if request is None:
            return [], [f for p in shown(sample.data) if (f := self.pictures.link(p))], ""
        files: list[str] = []
        messages = []
        for message in request.messages:
            parts: list[str | int | None] = []
            for part in message.content:
                if isinstance(part, str):
                    parts.append(clipped(part, self.longest))
                    continue
                file = self.pictures.link(part)
                parts.append(len(files) if file else None)
                files += [file] if file else []
            messages.append([message.role, parts])
        return messages, files, together([request.key])

    def _stored(self, step: dict[str, Any], run: Path) -> dict[str, Any]:
        """A step of the journal, its picture's name replaced by an address."""
        name = Path(str(step.pop("file", ""))).name
        path = run / stored.FOLDER / name
        link = self.pictures.link(Picture(path)) if self.pictures and name and path.is_file() else None
        return {**step, **({"picture": link} if link else {})}

    def _step(self, picture: Picture | None, said: str, told: str) -> dict[str, Any]:
        link = self.pictures.link(picture) if self.pictures and picture else None
        return {
            "action": clipped(said, REPLY),
            **({"told": told} if told else {}),
            **({"picture": link} if link else {}),
        }


def seen(board: Board, ids: Iterable[str] | None, pictures: Pictures, *, private: bool = False) -> Seen:
    """What the board's task tells about its samples: of records that may be published, or (`private`) of any.

    `ids`: of these; None: of all there are. A task of another version, or one that is not there, tells nothing; a
    plug-in's code is not run for a page.
    """
    places: Sequence[str] = ()
    try:
        config = next(e.row["config"] for e in reversed(board.entries) if e.row["config"])["task"]
        if not target(config).startswith("harness.tasks."):
            return Seen()
        places = class_of(config, "task").places
        if not (private or board.tier not in ("official", "own records")):
            return Seen(places=places)
        task = build_task(config)
        wanted = None if ids is None else set(ids)
        samples = {s.id: s for s in task.samples() if wanted is None or s.id in wanted}
    except (HarnessError, ImportError, AttributeError, TypeError, KeyError, ValueError, StopIteration):
        return Seen(places=places)
    longest = min(LONGEST, max(SHORTEST, TEXTS // max(1, len(samples))))
    return Seen(task, pictures, samples, longest, places)


def beside(found: Seen, result: Result, run: Path) -> dict[str, Any]:
    """What one answer adds, without what is empty: marks, details, raw replies, steps, thinking tokens, whether the run
    changed what the task asks (`changed`), and whether the task asked something else then (`outdated`)."""
    outcome = result.outcome
    steps = found.steps(result, run)
    marks = found.marks(result.id, outcome) if outcome else []
    raw = [r.text for r in result.replies or () if isinstance(r, Reply)]
    whole = outcome.answer if outcome else ""
    kept = [clipped(r, REPLY) for r in raw] if any(r.strip() not in ("", whole.strip()) for r in raw) else []
    return {
        k: v
        for k, v in (
            ("marks", marks if marks != found.marks(result.id) else []),
            ("details", details(outcome.details) if outcome else {}),
            ("raw", [] if steps and not any(answered(r) != r for r in raw) else kept),
            ("steps", steps),
            ("thinking", result.thinking_tokens),
            ("changed", bool(result.asked)),
            ("outdated", found.outdated(result)),
        )
        if v
    }


def details(given: Mapping[str, Any]) -> dict[str, Any]:
    """What the scorer noted, without what the page shows elsewhere."""
    return {k: v for k, v in given.items() if k not in ("question", "image") and v not in (None, "", [], {})}


def clipped(text: str, most: int) -> str:
    """The text, without its middle where it is longer."""
    if len(text) <= most:
        return text
    half = most // 2
    return f"{text[:half]}\n[... {len(text) - 2 * half:,} characters left out ...]\n{text[-half:]}"


def _first(task: Task, sample: Sample) -> Request | None:
    """What the episode asks first; None where it asks nothing, or acts on something outside."""
    if not task.repeatable:
        return None
    play = task.episode(sample)
    try:
        return next(play)
    except Exception:
        return None
    finally:
        play.close()


def _played(task: Task, sample: Sample, told: Sequence[Any]) -> list[tuple[Picture | None, str, str]]:
    """(the newest picture, the reply, what the episode said to it) of each call."""
    out: list[tuple[Picture | None, str, str]] = []
    play = task.episode(sample)
    try:
        request = next(play)
        for reply in told:
            before = request
            if not isinstance(reply, Reply):
                break
            out.append((before.pictures[-1] if before.pictures else None, reply.text, ""))
            request = play.send(Reply(answered(reply.text), reply.prompt_tokens, reply.new_tokens, finish=reply.finish))
            out[-1] = (*out[-1][:2], _news(before, request, reply.text))
    except Exception:
        pass  # it ended, or another version of the task asks something else: what was reached is shown
    finally:
        play.close()
    return out


def _news(before: Request, after: Request, reply: str) -> str:
    """What the episode says in answer to a reply: the end of its next prompt, as far as it is new."""
    old, new = (_ending(r) for r in (before, after))
    same = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    told = new[same:].replace(reply.strip(), "").strip()
    return told if len(told) <= TOLD else ""


def _ending(request: Request) -> str:
    """The last text of a prompt."""
    texts = [p for p in request.messages[-1].content if isinstance(p, str)] if request.messages else []
    return texts[-1] if texts else ""

"""One sample of a run as a person wants to see it: picture, prompt, answer, verdict, scores."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from harness.api import html
from harness.core.dress import NOTHING, Dress
from harness.core.errors import HarnessError, first_line
from harness.core.picture import Picture
from harness.core.types import Reply, Request, Result, Sample, Step
from harness.engine.episode import together
from harness.runs import pictures as stored
from harness.runs.record import RunRecord
from harness.runs.stored import StoredRun

MOST = 12
"""Pictures that are shown of a sample."""
CHARACTERS = 20_000
"""Of a text that are shown."""


@dataclass(frozen=True)
class Recorded:
    """A run's samples as its task reads them now, by id; or why there are none."""

    task: Any = None
    samples: dict[str, Sample] = field(default_factory=dict)
    dress: Dress = NOTHING
    why: str = ""


@dataclass(frozen=True, repr=False)
class SampleView:
    """A sample's result, with what was asked.

    `pictures` and `prompt` come from the task's records and code as they are now; where the records are not the ones
    that the run was played on, both are empty, and `note` says why.
    """

    run: str
    result: Result
    pictures: tuple[Picture, ...] = ()
    prompt: str = ""
    """The texts of the task's first request, with what the run put before it; `<picture>` where one stands."""
    note: str = ""
    folder: Path = Path()
    """Of the run: pictures of its steps lie in there."""

    @property
    def id(self) -> str:
        """Unique in its task."""
        return self.result.id

    @property
    def answer(self) -> str | None:
        """None where the sample ended in an error."""
        return self.result.outcome.answer if self.result.outcome else None

    @property
    def verdict(self) -> str | None:
        """What the parser read in the answer."""
        return self.result.outcome.verdict if self.result.outcome else None

    @property
    def scores(self) -> dict[str, float]:
        """Score -> value; empty where the sample ended in an error."""
        return dict(self.result.outcome.scores) if self.result.outcome else {}

    @property
    def error(self) -> str | None:
        """The error's message; None where there is none."""
        return self.result.error["message"] if self.result.error else None

    @property
    def _steps(self) -> Sequence[Step]:
        return self.result.outcome.steps if self.result.outcome else ()

    def _drawn(self) -> list[Picture]:
        """The pictures of the prompt, then those that the steps left."""
        kept = [self.folder / stored.FOLDER / Path(s.file).name for s in self._steps if s.file]
        return [*self.pictures, *(Picture(path) for path in kept if path.is_file())]

    def _facts(self) -> dict[str, str]:
        r = self.result
        replies = [said.text for said in r.replies or () if isinstance(said, Reply)]
        several = {f"reply {n}": text for n, text in enumerate(replies, 1)} if len(replies) > 1 else {}
        thinking = {"with thinking": replies[0]} if len(replies) == 1 and replies[0] != self.answer else {}
        facts = {
            "prompt": self.prompt,
            **several,
            **thinking,
            **{f"step {n}": f"{s.action}\n{s.told}".strip() for n, s in enumerate(self._steps, 1)},
            "answer": self.answer,
            "verdict": self.verdict,
            "wanted": r.target,
            "scores": ", ".join(f"{k} {v:g}" for k, v in self.scores.items()),
            "error": self.error,
            "cost": f"{r.prompt_tokens} + {r.new_tokens} tokens, {r.latency:.3f} s",
            "note": self.note,
        }
        return {k: str(v)[:CHARACTERS] for k, v in facts.items() if v not in (None, "")}

    def __repr__(self) -> str:
        from harness.core.sinks import line

        head = f"{self.id} [{self.result.group}] of {self.run}, {len(self.pictures)} pictures"
        facts = [f"  {key:<9} {line(part)}" for key, value in self._facts().items() for part in value.split("\n")]
        return "\n".join([line(head), *facts])

    def _repr_html_(self) -> str:
        drawn = self._drawn()
        shown = "".join(map(_image, drawn[:MOST]))
        more = f"<p>{len(drawn) - MOST} more pictures</p>" if len(drawn) > MOST else ""
        rows = "".join(
            f'<tr><th style="text-align: left; vertical-align: top">{html.text(key)}</th>'
            f'<td style="text-align: left">{html.block(value)}</td></tr>'
            for key, value in self._facts().items()
        )
        head = f"<b>{html.text(self.id)}</b> [{html.text(self.result.group)}] of {html.text(self.run)}"
        return f"<div><p>{head}</p>{shown}{more}<table>{rows}</table></div>"


def recorded(record: RunRecord) -> Recorded:
    """The samples of a run's task, if its records and settings are the ones that were played."""
    from harness.plugins.build import build_task
    from harness.plugins.registry import Registry, folders_of

    node = record.settings("task")
    if record.imported or not node:
        return Recorded(why="the run was imported: its records are not here")
    from harness.engine.plan import dressed

    try:
        Registry(folders_of([record.config]))  # makes plug-ins importable
        task = build_task(node)
        if task.fingerprint() != record.fingerprint:
            return Recorded(why="the task's records or settings have changed since: no picture, no prompt")
        return Recorded(task, {s.id: s for s in task.samples()}, dressed(record.config))
    except Exception as e:  # code of anybody's plug-in; records that are no longer there
        return Recorded(why=f"its records cannot be read now: {first_line(e)}")


def view(run: StoredRun, result: Result, known: Recorded) -> SampleView:
    """The sample as far as the task's records tell about it."""
    made = SampleView(run.name, result, folder=run.directory.path)
    sample = known.samples.get(result.id)
    if sample is None:
        return replace(made, note=known.why or "the task has no such sample now")
    plain = _asked(known.task, sample)
    if plain is None:
        from harness.records import shown

        return replace(made, pictures=tuple(shown(sample.data)))
    request, note = known.dress(plain), ""
    if result.asked:
        note = "the method asked the model something else than this prompt"
    elif result.calls == 1 and result.prompt not in {together([r.key]) for r in (plain, request)}:
        note = "the task's code has changed since: another prompt was asked then"
    texts = [
        f"[{m.role}] {''.join('<picture>' if isinstance(part, Picture) else part for part in m.content)}"
        for m in request.messages
    ]
    return replace(made, pictures=request.pictures, prompt="\n".join(texts), note=note)


def _asked(task: Any, sample: Sample) -> Request | None:
    """The first request of an episode; None where it cannot be made, or would act on something outside."""
    if not task.repeatable:
        return None
    episode = task.episode(sample)
    try:
        return next(episode)
    except (HarnessError, StopIteration):
        return None
    finally:
        episode.close()


def _image(picture: Picture) -> str:
    try:
        kind, data = picture.portable()
    except HarnessError as e:
        return f"<p>{html.text(e)}</p>"
    source = f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
    return f'<img src="{source}" style="max-width: 100%; max-height: 24em; margin-right: 0.5em">'

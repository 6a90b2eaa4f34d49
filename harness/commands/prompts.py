"""Prompts for people: what `harness show prompts` and `harness eval --dry-run` print of them."""

from __future__ import annotations

import json
import textwrap
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.commands.words import counted, say, share_cores
from harness.core.errors import HarnessError, UsageError
from harness.core.picture import Picture
from harness.core.types import Request

if TYPE_CHECKING:
    from harness.core.model import Sent
    from harness.engine.outlook import Asked, Outlook

FIRST = 3
"""Samples that are shown where no other number is asked for."""


def dry(config: dict[str, Any]) -> int:
    """`harness eval --dry-run`: one composed run that is not played."""
    from harness.engine.evaluate import checked
    from harness.engine.outlook import outlook
    from harness.engine.plan import compose

    checked(config)
    plan = compose(config)
    try:
        found = outlook(plan, FIRST)
    finally:
        plan.task.close()
    data = config["task"].get("data") or "default"
    say(f"{plan.task.name} ({data}), method {plan.label}, model {plan.model.name}: a dry run, nothing is written")
    for text in _counts(found, plan.task.cluster or "cluster"):
        say(text)
    for asked in found.first:
        _question(asked)
    return 0


def show(words: list[str], folders: list[str], count: int, *, as_json: bool) -> int:
    """`harness show prompts`: the first samples' prompts as the loaded model gets them."""
    from harness.config.compose import Asked, run

    share_cores()
    plugins = [f"plugins=[{','.join(folders)}]"] if folders else []
    return run(Asked([*words, *plugins]), lambda config: _prompts(config, count or FIRST, as_json=as_json))


def _prompts(config: dict[str, Any], count: int, *, as_json: bool) -> int:
    from harness.core.model import Call
    from harness.engine.evaluate import checked
    from harness.engine.outlook import first_questions
    from harness.engine.plan import compose
    from harness.engine.play import planned, steering
    from harness.plugins.build import build_decoding

    checked(config)
    plan = compose(config)
    if plan.model.reads_samples:
        raise UsageError(f"model={plan.model.name} reads no prompts: name the model that is to be asked")
    decoding = build_decoding(config["decoding"], plan.task)
    rows = []
    try:
        questions = first_questions(plan, planned(plan.task, plan.config)[:count])
        plan.model.load(steering(plan.methods))
        if plan.dress:
            plan.model.admit(plan.dress)
        for asked in questions:
            sent, error = [], asked.error
            if asked.request:
                try:
                    sent = plan.model.sent(Call(asked.request, asked.sample, 0), decoding)
                except UsageError:
                    raise
                except HarnessError as e:
                    error = str(e)
            rows.append((asked, sent, error))
    finally:
        plan.task.close()
        plan.model.close()
    if as_json:
        print(json.dumps([_row(*row) for row in rows], indent=1, ensure_ascii=False))
        return 0
    for asked, sent, error in rows:
        _question(asked, sent, error)
    return 0


def _counts(found: Outlook, cluster: str) -> list[str]:
    from harness.engine.outlook import MANY

    groups = ", ".join(f"{name} {n:,}" for name, n in found.groups.items())
    pictures = "" if found.pictures is None else f", {counted(found.pictures, 'different picture')}"
    if found.source is None:
        time = "no stored run to estimate from"
    else:
        record = found.source.record
        time = f"about {_duration(found.seconds or 0.0)} for {found.left:,} samples, by {found.source.name}"
        time += "" if record.counts.done >= MANY else f" (of {record.counts.done} samples: a rough guess)"
    size = f"{found.samples:,} in {counted(found.clusters, 'cluster')} ({cluster}){pictures}"
    lines = {"samples": size, "groups": groups, "store": found.state, "time": time}
    wrap = partial(textwrap.wrap, width=80, subsequent_indent=" " * 12, break_on_hyphens=False, break_long_words=False)
    return [text for key, value in lines.items() for text in wrap(f"  {key:<9} {value}")]


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _question(asked: Asked, sent: list[Sent] | None = None, error: str = "") -> None:
    sample = asked.sample
    say("")
    say(f"{sample.id} [{sample.group}] target {sample.target!r}")
    for number, picture in enumerate(asked.request.pictures if asked.request else (), 1):
        say(f"  picture {number}: {_size(picture)}")
    if error := error or asked.error:
        say(f"  error: {error}")
    elif sent is None:
        assert asked.request
        for text in _chat(asked.request):
            say(f"  {text}")
    for one in sent or ():
        say(f"  {_head(one)}")
        for text in one.text.splitlines():
            say(f"    {text}")


def _head(one: Sent) -> str:
    name = one.name or "prompt"
    if one.tokens is None:
        return f"{name}:"
    pixels = f", pixels {' x '.join(map(str, one.pixels))}" if one.pixels else ""
    return f"{name}: {one.tokens} tokens, {one.visual} of them visual{pixels}"


def _chat(request: Request) -> list[str]:
    """The messages, a picture as [picture N]; the text of a message may have several lines."""
    out, number = [], 0
    for message in request.messages:
        said = ""
        for part in message.content:
            if isinstance(part, Picture):
                number += 1
                said += f"[picture {number}] "
            else:
                said += part
        first, *more = said.splitlines() or [""]
        out += [f"{message.role}: {first}", *(f"    {text}" for text in more)]
    return [*out, f"at most {request.max_new_tokens} new tokens"]


def _size(picture: Picture) -> str:
    try:
        width, height = picture.size
    except HarnessError as e:
        return str(e)
    return f"{width} x {height}"


def _row(asked: Asked, sent: list[Sent], error: str) -> dict[str, Any]:
    pictures = [_size(p) for p in asked.request.pictures] if asked.request else []
    prompts = [{**vars(one), "pixels": list(one.pixels)} for one in sent]
    return {
        "id": asked.sample.id,
        "group": asked.sample.group,
        "pictures": pictures,
        "prompts": prompts,
        "error": error,
    }

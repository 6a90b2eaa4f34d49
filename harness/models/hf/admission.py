"""Whether a checkpoint's prompts can hold a system message, earlier turns and several pictures: tried, not guessed."""

from __future__ import annotations

import io
from collections.abc import Sequence

from harness.core.dress import Dress
from harness.core.errors import HarnessError, Unusable, UsageError, first_line
from harness.core.picture import Picture
from harness.core.types import Message, Request
from harness.models.hf.prompts import Prompts

FIRST, ANSWER, SECOND = "What is in the first image?", "A red square.", "What is in the image?"


def admit(prompts: Prompts, dress: Dress, name: str) -> None:
    """Raises UsageError, which names the model and the setting."""
    given = "system=" if dress.system else f"fewshot={len(dress.examples)}"
    if prompts.chat == "plain":
        raise UsageError(f"{given} goes through a chat template, which model.chat=plain leaves out: leave one out")
    picture = [_picture()] if prompts.sees else []
    if dress.system:
        _system(prompts, dress.system, picture, name)
    if dress.examples:
        _turns(prompts, picture, name, f"fewshot={len(dress.examples)}")
        if any(e.pictures for e in dress.examples):
            _pictures(prompts, picture, name, len(dress.examples))


def _system(prompts: Prompts, system: str, picture: list[Picture], name: str) -> None:
    text, why = _text(prompts, [Message("system", (system,)), Message("user", (*picture, SECOND))])
    if system.strip() not in text:
        raise UsageError(
            f"system=: the chat template of model={name} has no place for a system message ({why or 'it drops it'}): "
            "leave it out, or choose another model"
        )


def _turns(prompts: Prompts, picture: list[Picture], name: str, given: str) -> None:
    text, why = _text(prompts, _chat(picture))
    places = [text.find(words) for words in (FIRST, ANSWER, SECOND)]
    if min(places) < 0 or places != sorted(places):
        raise UsageError(
            f"{given}: the chat template of model={name} takes no earlier questions and answers "
            f"({why or 'it drops them'}): leave it out, or choose another model"
        )


def _pictures(prompts: Prompts, picture: list[Picture], name: str, count: int) -> None:
    """Two pictures of one size must become twice the tokens of one."""
    why = "it reads no pictures"
    if picture:
        try:
            one = prompts.image_tokens(_request([Message("user", (*picture, SECOND))]))
            two = prompts.image_tokens(_request(_chat(picture)))
            if one and two == 2 * one:
                return
            why = f"two pictures become {two} tokens, one {one}"
        except Exception as e:  # processors refuse in many ways
            if isinstance(e, UsageError):
                raise
            why = first_line(e)
    raise UsageError(
        f"fewshot={count} shows {count + 1} pictures, and model={name} takes only one ({why}): leave it out, or choose "
        "another model"
    )


def _chat(picture: list[Picture]) -> list[Message]:
    return [
        Message("user", (*picture, FIRST)),
        Message("assistant", (ANSWER,)),
        Message("user", (*picture, SECOND)),
    ]


def _request(messages: Sequence[Message]) -> Request:
    return Request(tuple(messages), 1)


def _text(prompts: Prompts, messages: Sequence[Message]) -> tuple[str, str]:
    """What the template makes of the messages; "" and the reason where it refuses them."""
    try:
        return prompts.text(_request(messages)), ""
    except (Unusable, HarnessError) as e:
        return "", str(e)


def _picture() -> Picture:
    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), (200, 30, 30)).save(buffer, "PNG")
    return Picture(buffer.getvalue())

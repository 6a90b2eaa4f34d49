"""A request in OpenAI's form."""

from __future__ import annotations

import base64
from typing import Any

from harness.core.decoding import Decoding
from harness.core.errors import UsageError
from harness.core.model import Call
from harness.core.picture import Picture
from harness.core.types import Request

SET = {
    *("model", "messages", "prompt", "max_tokens", "max_completion_tokens", "temperature", "top_p", "seed", "stop"),
    *("n", "stream", "echo", "logprobs"),
}
"""Fields that are the harness's to set, or to leave out."""


def body(name: str, call: Call, decoding: Decoding, *, stop: bool = True) -> dict[str, Any]:
    """What is posted to /chat/completions, or to /completions for a request that is `plain`, without fields of the
    user's. `stop`: whether the server is told where to stop. Raises UsageError for a plain text with pictures."""
    request = call.request
    made: dict[str, Any] = {
        "model": name,
        **({"prompt": text(request)} if request.plain else {"messages": messages(request)}),
        "max_tokens": decoding.max_new_tokens or request.max_new_tokens,
        "temperature": decoding.temperature if decoding.sampled else 0,
    }
    if decoding.sampled:
        made |= {"top_p": decoding.top_p, "seed": call.seed % 2**31}
        made |= {"top_k": decoding.top_k} if decoding.top_k else {}
    if request.stop and stop:
        made["stop"] = list(request.stop)
    return made


def begun(request: Request) -> bool:
    """Whether the answer is begun already, and is to be continued."""
    return not request.plain and bool(request.messages) and request.messages[-1].role == "assistant"


def text(request: Request) -> str:
    """A plain request's text. Raises UsageError where it shows pictures."""
    if request.pictures:
        raise UsageError(
            "/completions takes text alone, and this task shows pictures without a chat template: take a Hugging Face "
            "model"
        )
    return "".join(p for m in request.messages for p in m.content if isinstance(p, str))


def shortened(value: Any) -> Any:
    """A body for people to read: pictures as their type and size."""
    if isinstance(value, dict):
        return {k: shortened(v) for k, v in value.items()}
    if isinstance(value, list):
        return [shortened(v) for v in value]
    if isinstance(value, str) and value.startswith("data:"):
        head, _, data = value.partition(",")
        return f"{head},... ({len(base64.b64decode(data))} bytes)"
    return value


def messages(request: Request) -> list[dict[str, Any]]:
    """The chat: pictures as data URLs (`Picture.portable`), in the order of the prompt."""
    out = []
    for message in request.messages:
        plain = all(isinstance(part, str) for part in message.content)
        content: Any = "".join(p for p in message.content if isinstance(p, str))
        if not plain:
            content = [_part(part) for part in message.content]
        out.append({"role": message.role, "content": content})
    return out


def _part(part: str | Picture) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    kind, data = part.portable()
    url = f"data:{kind};base64,{base64.b64encode(data).decode()}"
    return {"type": "image_url", "image_url": {"url": url}}

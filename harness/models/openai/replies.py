"""What a chat server answered: a reply, or why there is none, in the server's own words."""

from __future__ import annotations

import email.utils
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from html import unescape
from typing import Any, TypeVar

from harness.core.reasoning import wrapped
from harness.core.secrets import redacted
from harness.core.types import Finish, Reply

CHAT, TEXT = "/chat/completions", "/completions"
"""Where a chat and a plain text are asked."""
RETRIED = {408, 409, 425, 429, 500, 502, 503, 504, 529}
"""Statuses that another try may change."""
PASSING = {
    *("api_error", "internal_server_error", "overloaded_error", "rate_limit_error", "rate_limit_exceeded"),
    *("server_error", "service_unavailable", "timeout", "timeout_error"),
}
"""Kinds of an error without a status that another try may change."""
SPENT = {"insufficient_quota", "billing_hard_limit_reached"}
"""Kinds of a 429 that no other try changes."""
Made = TypeVar("Made")

FINISHES: dict[str, Finish] = {
    **dict.fromkeys(("stop", "stop_sequence", "eos", "eos_token", "end_turn", "complete"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "model_length", "token_limit"), "length"),
    "model_context_window_exceeded": "length",
    **dict.fromkeys(("tool_calls", "function_call", "tool_use"), "tool_calls"),
    **dict.fromkeys(("content_filter", "content_filtered", "guardrail_intervened", "safety"), "content_filter"),
    **dict.fromkeys(("blocklist", "prohibited_content", "recitation", "spii", "error_toxic"), "content_filter"),
    "refusal": "refusal",
}
"""By the reasons that OpenAI, vLLM, SGLang, llama.cpp, TGI, Anthropic, Gemini, Mistral, Cohere and Bedrock give."""
UNFINISHED = {
    *("abort", "aborted", "cancel", "cancelled", "canceled", "user_cancel", "error", "failed", "not_finished"),
    *("timeout", "time_limit", "insufficient_system_resource"),
}
"""Reasons of a server that gave up."""
LONGEST = 300
"""Characters of the server's words that are kept."""
USUAL = ("id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier")
"""Fields of an answer that say nothing about what is wrong with it."""


class Fault(Exception):
    """Why a try failed: one line. `again`: another try may succeed, after `wait` seconds if the server says so."""

    def __init__(self, said: str, *, again: bool = False, wait: float | None = None, status: int | None = None):
        super().__init__(said)
        self.said, self.again, self.wait, self.status = said, again, wait, status
        self.tries = 1


def read(response: Any, made: Callable[[Any], Made]) -> Made:
    """What `made` makes of the JSON in an HTTP response. Raises Fault where there is none."""
    status, headers = response.status_code, response.headers
    try:
        value = response.json()
    except (ValueError, RecursionError):  # not JSON, in no known encoding, or nested without end
        value = None
    if not 200 <= status < 300:
        said = words(response.text if value is None else value)
        if 300 <= status < 400:
            said = _redirected(response)
        again = status in RETRIED and _kind(value) not in SPENT
        again = {"true": True, "false": False}.get(headers.get("x-should-retry", ""), again)
        raise Fault(f"status {status}{': ' + said if said else ''}", again=again, wait=waiting(headers), status=status)
    if value is None:
        page = response.text.lstrip().startswith("<")
        said = words(response.text) or "nothing"
        raise Fault(f"the answer is not JSON but {'a web page' if page else 'text'}: {said}", again=not page)
    return made(value)


def _redirected(response: Any) -> str:
    """Where to, and the base_url that leads there, if one does."""
    there = response.next_request.url if response.next_request else None
    if there is None:
        return "it redirects to nowhere: correct model.base_url"
    to = f"it redirects to {redacted(str(there))}"
    path = next((p for p in (CHAT, TEXT) if str(there).endswith(p)), "")
    if not path or there == response.request.url or there.userinfo:
        return f"{to}, which answers no such request: correct model.base_url"
    return f"{to}: give model.base_url={str(there).removesuffix(path)}"


def first(value: Any) -> dict[str, Any]:
    """The first choice of a completion. Raises Fault where it holds none."""
    if not isinstance(value, dict):
        raise Fault(f"the answer is not a chat completion: {words(value)}", again=True)
    choices = value.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    for place in (value, choice):
        if isinstance(place, dict) and place.get("error"):
            raise Fault(f"the server reports an error: {words(place)}", again=_passing(place), status=_status(place))
    if isinstance(choice, dict) and _reason(choice) in UNFINISHED:
        raise Fault(f"the server gave up its answer: finish_reason {_reason(choice)}", again=True)
    if not isinstance(choice, dict):
        rest = {k: v for k, v in value.items() if k not in USUAL and v not in (None, [], {}, "")}
        raise Fault(f"the answer holds no choices{': ' + words(rest) if rest else ''}", again=True)
    return choice


def reply(value: Any) -> Reply:
    """The reply in a completion, of a chat or of a plain text. Raises Fault where it holds none."""
    choice = first(value)
    message = choice.get("message")
    if message is None and isinstance(choice.get("text"), str):
        message = {"content": choice["text"]}
    reason = _reason(choice)
    finish: Finish = FINISHES.get(reason, "stop")
    if message is None and finish != "stop":
        message = {}
    if not isinstance(message, dict):
        raise Fault("the answer's first choice holds no message", again=True)
    text, thought = _texts(message.get("content"))
    refusal = message.get("refusal")
    if text is None and isinstance(refusal, str) and refusal:
        text, finish = refusal, "refusal"
    if text is None and not reason:
        raise Fault("the answer's message holds neither content nor a finish reason", again=True)
    if not text and reason and reason not in FINISHES:
        raise Fault(f"the answer is empty, and its finish_reason {words(reason)} is unknown", again=True)
    usage = used(value)
    details = usage.get("completion_tokens_details")
    details = details if isinstance(details, dict) else {}
    return Reply(
        wrapped(_reasoning(message) or thought, text or ""),
        count(usage.get("prompt_tokens")),
        count(usage.get("completion_tokens")),
        0.0,
        finish,
        thinking_tokens=count(details.get("reasoning_tokens", usage.get("reasoning_tokens"))),
    )


def _reason(choice: Mapping[str, Any]) -> str:
    """Why the answer ended, spelled alike for all servers; "" where they do not say."""
    reason = choice.get("finish_reason")
    return "" if reason is None else str(reason).lower().replace("-", "_")


def _texts(content: Any) -> tuple[str | None, str]:
    """Text and thinking of a message's content: a text, a part, or a list of parts, some of which may hold none. Raises
    Fault for an object that is not a part."""
    if isinstance(content, dict):
        found = _texts([content])
        if found == (None, ""):
            raise Fault(f"the answer's content is an object without text: {words(content)}")
        return found
    if isinstance(content, int | float) and not isinstance(content, bool):
        return str(content), ""
    if not isinstance(content, list):
        return (content if isinstance(content, str) else None), ""
    said, thought = [], []
    for part in content:
        if isinstance(part, str):
            said.append(part)
        elif isinstance(part, dict):
            if str(part.get("type")) in ("thinking", "reasoning"):
                inner = part.get("thinking") or part.get("reasoning") or part.get("text")
                thought.append(inner if isinstance(inner, str) else _texts(inner)[0] or "")
            elif isinstance(text := _value(part.get("text", part.get("content"))), str):
                said.append(text)
            elif isinstance(part.get("refusal"), str):
                said.append(part["refusal"])
    return ("".join(said) if said or not content else None), "".join(thought)


def _value(text: Any) -> Any:
    """A text, also where it stands in an object as its value."""
    return text.get("value") if isinstance(text, dict) else text


def _reasoning(message: Mapping[str, Any]) -> str:
    """Thinking that the server gives apart."""
    for name in ("reasoning_content", "reasoning", "thinking", "reasoning_text"):
        if isinstance(message.get(name), str) and message[name]:
            return message[name]
    parts = message.get("reasoning_details")
    found = (p.get("text") or p.get("summary") for p in parts if isinstance(p, dict)) if isinstance(parts, list) else ()
    return "".join(p for p in found if isinstance(p, str))


def used(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """The usage that an answer states; empty where it states none."""
    usage = value.get("usage")
    return usage if isinstance(usage, dict) else {}


def count(value: Any) -> int:
    """A number of tokens; 0 where a server says something else."""
    return int(value) if isinstance(value, (int, float)) and value > 0 and value < 2**53 else 0


def words(value: Any) -> str:
    """The server's own words, one line, without secrets: wherever servers put them."""
    said = _said(value)
    if not said and isinstance(value, (dict, list)) and value:
        said = json.dumps(value, ensure_ascii=False)
    if said.lstrip().startswith("<"):
        said = _page(said)
    return " ".join(redacted(said).split())[:LONGEST]


def _said(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "; ".join(filter(None, map(_said, value)))
    if not isinstance(value, dict):
        return ""
    if isinstance(value.get("msg"), str):  # FastAPI's: where, and what
        place = value.get("loc")
        return ": ".join(filter(None, (".".join(map(str, place)) if isinstance(place, list) else "", value["msg"])))
    for name in ("error", "message", "detail", "details", "errors", "error_description", "reason", "blockReason"):
        if found := _said(value.get(name)):
            raw = _said((value.get("metadata") or {}).get("raw")) if isinstance(value.get("metadata"), dict) else ""
            return f"{found}: {raw}" if raw and raw not in found else found
    inner = (v for k, v in value.items() if k not in USUAL and isinstance(v, dict))
    return next(filter(None, map(_said, inner)), "")


def _page(text: str) -> str:
    """A web page's words: its title and what a reader sees."""
    text = re.sub(r"(?is)<(script|style)\b.*?</\1\s*>", " ", text)
    return unescape(re.sub(r"(?s)<[^>]*>", " ", text))


def _kind(value: Any) -> str:
    error = value.get("error") if isinstance(value, dict) else None
    kinds: Iterable[Any] = (error.get("code"), error.get("type")) if isinstance(error, dict) else ()
    return next((k for k in kinds if isinstance(k, str) and not k.isdigit()), "")


def _status(place: Mapping[str, Any]) -> int | None:
    error = place["error"]
    for code in (error.get("code"), error.get("status")) if isinstance(error, dict) else (place.get("code"),):
        if isinstance(code, int) or (isinstance(code, str) and code.isdigit()):
            return int(code)
    return None


def _passing(place: Mapping[str, Any]) -> bool:
    return _status(place) in RETRIED or _kind(place) in PASSING


def waiting(headers: Any, now: Callable[[], float] = time.time) -> float | None:
    """Seconds, from a number or from a date (RFC 9110, 10.2.3); None where the server does not say."""
    value = headers.get("retry-after")
    if not value:
        return None
    try:
        seconds = float(value)
        return max(0.0, seconds) if seconds == seconds else None
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now())
    except (ValueError, TypeError):
        return None

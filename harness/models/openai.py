"""Any OpenAI-compatible chat server (vLLM, SGLang, llama.cpp, hosted): `model=openai`."""

from __future__ import annotations

import base64
import email.utils
import hashlib
import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from harness.core.decoding import Decoding
from harness.core.errors import Missing, Unusable, UsageError
from harness.core.model import Call, Model
from harness.core.types import Picture, Reply, Request

if TYPE_CHECKING:
    import httpx

RETRIED = {408, 409, 425, 429, 500, 502, 503, 504, 529}
LONGEST = 60.0
"""Seconds that one wait between two tries may take, whatever the server asks for."""


@dataclass(frozen=True)
class Fault:
    """Why a try failed, and how long the server wants us to wait (seconds, None: it does not say)."""

    said: str
    again: bool
    wait: float | None = None


class Server(Model):
    """Arguments are the settings of openai.yaml; they are explained there. The key is read from the environment."""

    reads_pictures = True

    def __init__(
        self,
        name: str,
        family: str | None,
        data: str,
        base_url: str,
        key_env: str,
        concurrency: int,
        timeout: float,
        retries: int,
        backoff: float,
        extra: dict[str, Any] | None,
        price_in: float | None,
        price_out: float | None,
    ):
        if not str(base_url).startswith(("http://", "https://")):
            raise UsageError(f"invalid model.base_url={base_url}: give http://HOST:PORT/v1")
        if "@" in str(base_url).split("/")[2] or "?" in str(base_url):
            raise UsageError(
                f"model.base_url holds a secret or a query, and runs are stored: put the key into ${key_env}"
            )
        if concurrency < 1 or retries < 0 or timeout <= 0 or backoff < 0:
            raise UsageError("model.concurrency is 1 or more, timeout above 0, retries and backoff 0 or more")
        self.name, self.family, self.data = name, family, data
        self.base_url, self.key_env = str(base_url).rstrip("/"), key_env
        self.concurrency, self.timeout, self.retries, self.backoff = concurrency, timeout, retries, backoff
        self.extra = dict(extra or {})
        self.price = (price_in, price_out)
        self._client: httpx.Client | None = None
        self._lock = threading.Lock()
        self._work: Counter[str] = Counter()

    def fingerprint(self) -> str:
        """Address, name and extra fields: what the server loaded behind them cannot be known."""
        facts = [self.base_url, self.name, self.extra]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def load(self, methods: Sequence[Any]) -> None:
        super().load(methods)
        try:
            import httpx
        except ImportError as e:
            raise Missing("httpx is not installed: pip install 'harness[openai]'") from e
        key = os.environ.get(self.key_env, "")
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        limits = httpx.Limits(max_connections=self.concurrency, max_keepalive_connections=self.concurrency)
        self._client = httpx.Client(headers=headers, timeout=self.timeout, limits=limits)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def plan(self, calls: Sequence[Call], rows: int | None) -> Any:
        """Some rounds of `concurrency` at a time, so that the journal is never far behind."""
        return super().plan(calls, rows or 4 * self.concurrency)

    def answer(self, calls: Sequence[Call], decoding: Decoding) -> list[Reply]:
        """One reply per call; a call that the server refuses for good is an error of its own sample."""
        if decoding.strategy == "beam":
            raise UsageError("a chat server has no beam search: choose decoding=greedy or nucleus")
        with ThreadPoolExecutor(self.concurrency) as threads:
            return list(threads.map(lambda call: self._settled(call, decoding), calls))

    def _settled(self, call: Call, decoding: Decoding) -> Reply:
        try:
            return self._ask(call, decoding)
        except Unusable as e:
            return e  # type: ignore[return-value]  # the scheduler hands it to the episode

    def _ask(self, call: Call, decoding: Decoding) -> Reply:
        if call.request.continuations:
            raise UsageError(
                "a chat server gives no likelihoods of given texts: take a Hugging Face model or a task that generates"
            )
        body = self._body(call, decoding)
        rng = random.Random(call.seed)
        began = time.monotonic()
        said, attempt = "", 0
        for attempt in range(self.retries + 1):
            found = self._try(body)
            if isinstance(found, Reply):
                self._count(requests=1, retries=attempt, prompt_tokens=found.prompt_tokens, new_tokens=found.new_tokens)
                return Reply(found.text, found.prompt_tokens, found.new_tokens, time.monotonic() - began, found.finish)
            said = found.said
            if not found.again:
                break
            if attempt < self.retries:
                wait = self.backoff * 2**attempt * rng.uniform(0.5, 1.5) if found.wait is None else found.wait
                time.sleep(min(wait, LONGEST))
        self._count(requests=1, failed=1, retries=attempt)
        tries = f" ({attempt + 1} tries)" if attempt else ""
        raise Unusable(f"{self.base_url}: {said}{tries}")

    def _try(self, body: dict[str, Any]) -> Reply | Fault:
        import httpx

        assert self._client is not None
        try:
            response = self._client.post(f"{self.base_url}/chat/completions", json=body)
        except httpx.TimeoutException:
            return Fault(f"no answer within {self.timeout:g} seconds", True)
        except httpx.HTTPError as e:
            return Fault(f"{type(e).__name__}: {str(e)[:120] or 'the connection was cut'}", True)
        if response.status_code in (401, 403):
            raise Missing(
                f"{self.base_url} refuses the key (status {response.status_code}): set {self.key_env} in the "
                "environment"
            )
        if response.status_code != 200:
            return Fault(_problem(response), response.status_code in RETRIED, _retry_after(response.headers))
        try:
            return _reply(response.json())
        except (ValueError, KeyError, IndexError, TypeError) as e:
            return Fault(f"the answer is not a chat completion ({type(e).__name__})", True)

    def _body(self, call: Call, decoding: Decoding) -> dict[str, Any]:
        request = call.request
        body: dict[str, Any] = {
            "model": self.name,
            "messages": messages(request),
            "max_tokens": decoding.max_new_tokens or request.max_new_tokens,
            "temperature": decoding.temperature if decoding.sampled else 0,
        }
        if decoding.sampled:
            body |= {"top_p": decoding.top_p, "seed": call.seed % 2**31}
        if request.stop:
            body["stop"] = list(request.stop)
        return body | self.extra

    def _count(self, **more: int) -> None:
        with self._lock:
            self._work.update(more)

    def work(self) -> dict[str, int]:
        """requests, retries, failed, prompt_tokens, new_tokens; `microdollars` where prices are given."""
        with self._lock:
            found = dict(self._work)
        if None not in self.price and found:
            spent = found["prompt_tokens"] * float(self.price[0] or 0) + found["new_tokens"] * float(self.price[1] or 0)
            found["microdollars"] = round(spent)
        return found

    def describe(self) -> dict[str, Any]:
        return {
            "server": self.base_url,
            "concurrency": self.concurrency,
            "extra": self.extra,
            "dollars_per_million_tokens": list(self.price),
            "key": f"from ${self.key_env}" if os.environ.get(self.key_env) else "none",
        }


def messages(request: Request) -> list[dict[str, Any]]:
    """The chat in OpenAI's form: pictures as data URLs (`Picture.portable`), in the order of the prompt."""
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


def _reply(value: dict[str, Any]) -> Reply:
    choice = value["choices"][0]
    text = choice["message"].get("content")
    if isinstance(text, list):
        text = "".join(p.get("text", "") for p in text)
    if not isinstance(text, str):
        raise TypeError("content")
    usage = value.get("usage") or {}
    finish = "length" if choice.get("finish_reason") == "length" else "stop"
    return Reply(text, int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0), 0.0, finish)


def _problem(response: Any) -> str:
    """The server's own words, one line."""
    try:
        value = response.json()
        error = value.get("error", value)
        said = error.get("message", "") if isinstance(error, dict) else str(error)
    except (ValueError, AttributeError):
        said = response.text
    words = " ".join(str(said).split())[:200]
    return f"status {response.status_code}{': ' + words if words else ''}"


def _retry_after(headers: Any, now: Callable[[], float] = time.time) -> float | None:
    """Seconds, from a number or from a date (RFC 9110, 10.2.3)."""
    value = headers.get("retry-after")
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - now())
    except (ValueError, TypeError):
        return None

"""The model that asks a chat server: `model=openai`."""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from harness.core.decoding import Decoding
from harness.core.errors import FATAL, Missing, Unusable, UsageError
from harness.core.model import Call, Model, Sent
from harness.core.types import Reply
from harness.models.openai.client import Answer, Client
from harness.models.openai.endings import Endings
from harness.models.openai.likelihoods import TAKE, likelihoods, unreliable
from harness.models.openai.messages import SET, begun, body, shortened
from harness.models.openai.replies import CHAT, TEXT, Fault, reply
from harness.models.openai.schema import BEGUN, Schema

Made = TypeVar("Made")
ENOUGH = 4
"""Requests that must fail alike, with none answered, before a run is given up."""
OF_THE_PROMPT = ("context", "token", "too long", "length", "flagged", "moderat", "policy", "safety", "picture", "image")
"""Words of a refusal that is about what was asked, and not about how the server is set up."""


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
        send_stop: bool,
        extra: dict[str, Any] | None,
        price_in: float | None,
        price_out: float | None,
    ):
        address = str(base_url)
        if "@" in address or "?" in address:
            raise UsageError(
                f"model.base_url holds a secret or a query, and runs are stored: put the key into ${key_env}"
            )
        if not address.startswith(("http://", "https://")):
            raise UsageError(f"invalid model.base_url={base_url}: give http://HOST:PORT/v1")
        if concurrency < 1 or retries < 0 or timeout <= 0 or backoff < 0:
            raise UsageError("model.concurrency is 1 or more, timeout above 0, retries and backoff 0 or more")
        self.name, self.family, self.data = name, family, data
        self.base_url, self.key_env = str(base_url).rstrip("/"), key_env
        self.concurrency, self.timeout, self.retries, self.backoff = concurrency, timeout, retries, backoff
        self.send_stop, self.extra = send_stop, dict(extra or {})
        self.price = (price_in, price_out)
        self._client: Client | None = None
        self._schema, self._endings = Schema(), Endings()
        self._lock = threading.Lock()
        self._reading = threading.Lock()
        self._reads = False
        """Whether the server's likelihoods were tried, and can be relied upon."""
        self._work: Counter[str] = Counter()
        self._answered, self._more = False, False
        self._faults: list[Fault] = []
        """Those of a run that has got no answer yet."""

    def fingerprint(self) -> str:
        """Address, name and extra fields: what the server loaded behind them cannot be known."""
        facts = [self.base_url, self.name, self.extra]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def accept(self, decoding: Decoding) -> None:
        if decoding.strategy == "choices":
            raise UsageError("a chat server cannot decide among choices in one pass: leave decoding=choices out")
        for name in decoding.extra:
            if name in SET or name in self.extra:
                other = "model.extra" if name in self.extra else "the harness"
                raise UsageError(f"decoding.extra.{name} is set by {other}: leave it out, or change it there")

    def load(self, methods: Sequence[Any]) -> None:
        super().load(methods)
        self._client = Client(
            self.base_url,
            self.key_env,
            connections=self.concurrency,
            timeout=self.timeout,
            retries=self.retries,
            backoff=self.backoff,
            say=self.say,
        )
        self._client.check(self.name)
        self._schema = Schema.of(self._client.schema())

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    def plan(self, calls: Sequence[Call], rows: int | None) -> Iterator[list[Call]]:
        """Some rounds of `concurrency` at a time, so that the journal is never far behind."""
        batches = list(super().plan(calls, rows or 4 * self.concurrency))
        for number, batch in enumerate(batches, 1):
            self._more = number < len(batches)
            yield batch

    def answer(self, calls: Sequence[Call], decoding: Decoding) -> list[Reply]:
        """One reply per call; a call that the server refuses for good is an error of its own sample.

        Raises Missing where the key is refused, or where the first requests of a run all fail alike and more are to
        come: then it is not the samples that are wrong.
        """
        if decoding.strategy == "beam":
            raise UsageError("a chat server has no beam search: choose decoding=greedy or nucleus")
        with ThreadPoolExecutor(self.concurrency) as threads:
            found = list(threads.map(lambda call: self._ask(call, decoding), calls))
        found = self._endings.counted(found, calls, partial(self._shorter, decoding))
        faults = [f for f in found if isinstance(f, Fault)]
        if len(faults) == len(found) and not self._answered and all(f.status == 403 for f in faults):
            raise self._refused(faults[0])
        if self._hopeless():
            fault, stops = self._faults[0], any(c.request.stop for c in calls) and self.send_stop
            hint = " (some servers fail on `stop`: model.send_stop=false)" if stops and fault.status == 500 else ""
            raise Missing(
                f"{self.base_url}: the first {len(self._faults)} requests all failed alike ({fault.said}): correct "
                f"that{hint}, then rerun the command"
            )
        return [self._unusable(f) if isinstance(f, Fault) else f for f in found]  # type: ignore[misc]  # as Model says

    def _hopeless(self) -> bool:
        """Whether a run has begun with nothing but one and the same failure that is not about single prompts."""
        with self._lock:
            if self._answered or not self._more or len(self._faults) < max(ENOUGH, self.concurrency):
                return False
            said = {f.said for f in self._faults}
        return len(said) == 1 and not any(word in next(iter(said)).lower() for word in OF_THE_PROMPT)

    def sent(self, call: Call, decoding: Decoding) -> list[Sent]:
        if call.request.continuations:
            return super().sent(call, decoding)
        return [Sent("", json.dumps(shortened(self._posted(call, decoding)), indent=1, ensure_ascii=False))]

    def _posted(self, call: Call, decoding: Decoding) -> dict[str, Any]:
        """Raises UsageError where the server cannot be asked like this."""
        path = TEXT if call.request.plain else CHAT
        made = self._schema.neutral(path, decoding) | body(self.name, call, decoding, stop=self.send_stop)
        if begun(call.request):
            if not self._schema.takes(CHAT, "continue_final_message") and "continue_final_message" not in self.extra:
                raise UsageError(
                    f"{self.base_url} does not say that it can continue a begun answer, as this task or method needs: "
                    "if it can, give model.extra={continue_final_message: true, add_generation_prompt: false}"
                )
            made |= BEGUN
        return {**made, **decoding.extra, **self.extra}

    def _ask(self, call: Call, decoding: Decoding) -> Reply | Exception:
        assert self._client is not None
        if self._hopeless():
            return self._faults[0]
        began = time.monotonic()
        try:
            found = self._likelihoods(call) if call.request.continuations else self._answer(call, decoding)
        except Fault as fault:
            self._count(requests=1, failed=1, retries=fault.tries - 1)
            if fault.status == 401:
                raise self._refused(fault) from fault
            with self._lock:
                self._faults += [] if self._answered else [fault]
            return fault
        except FATAL:
            raise
        except Exception as e:  # what cannot be sent (a picture, a lone surrogate) costs its own samples
            return e
        with self._lock:
            self._answered, self._faults = True, []
        return replace(found, latency=time.monotonic() - began)

    def _answer(self, call: Call, decoding: Decoding) -> Reply:
        """The reply, cut as one in process is. Raises Fault."""
        request = call.request
        found = self._post(TEXT if request.plain else CHAT, self._posted(call, decoding), reply)
        self._counted(found)
        for stop in request.stop:
            if stop in found.text:
                found = replace(found, text=found.text.split(stop, 1)[0], finish="stop")
        return found if request.plain else replace(found, text=found.text.strip(" "))

    def _shorter(self, decoding: Decoding, call: Call, tokens: int) -> Reply | None:
        """The same greedy answer, of at most so many tokens; None where the server gives none."""
        try:
            posted = self._posted(call, decoding) | {"max_tokens": tokens}
            found = self._post(TEXT if call.request.plain else CHAT, posted, reply)
        except Fault:
            return None
        self._counted(found)
        return found

    def _likelihoods(self, call: Call) -> Reply:
        """Raises Fault, and UsageError where the server's likelihoods cannot be relied upon."""

        def post(fields: Mapping[str, Any], made: Callable[[Any], Any]) -> Any:
            plain = self._schema.neutral(TEXT, Decoding())
            return self._post(TEXT, {"model": self.name, "temperature": 0, **plain, **fields, **self.extra}, made)

        with self._reading:
            if not self._reads:
                if reason := unreliable(post):
                    raise UsageError(f"{self.base_url} gives no reliable likelihoods ({reason}): {TAKE}")
                self._reads = True
        found = likelihoods(call.request, post)
        self._counted(found)
        return found

    def _post(self, path: str, fields: Mapping[str, Any], made: Callable[[Any], Made]) -> Made:
        assert self._client is not None
        answer: Answer[Made] = self._client.ask(path, dict(fields), made)
        self._count(requests=1, retries=answer.retries)
        return answer.made

    def _counted(self, found: Reply) -> None:
        """Add what the server says that it read and wrote: what it is paid for."""
        self._count(prompt_tokens=found.prompt_tokens, new_tokens=found.new_tokens)
        if found.thinking_tokens:
            self._count(thinking_tokens=found.thinking_tokens)

    def _unusable(self, fault: Fault) -> Unusable:
        tries = f" ({fault.tries} tries)" if fault.tries > 1 else ""
        return Unusable(f"{self.base_url}: {fault.said}{tries}")

    def _refused(self, fault: Fault) -> Missing:
        """The key is wrong, or there is none."""
        given = os.environ.get(self.key_env, "").strip()
        return Missing(
            f"{self.base_url} {'refuses the key' if given else 'asks for a key'} ({fault.said}): set {self.key_env} in "
            "the environment"
        )

    def _count(self, **more: int) -> None:
        with self._lock:
            self._work.update(more)

    def work(self) -> dict[str, int]:
        """requests, retries, failed, prompt_tokens, new_tokens, thinking_tokens; `microdollars` with prices."""
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
            "key": f"from ${self.key_env}" if os.environ.get(self.key_env, "").strip() else "none",
        }

"""A judge's replies on the disk: what was asked once is not asked again, whichever run it was for."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from harness.core.decoding import Decoding
from harness.core.errors import Unusable
from harness.core.model import Call, Model
from harness.core.types import Reply
from harness.runs.journal import lines, sealed

FORGOTTEN = "the judge's reply to this is not kept"


class Remembered(Model):
    """A model whose replies are kept in `path`, by the key of their request; it is loaded for the first new one.

    Args:
        model: Answers greedily, from the request alone.
        path: JSON lines, appended batch by batch. One file holds the replies of one judge (its fingerprint).
        ask: False: what is not kept is an error of its request, and the model is never loaded.
    """

    def __init__(self, model: Model, path: Path, say: Callable[[str], None] = lambda _: None, *, ask: bool = True):
        self.model, self.path, self.say, self.ask = model, path, say, ask
        self.name, self.reasoning, self.reads_pictures = model.name, model.reasoning, model.reads_pictures
        self.kept = _read(path)
        self.asked = self.recalled = 0
        """Requests that the model answered, and that it was not asked."""
        self._loaded = False

    def fingerprint(self) -> str:
        return self.model.fingerprint()

    def prepare(self, call: Call) -> None:
        if call.request.key not in self.kept and self.ask:
            self.model.prepare(call)

    def plan(self, calls: Sequence[Call], rows: int | None) -> Iterator[list[Call]]:
        known = [c for c in calls if c.request.key in self.kept]
        if known:
            yield known
        new = [c for c in calls if c.request.key not in self.kept]
        if new and not self.ask:
            yield new
        elif new:
            if not self._loaded:
                self.model.say = self.say
                self.model.load(())
                self._loaded = True
            yield from self.model.plan(new, rows)

    def answer(self, calls: Sequence[Call], decoding: Decoding) -> list[Reply]:
        if all(c.request.key in self.kept for c in calls):
            self.recalled += len(calls)
            return [self.kept[c.request.key] for c in calls]
        if not self.ask:
            return [Unusable(FORGOTTEN) for _ in calls]  # type: ignore[misc]  # as Model says
        replies = self.model.answer(calls, decoding)
        self.asked += len(calls)
        fresh = {c.request.key: r for c, r in zip(calls, replies, strict=True) if isinstance(r, Reply)}
        self._append(fresh)
        self.kept |= fresh
        return replies

    def work(self) -> dict[str, int]:
        return self.model.work() if self._loaded else {}

    def close(self) -> None:
        self.model.close()

    def _append(self, fresh: dict[str, Reply]) -> None:
        """One write for all of them, so that processes that judge side by side do not tear each other's lines."""
        if not fresh:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        data = "".join(f"{sealed(_row(key, reply))}\n" for key, reply in fresh.items()).encode()
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(file, data)
        except OSError as e:
            raise OSError(e.errno, e.strerror, str(self.path)) from e
        finally:
            os.close(file)


def _row(key: str, reply: Reply) -> dict[str, Any]:
    return {
        "id": key,
        "text": reply.text,
        "prompt_tokens": reply.prompt_tokens,
        "new_tokens": reply.new_tokens,
        "thinking_tokens": reply.thinking_tokens,
        "latency": round(reply.latency, 4),
        "finish": reply.finish,
    }


def _read(path: Path) -> dict[str, Reply]:
    """Whole lines alone: what was torn or damaged is asked again."""
    found: dict[str, Reply] = {}
    for _, line in lines(path):
        try:
            row = json.loads(line or b"")
            row.pop("crc32", None)
            key = str(row.pop("id"))
            found[key] = Reply(**row)
        except (ValueError, TypeError, KeyError, AttributeError):
            continue
    return found

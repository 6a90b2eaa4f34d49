"""The journal of a run: `samples.jsonl`, one finished sample a line, appended and flushed batch by batch.

A batch is one write(2), so that a kill leaves whole batches; a torn last line is cut off when the run resumes. Each
line ends in a checksum of what stands before it: a damaged line costs its own sample and no other. Lines of older
journals have none; they are taken as they are, as long as no line with a checksum stands before them.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

from harness.core.score import number, plain, text
from harness.core.types import Outcome, Reply, Result, Step
from harness.runs.files import append, write_lines

FILE = "samples.jsonl"
OPEN, CLOSE = b', "crc32": "', b'"}\n'
SEAL = len(OPEN) + 8 + len(CLOSE)
"""Bytes of a line's end: the checksum as the last field of its JSON."""
KINDS: dict[str, Any] = {
    **dict.fromkeys(("id", "cluster", "group"), (str, int, float)),
    **dict.fromkeys(("prompt", "finish"), str),
    **dict.fromkeys(("prompt_tokens", "new_tokens", "calls"), int),
    "latency": (int, float),
    "error": (dict, type(None)),
}
"""Field of a row -> what it may hold."""
FAILED = b'"scores": {}, "details": {}, "error": {'
"""What a row has that is an error; text cannot hold it, since its quotes are escaped."""
INNER = re.compile(re.escape(OPEN) + rb'([0-9a-f]{8})"\}')


def encode(result: Result) -> str:
    """One line of JSON (ASCII, no newline inside) that ends in its checksum."""
    outcome = result.outcome
    told = {} if result.replies is None else {"replies": [_told(r) for r in result.replies]}
    row = {
        "id": result.id,
        "group": result.group,
        "cluster": result.cluster,
        "target": result.target,
        "answer": outcome.answer if outcome else None,
        "verdict": outcome.verdict if outcome else None,
        "scores": dict(outcome.scores) if outcome else {},
        "details": dict(outcome.details) if outcome else {},
        "error": dict(result.error) if result.error else None,
        "prompt": result.prompt,
        "prompt_tokens": result.prompt_tokens,
        "new_tokens": result.new_tokens,
        "latency": result.latency,
        "finish": result.finish,
        "calls": result.calls,
        **told,
        **({"steps": [s.as_json() for s in outcome.steps]} if outcome and outcome.steps else {}),
        **({"asked": result.asked} if result.asked else {}),
        **({"thinking_tokens": result.thinking_tokens} if result.thinking_tokens else {}),
        **({"measures": list(result.measures)} if result.measures else {}),
    }
    return sealed(row)


def sealed(row: Mapping[str, Any]) -> str:
    """A row as a line of the journal, without its end."""
    try:
        text = json.dumps(row, allow_nan=False)
    except (TypeError, ValueError):  # what a task gave as a target
        text = json.dumps(plain(row), allow_nan=False)
    return f'{text[:-1]}, "crc32": "{crc32(text[:-1].encode()):08x}"}}'


def decode(row: dict[str, Any]) -> Result:
    """Raises KeyError, TypeError, ValueError where it is not a row, or a score is not a finite number."""
    for name, kind in KINDS.items():
        if not isinstance(row[name], kind):
            raise TypeError(f"its {name} is {row[name]!r:.40}")
    number("latency", row["latency"])
    outcome = None
    if row["error"] is not None:
        str(row["error"]["message"])
    else:
        if not isinstance(row["details"], dict):
            raise TypeError("its details are not an object")
        scores = {name: number(name, value) for name, value in row["scores"].items()}
        steps = tuple(Step.of(s) for s in row.get("steps") or ())
        outcome = Outcome(text(row["answer"]), scores, text(row["verdict"]), row["details"], steps)
    costs = {k: row[k] for k in ("prompt", "prompt_tokens", "new_tokens", "latency", "finish", "calls")}
    told = row.get("replies")
    replies = None if told is None else tuple(r if isinstance(r, dict) else Reply(*r[:3], finish=r[3]) for r in told)
    more = {"replies": replies, "asked": row.get("asked", ""), "thinking_tokens": row.get("thinking_tokens", 0)}
    more["measures"] = tuple(map(str, row.get("measures", ())))
    return Result(row["id"], row["cluster"], row["group"], row["target"], outcome, row["error"], **costs, **more)


def _told(reply: Reply | Mapping[str, str]) -> Any:
    """A reply as [text, prompt tokens, new tokens, finish]; a failed call as its error."""
    if isinstance(reply, Reply):
        return [reply.text, reply.prompt_tokens, reply.new_tokens, reply.finish]
    return dict(reply)


class Journal:
    """Appends results. On opening, reports what is already there, and leaves out a torn tail and damaged lines."""

    def __init__(
        self, path: Path, *, drop_errors: bool = False, incomplete: Callable[[Result], bool] = lambda _: False
    ):
        """`drop_errors`, `incomplete`: which results are left out as well, so that they are asked again."""
        self.path = path
        self.faults: list[str] = []
        """One phrase for each damaged line."""
        leaving = sum((drop_errors and bool(r.error)) or incomplete(r) for r in _sound(path, self.faults))
        torn = _torn(path)
        if self.faults or leaving or any(_inner(torn)):
            write(path, (r for r in _sound(path, []) if not (drop_errors and r.error) and not incomplete(r)))
        elif torn:
            os.truncate(path, path.stat().st_size - len(torn))
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        self._end = os.fstat(self._file).st_size

    @property
    def finished(self) -> list[Result]:
        """The results that are there."""
        return [result for _, result in self.rows()]

    def rows(self) -> Iterator[tuple[int, Result]]:
        """The results that are there, with the place where the line of each begins."""
        place = 0
        with self.path.open("rb") as file:
            for line in file:
                if line.strip():
                    yield place, decode(json.loads(line))
                place += len(line)

    def at(self, place: int) -> Result:
        """The result whose line begins there."""
        with self.path.open("rb") as file:
            file.seek(place)
            return decode(json.loads(file.readline()))

    def append(self, results: Iterable[Result]) -> list[int]:
        """One write for all of them; on the disk when this returns. Where their lines begin."""
        lines, places = [encode(r) + "\n" for r in results], []
        for line in lines:
            places.append(self._end)
            self._end += len(line)
        append(self._file, "".join(lines).encode(), self.path)
        return places

    def close(self) -> None:
        os.close(self._file)


def write(path: Path, results: Iterable[Result]) -> None:
    """A whole journal at once."""
    write_lines(path, (encode(r) for r in results))


def read(path: Path) -> list[Result]:
    """The sound rows of a journal; none where there is no journal."""
    return scan(path)[0]


def scan(path: Path) -> tuple[list[Result], list[str]]:
    """The sound rows of a journal, and one phrase for each damaged line. A torn last line is none of them."""
    faults: list[str] = []
    return list(_sound(path, faults)), faults


def _sound(path: Path, faults: list[str]) -> Iterator[Result]:
    """The sound rows, one by one; a phrase for each damaged line is added to `faults`."""
    for number_, line in lines(path):
        try:
            if line is None:
                raise ValueError("its checksum is wrong")
            found = decode(json.loads(line))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
            why = str(e) if isinstance(e, ValueError) and not isinstance(e, json.JSONDecodeError) else "not a sample"
            faults.append(f"line {number_} is damaged ({why})")
        else:
            yield found


def progress(path: Path) -> tuple[int, int]:
    """How many rows there are, and how many of them are errors, told by their form: a million takes a second."""
    rows = errors = 0
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        for line in file:
            if line.startswith(b"{") and line.endswith(b"}\n"):
                rows += 1
                errors += FAILED in line
    return rows, errors


def requests(path: Path, beyond: int) -> tuple[int, int]:
    """What the rows beyond a number asked for, and asked a model: equal requests are asked once."""
    made = asked = rows = 0
    known = set[int]()
    for _, line in lines(path):
        try:
            row = json.loads(line or b"")
            calls, prompt = int(row["calls"]), hash(row["prompt"])
        except (ValueError, KeyError, TypeError, RecursionError):
            continue
        rows += 1
        if rows > beyond:
            made += calls
            asked += 0 if prompt in known else calls
            known.add(prompt)
    return made, asked


def intact(path: Path) -> int | None:
    """The number of rows, where every line is whole and has a checksum that is right; otherwise None."""
    if not path.exists():
        return 0
    with path.open("rb") as file:
        count = 0
        for line in file:
            if not _seal(line):
                return None
            count += 1
    return count


def holds(path: Path, *fields: str) -> bool:
    """Whether some row may have one of these fields, told without reading rows one by one."""
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            return any(data.find(f'"{name}":'.encode()) >= 0 for name in fields)
    except (OSError, ValueError):  # not there, or empty
        return False


def lines(path: Path) -> Iterator[tuple[int, bytes | None]]:
    """(number of its line, the text) of each row that is not known to be damaged; the text is None for a damaged line.

    Rows with a right checksum inside a damaged line, as where a line's end was lost, are given first.
    """
    if not path.is_file():
        return
    known = False
    with path.open("rb") as file:
        for number_, line in enumerate(file, 1):
            whole = line.endswith(b"\n")
            right = _seal(line)
            if right or (right is None and not known and whole):
                known = known or bool(right)
                if line.strip():
                    yield number_, line
                continue
            inner = list(_inner(line))
            known = known or bool(inner)
            yield from ((number_, row) for row in inner)
            if whole:
                yield number_, None


def decoded(line: bytes) -> Result | None:
    """The row of one whole line with its end; None for a damaged one."""
    if _seal(line) is False:
        return None
    try:
        return decode(json.loads(line))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def _seal(line: bytes) -> bool | None:
    """Whether a line's checksum is right; None where it has none."""
    seal = line[-SEAL:]
    if not (seal.startswith(OPEN) and seal.endswith(CLOSE)):
        return None
    return b"%08x" % crc32(line[:-SEAL]) == seal[len(OPEN) : -len(CLOSE)]


def _inner(line: bytes) -> Iterator[bytes]:
    """Rows with a right checksum anywhere in a line."""
    starts = [m.start() for m in re.finditer(rb'\{"id": ', line)]
    for end in INNER.finditer(line):
        for start in starts:
            if start < end.start() and b"%08x" % crc32(line[start : end.start()]) == end[1]:
                yield line[start : end.end()]
                break


def _torn(path: Path) -> bytes:
    """What follows the last whole line."""
    last = b""
    if path.exists():
        with path.open("rb") as file:
            for line in file:
                last = line
    return b"" if last.endswith(b"\n") else last

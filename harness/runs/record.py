"""The record of a run, `run.json`: what ran, on what, and what it came to. It is read and written here alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from harness.core.errors import INCOMPLETE, HarnessError
from harness.core.score import Score
from harness.runs import journal
from harness.runs.files import held, write_json

FILE = "run.json"
SCHEMA = 1
"""The newest version of run.json that is understood, and the one that is written."""


class Damaged(HarnessError):
    """A record that cannot be understood. The message names its file where that is known."""

    exit_code = INCOMPLETE


class Misplaced(HarnessError):
    """A folder that is not named as the run whose record it holds: a copy, which would count as a second run."""

    exit_code = INCOMPLETE


class Status(StrEnum):
    """Where a run stands. In `run.json`, `running` is also what a killed run says: see `read`."""

    RUNNING = "running"
    INTERRUPTED = "interrupted"
    DONE = "done"
    PARTIAL = "partial"
    """Over, with error rows."""
    FAILED = "failed"
    """Over, with nothing but error rows."""

    @property
    def ended(self) -> bool:
        """Whether the run is over, so that its metrics are current."""
        return self in (Status.DONE, Status.PARTIAL, Status.FAILED)

    @property
    def scored(self) -> bool:
        """Whether the run is over and has scores to compare."""
        return self in (Status.DONE, Status.PARTIAL)


@dataclass(frozen=True)
class Counts:
    """Samples planned, finished, and ended in an error row; requests made, and those that a model really answered
    (None where that is unknown, as in imported runs)."""

    samples: int = 0
    done: int = 0
    errors: int = 0
    requests: int | None = None
    asked: int | None = None


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """Everything that run.json says, in the order in which it is written.

    Times are ISO 8601 in UTC. A field that an older record lacks holds its default; `more` keeps the fields that this
    version does not know.
    """

    schema: int = SCHEMA
    run: str = ""
    """The name of the run's directory."""
    status: Status
    task: str
    task_version: str = ""
    cluster: str = ""
    """What the samples of a cluster share, in a word."""
    scores: tuple[Score, ...] = ()
    data: str = "default"
    model: str
    model_fingerprint: str = ""
    method: str
    """The methods' names joined by "+"; "vanilla" for none."""
    methods: list[str] = field(default_factory=list)
    decoding: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    limit: int | None = None
    identity: dict[str, Any] = field(default_factory=dict)
    """Everything that can change an answer or a score: see `harness.runs.identity`."""
    code: dict[str, dict[str, str]] = field(default_factory=dict)
    """`answers`, `scores`: the files behind them, with their digests."""
    config: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    rescored_from: str | None = None
    """The run whose answers were rescored."""
    command: str = ""
    started: str | None = None
    finished: str | None = None
    wall_seconds: float | None = None
    cpu_seconds: float | None = None
    work: dict[str, Any] = field(default_factory=dict)
    """What the model counted (passes, positions, tokens ...), over `samples` samples."""
    peak_memory_bytes: int | None = None
    counts: Counts = Counts()
    readings: int | None = None
    """Samples whose readings are stored, of a run with probes."""
    task_facts: dict[str, Any] = field(default_factory=dict)
    calibrations: list[dict[str, Any]] = field(default_factory=list)
    model_facts: dict[str, Any] = field(default_factory=dict)
    errors: list[tuple[str, int]] = field(default_factory=list)
    """The most frequent error messages, with how often each occurred."""
    sequential: dict[str, Any] | None = None
    """The verdict of a run that was stopped early."""
    stopped: str = ""
    """Why the run ended before its last sample, where an error ended it."""
    judge: dict[str, Any] | None = None
    """Who graded the answers, how it agrees with exact scores, and its cost: `harness.judge.report`."""
    more: dict[str, Any] = field(default_factory=dict)
    absent: frozenset[str] = frozenset({"rescored_from", "sequential", "stopped", "judge", "readings"})
    """Fields that are not written while they hold their defaults: of a record that was read, those it did not have."""

    @property
    def imported(self) -> dict[str, Any]:
        """The tool, its version and its files, of a run that was imported."""
        return _mapping(self.config.get("imported")) or {}

    def settings(self, group: str) -> dict[str, Any]:
        """The part of the configuration that a group's plug-in was made of: of task, model or method."""
        return _mapping(self.config.get(group)) or {}

    @property
    def asked(self) -> dict[str, Any]:
        """What was asked and how it was scored: the task's part of the identity."""
        return _mapping(self.identity.get("task")) or {}

    @property
    def offset(self) -> int | None:
        """Samples that a draw left out; None for none."""
        return _integer(self.identity.get("offset"))

    @property
    def ids(self) -> str | None:
        """What `ids=` selected, in words that are equal for equal selections; None without a selection."""
        found = _mapping(self.identity.get("ids"))
        return f"{found.get('count')} samples by id {str(found.get('digest'))[:6]}" if found else None

    @property
    def system(self) -> str | None:
        """The system message before every question."""
        return _text(self.identity.get("system"))

    @property
    def fewshot(self) -> str | None:
        """The examples before every question, in words that are equal for equal ones; None without any."""
        found = _mapping(self.identity.get("fewshot"))
        return f"{found.get('count')} examples {str(found.get('digest'))[:6]}" if found else None

    @property
    def fingerprint(self) -> str | None:
        """Of the task's records and settings."""
        return self.asked.get("fingerprint")

    @property
    def scored_by(self) -> str | None:
        """Digest of the code that scored. Older records do not tell."""
        return self.asked.get("code")

    @property
    def hardware(self) -> dict[str, Any]:
        return _mapping(self.environment.get("hardware")) or {}

    @property
    def packages(self) -> dict[str, Any]:
        return _mapping(self.environment.get("packages")) or {}

    @property
    def git(self) -> dict[str, Any]:
        """`commit`, `committed`, `dirty`; empty outside a checkout, and where the run was imported."""
        return _mapping(self.environment.get("git")) or {}

    @classmethod
    def of(cls, value: Any) -> RunRecord:
        """The record that JSON holds. Raises Damaged with a phrase: "names no task"."""
        if not isinstance(value, Mapping):
            raise Damaged(f"holds {type(value).__name__}, not dict")
        schema = value.get("schema", SCHEMA)
        if not isinstance(schema, int) or schema > SCHEMA:
            raise Damaged(f"has schema {schema}, this harness supports {SCHEMA}: update harness")
        for key in ("status", "task", "model", "method"):
            if not isinstance(value.get(key), str):
                raise Damaged(f"names no {key}")
        if value["status"] not in tuple(Status):
            raise Damaged(f"has the unknown status {value['status']!r}: update harness")
        found = {k: read(value[k]) for k, read in _READERS.items() if k in value}
        return cls(
            **{k: v for k, v in found.items() if v is not None},
            more={k: v for k, v in value.items() if k not in _READERS},
            absent=frozenset(_READERS.keys() - value.keys()),
        )

    def as_json(self) -> dict[str, Any]:
        """The record as JSON, which `of` reads back."""
        known = {k: getattr(self, k) for k in _READERS}
        kept = {k: v for k, v in known.items() if k not in self.absent or v != _DEFAULTS[k]}
        return {k: _plain(v) for k, v in kept.items()} | self.more


def read(folder: Path) -> RunRecord | None:
    """The record of the run in a folder, None before the run has begun. Raises Damaged, and Misplaced in a folder with
    another name than the run.

    A run that says that it is running is interrupted where no process holds it, and its journal is what it has come to.
    """
    found = _written(folder)
    if found is None or found.status is not Status.RUNNING:
        return found
    done, errors = journal.progress(folder / journal.FILE)
    status = Status.RUNNING if held(folder) else Status.INTERRUPTED
    return replace(found, status=status, counts=replace(found.counts, done=done, errors=errors))


def requests_so_far(folder: Path) -> tuple[int, int]:
    """Requests of all sessions, and those that a model answered; those of a killed session are taken from its rows.
    Raises as `read` does."""
    found = _written(folder)
    made, asked = (found.counts.requests or 0, found.counts.asked or 0) if found else (0, 0)
    if found and found.status is Status.RUNNING:
        more = journal.requests(folder / journal.FILE, found.counts.done)
        made, asked = made + more[0], asked + more[1]
    return made, asked


def _written(folder: Path) -> RunRecord | None:
    path = folder / FILE
    try:
        found = RunRecord.of(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return None
    except OSError as e:
        raise Damaged(f"{path} cannot be read ({e.strerror or e})") from e
    except (ValueError, RecursionError) as e:
        raise Damaged(f"{path} is not valid JSON ({e})") from e
    except Damaged as e:
        raise Damaged(f"{path} {e}") from e
    if found.run != folder.absolute().name:
        raise Misplaced(f"{folder}: its {FILE} is of run {found.run}: rename the folder to match, or delete the copy")
    return found


def write(folder: Path, record: RunRecord) -> None:
    write_json(folder / FILE, record.as_json())


def now() -> str:
    """This second in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _plain(value: Any) -> Any:
    match value:
        case Status():
            return value.value
        case Counts():
            return {k: v for k, v in asdict(value).items() if v is not None}
        case tuple():
            return [asdict(v) if isinstance(v, Score) else v for v in value]
        case list():
            return [list(v) if isinstance(v, tuple) else v for v in value]
        case _:
            return value


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value)


def _texts(value: Any) -> list[str] | None:
    return [str(v) for v in value] if isinstance(value, list) else None


def _mapping(value: Any) -> dict[str, Any] | None:
    return value if isinstance(value, dict) else None


def _mappings(value: Any) -> list[dict[str, Any]] | None:
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else None


def _integer(value: Any) -> int | None:
    return value if isinstance(value, int) else None


def _number(value: Any) -> float | None:
    return value if isinstance(value, int | float) else None


def _counts(value: Any) -> Counts:
    found = _mapping(value) or {}
    given = {f.name: found[f.name] for f in fields(Counts) if isinstance(found.get(f.name), int)}
    return Counts(**given)


def _scores(value: Any) -> tuple[Score, ...]:
    names = [f.name for f in fields(Score)]
    return tuple(Score(**{k: d[k] for k in names if k in d}) for d in _mappings(value) or [] if "name" in d)


def _errors(value: Any) -> list[tuple[str, int]]:
    pairs = value if isinstance(value, list) else []
    return [(str(p[0]), int(p[1])) for p in pairs if isinstance(p, list) and len(p) == 2 and isinstance(p[1], int)]


def _default(name: str) -> Any:
    made = next(f for f in fields(RunRecord) if f.name == name)
    return made.default_factory() if made.default_factory is not MISSING else made.default


_KINDS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("schema", "seed", "limit", "peak_memory_bytes", "readings"), _integer),
    **dict.fromkeys(("wall_seconds", "cpu_seconds"), _number),
    **dict.fromkeys(("methods",), _texts),
    **dict.fromkeys(("decoding", "identity", "code", "config", "environment", "work", "sequential", "judge"), _mapping),
    **dict.fromkeys(("task_facts", "model_facts"), _mapping),
    "status": Status,
    "scores": _scores,
    "counts": _counts,
    "calibrations": _mappings,
    "errors": _errors,
}
_READERS = {f.name: _KINDS.get(f.name, _text) for f in fields(RunRecord) if f.name not in ("more", "absent")}
_DEFAULTS = {name: _default(name) for name in _READERS}

"""What probes read in a run: `readings.parquet` in its directory, one row a reading of a sample.

While the run plays they are appended to `readings.jsonl`, before the samples' own lines: a kill loses no reading of a
finished sample. When it is over they become one Parquet file, and the log goes. Of a sample that is in both, or twice,
the last rows count.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass, replace
from heapq import nsmallest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.core.errors import first_line
from harness.core.readings import Reading
from harness.core.types import Result
from harness.runs import journal
from harness.runs.files import append, sync
from harness.runs.record import Damaged

if TYPE_CHECKING:
    import pyarrow as pa

FILE, LOG = "readings.parquet", "readings.jsonl"
ROWS = 20_000
"""Rows that are written at once."""
BARE = ""
"""Name of the row of a sample of which probes read nothing, so that it is not asked again."""

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Kept:
    """Which samples keep full arrays; the others keep numbers, and one number a layer."""

    ids: Set[str]

    def of(self, result: Result) -> dict[str, Reading]:
        """The readings of a sample that are stored."""
        return {n: r for n, r in result.readings.items() if r.small or result.id in self.ids}


def chosen(ids: Iterable[str], keep: int) -> Kept:
    """`keep` of these samples by the hash of their id: the same in every run of them, and spread over clusters."""
    by = nsmallest(keep, ids, key=lambda i: hashlib.sha256(str(i).encode("utf-8", "surrogatepass")).digest())
    return Kept(frozenset(by))


class Recorder:
    """Takes readings off results as they are finished, and writes them down."""

    def __init__(self, folder: Path, kept: Kept):
        self.folder, self.kept = folder, kept
        self.ids = {str(i) for i in ids(folder)}
        """Samples whose readings are there."""

    def take(self, results: Sequence[Result], probing: bool) -> list[Result]:
        """The results without their readings, which are on the disk when this returns. `probing`: the run has probes,
        so that a sample without a reading is noted as such."""
        lines = []
        for r in results:
            if r.outcome and (r.readings or probing):
                own = [_row(name, one) for name, one in self.kept.of(r).items()]
                lines.append(journal.sealed({"id": r.id, "rows": own}) + "\n")
                self.ids.add(str(r.id))
        if lines:
            _append(self.folder / LOG, "".join(lines).encode())
        return [replace(r, readings={}) if r.readings else r for r in results]

    def finish(self, finished: Iterable[str]) -> int | None:
        """Make one Parquet file of the log and of what was there; how many of the finished samples it holds, None where
        the run has no readings at all."""
        log, path = self.folder / LOG, self.folder / FILE
        if not log.exists() and not path.exists():
            return None
        wanted = {str(i) for i in finished}
        if log.exists():
            import pyarrow.parquet as pq

            fresh = path.with_name(f".{path.name}.{os.getpid()}")
            try:
                with pq.ParquetWriter(fresh, _schema(), compression="zstd") as out:
                    for part in parts(rows(self.folder, wanted)):
                        out.write_table(as_table(part))
                with fresh.open("rb+") as file:
                    os.fsync(file.fileno())
                fresh.replace(path)
            finally:
                fresh.unlink(missing_ok=True)
            sync(self.folder)
            log.unlink()
        return len(self.ids & wanted) if path.exists() else None


def read(folder: Path, name: str | None = None) -> dict[str, dict[str, Reading]]:
    """Readings of a run by sample and name, `probe.name`; finished or not. Empty where it has none. `name`: that one
    alone, of the samples that have it."""
    found: dict[str, dict[str, Reading]] = {}
    for row in rows(folder, name=name):
        one = found.setdefault(row["id"], {})
        if row["name"] != BARE:
            one[row["name"]] = reading(row)
    return found


def reading(row: Mapping[str, Any]) -> Reading:
    """Of one row of the file."""
    import numpy as np

    values = np.array(row["values"], np.float32) if row["axes"] else np.float32(_or_nan(row["value"]))
    box = tuple(row["box"]) if row["box"] else None
    return Reading(np.reshape(values, row["shape"]), tuple(row["axes"]), box, ends(row))  # type: ignore[arg-type]


def ends(row: Mapping[str, Any]) -> tuple[float, float]:
    """`Reading.within`. Files of earlier versions do not say."""
    low, high = row.get("within") or (None, None)
    return -math.inf if low is None else low, math.inf if high is None else high


def ids(folder: Path) -> set[str]:
    """The samples of which a run has readings."""
    found = {row["id"] for row in _logged(folder)}
    path = folder / FILE
    if path.exists():
        import pyarrow.parquet as pq

        try:
            found |= set(pq.read_table(path, columns=["id"]).column("id").unique().to_pylist())
        except (OSError, ValueError):  # cut short: they are asked again
            path.unlink()
    return found


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """Raises Damaged where the file is read and was cut short."""
    try:
        yield
    except (OSError, ValueError) as e:  # Arrow's errors are of these
        raise Damaged(f"{path} cannot be read ({first_line(e)}): delete it, and the run's command reads it anew") from e


def copy(folder: Path, to: Path) -> None:
    """The readings of an ended run to another run's folder, whose samples are the same."""
    for name in (FILE, LOG):
        if (folder / name).exists():
            (to / name).write_bytes((folder / name).read_bytes())


def table(folder: Path) -> pa.Table:
    """The rows of the file: id, name, axes, shape, box, value and values; none where there are no readings."""
    import pyarrow as pa

    found = [as_table(part) for part in parts(r for r in rows(folder) if r["name"] != BARE)]
    return (pa.concat_tables(found) if found else _schema().empty_table()).drop_columns(["within"])


def _row(name: str, reading: Reading) -> dict[str, Any]:
    """A reading as JSON."""
    shape = list(reading.values.shape)
    data = base64.b64encode(zlib.compress(reading.packed().astype("<f4").tobytes(), 1)).decode()
    box = {"box": list(reading.box)} if reading.box else {}
    within = [v if math.isfinite(v) else None for v in reading.within]
    more = {"within": within} if any(v is not None for v in within) else {}
    return {"name": name, "axes": list(reading.axes), "shape": shape, "data": data, **box, **more}


def rows(folder: Path, wanted: Set[str] | None = None, name: str | None = None) -> Iterator[dict[str, Any]]:
    """Rows of the Parquet file, then those of the log, which replace a sample's rows as a whole. `wanted`: samples;
    `name`: one reading."""
    last = {row["id"]: number for number, row in enumerate(_logged(folder))}
    path = folder / FILE
    if path.exists():
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        with whole(path), pq.ParquetFile(path) as file:
            for part in file.iter_batches(batch_size=ROWS):
                kept = part if name is None else part.filter(pc.equal(part.column("name"), name))  # type: ignore[attr-defined]
                for row in kept.to_pylist():
                    if row["id"] not in last and (wanted is None or row["id"] in wanted):
                        yield row
    for number, line in enumerate(_logged(folder)):
        if last[line["id"]] != number or (wanted is not None and line["id"] not in wanted):
            continue
        for row in line["rows"] or [{"name": BARE, "axes": [], "shape": [], "data": None}]:
            if name in (None, row["name"]):
                yield _unpacked(line["id"], row)


def _unpacked(sample: str, row: Mapping[str, Any]) -> dict[str, Any]:
    import numpy as np

    data = row["data"]
    values = np.frombuffer(zlib.decompress(base64.b64decode(data)), "<f4") if data else np.array([np.nan], np.float32)
    value = Reading(values, ("unit",)).value
    flat = values.tolist() if row["axes"] else None
    shape, box = list(row["shape"]), row.get("box")
    made = {"id": sample, "name": row["name"], "axes": list(row["axes"]), "shape": shape, "box": box}
    made |= {"within": row.get("within")}
    return {**made, "value": None if math.isnan(value) else value, "values": flat}


def _logged(folder: Path) -> Iterator[dict[str, Any]]:
    """The sound lines of the log: the last one of a killed run may be torn, and its sample is not in the journal."""
    for _, line in journal.lines(folder / LOG):
        if line is not None:
            row = json.loads(line)
            yield {**row, "id": str(row["id"])}


def parts(rows: Iterable[dict[str, Any]]) -> Iterator[Rows]:
    """Lists of rows, none of which holds very many numbers."""
    part: Rows = []
    size = 0
    for row in rows:
        part.append(row)
        size += 1 + len(row["values"] or ())
        if size > ROWS * 50 or len(part) >= ROWS:
            yield part
            part, size = [], 0
    if part:
        yield part


def _schema() -> pa.Schema:
    import pyarrow as pa

    texts, numbers = pa.list_(pa.string()), pa.list_(pa.float32())
    return pa.schema(
        [
            ("id", pa.string()),
            ("name", pa.string()),
            ("axes", texts),
            ("shape", pa.list_(pa.int32())),
            ("box", numbers),
            ("value", pa.float64()),
            ("values", numbers),
            ("within", pa.list_(pa.float64())),
        ]
    )


def as_table(rows: Rows) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_pylist(rows, _schema())


def _append(path: Path, data: bytes) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        append(handle, data, path)
    finally:
        os.close(handle)


def _or_nan(value: float | None) -> float:
    return math.nan if value is None else value

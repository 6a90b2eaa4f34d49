"""Answers from a file: scores outputs that another program has written."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from harness.core.decoding import Decoding
from harness.core.errors import Missing, Unusable, UsageError
from harness.core.model import Call, Model
from harness.core.task import Task
from harness.core.types import Reply, Sample

IDS = ("sample", "sample_id", "id", "question_id", "image_id", "doc_id")
ANSWERS = ("answer", "text", "response", "output", "outputs", "prediction", "pred", "caption")
SPLITS = ("group", "split", "category")
IMAGES = ("image", "image_name", "file_name", "image_file")


class Replay(Model):
    """Looks each sample's answer up by its id.

    A row names its sample by `sample.id` itself, or by the record's own id (`question_id`) together with a split
    (`category`, `split`) where the task has several. A row that also names an image must name the sample's image:
    answers in another order are refused, never zipped by position.
    """

    reads_samples = True
    reads_pictures = False

    def __init__(
        self,
        name: str,
        family: str | None,
        data: str,
        path: str,
        of: str | None,
        id_field: str | None,
        answer_field: str | None,
    ):
        self.name = of or name
        self.family, self.data = family, data
        self.path, self.id_field, self.answer_field = Path(path), id_field, answer_field
        if not self.path.is_file():
            raise Missing(
                f"model.path={path} is not a file: give the file with the answers (JSONL, JSON, CSV, Parquet)"
            )
        self._digest = hashlib.sha256(self.path.read_bytes()).hexdigest()
        self._answers: dict[str, str] = {}

    def fingerprint(self) -> str:
        return f"{self._digest}:{self.id_field}:{self.answer_field}"

    def bind(self, task: Task) -> None:
        rows = list(_rows(self.path))
        if not rows:
            raise UsageError(f"{self.path} holds no answers: it has no rows")
        id_field = self.id_field or _field(rows[0], IDS, self.path, "id")
        answer_field = self.answer_field or _field(
            rows[0], tuple(k for k in ANSWERS if k != id_field), self.path, "answer"
        )
        names = _names(task.samples())
        for number, row in enumerate(rows, 1):
            where = f"{self.path}, row {number}"
            if id_field not in row:
                raise UsageError(f"{where} has no field {id_field}: every row must name its sample")
            sample = _find(row, str(row[id_field]), names, where)
            if sample is None:
                continue
            _same_image(row, sample, where)
            text = row.get(answer_field)
            text = text[0] if isinstance(text, list) and len(text) == 1 else text
            if not isinstance(text, str):
                continue
            if self._answers.setdefault(sample.id, text) != text:
                raise UsageError(f"{where} answers {sample.id} a second time and differently: remove one of them")
        if not self._answers:
            raise UsageError(
                f"none of the {len(rows)} rows in {self.path} names a sample of task={task.name}: "
                f"{id_field}={rows[0][id_field]!r}, samples are called like {next(iter(names))!r}"
            )

    def answer(self, calls: Sequence[Call], decoding: Decoding) -> list[Reply]:
        return [Reply(self._text(call.sample), finish="given") for call in calls]

    def _text(self, sample: Sample) -> str:
        if sample.id not in self._answers:
            raise Unusable(f"{self.path.name} has no text answer for sample {sample.id}")
        return self._answers[sample.id]

    def plan(self, calls: Sequence[Call], rows: int | None) -> Any:
        """Samples without an answer are batches of their own, so that they cost one lookup each."""
        yield from super().plan([c for c in calls if c.sample.id in self._answers], rows)
        for call in calls:
            if call.sample.id not in self._answers:
                yield [call]


def _names(samples: Iterable[Sample]) -> dict[str, list[Sample]]:
    """Every name under which a row may mean a sample."""
    names: dict[str, list[Sample]] = {}
    for sample in samples:
        own = sample.data.get("question_id")
        for name in dict.fromkeys(str(n) for n in (sample.id, own) if n is not None):
            names.setdefault(name, []).append(sample)
    return names


def _find(row: dict[str, Any], name: str, names: dict[str, list[Sample]], where: str) -> Sample | None:
    found = names.get(name, [])
    splits = {str(row[k]) for k in SPLITS if row.get(k) is not None}
    if len(found) > 1 and splits:
        found = [s for s in found if s.group in splits]
    if len(found) > 1:
        groups = sorted({s.group for s in found})
        raise UsageError(
            f"{where} may mean {len(found)} samples (of {', '.join(groups)}): add a field split to the rows, "
            f"or choose one, for example task.splits=[{groups[0]}]"
        )
    if (
        found
        and splits
        and not (splits & {s.group for s in found})
        and splits & {s.group for v in names.values() for s in v}
    ):
        return None
    return found[0] if found else None


def _same_image(row: dict[str, Any], sample: Sample, where: str) -> None:
    theirs = next((row[k] for k in IMAGES if isinstance(row.get(k), str)), None)
    ours = sample.data.get("image")
    if isinstance(theirs, str) and isinstance(ours, str) and _stem(theirs) != _stem(ours):
        raise UsageError(
            f"{where} names image {theirs}, but sample {sample.id} shows {ours}: the ids do not belong together"
        )


def _stem(name: str) -> str:
    return Path(name).stem


def _field(row: dict[str, Any], known: Sequence[str], path: Path, what: str) -> str:
    for name in known:
        if name in row:
            return name
    raise UsageError(
        f"{path} has no field for the {what} (fields: {', '.join(row)}): name it by model.{what}_field=FIELD"
    )


def _rows(path: Path) -> Iterable[dict[str, Any]]:
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            import pyarrow.parquet as pq

            yield from pq.read_table(path).to_pylist()
        elif suffix == ".csv":
            with path.open(newline="", encoding="utf-8") as file:
                yield from csv.DictReader(file)
        else:
            text = path.read_text(encoding="utf-8")
            if text.lstrip().startswith("["):
                yield from json.loads(text)
            else:
                for line in text.splitlines():
                    if line.strip():
                        yield json.loads(line)
    except (ValueError, OSError) as e:
        raise UsageError(f"{path} cannot be read as {suffix.lstrip('.') or 'JSON lines'}: {e}") from e

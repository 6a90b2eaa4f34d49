"""What methods calibrate themselves on: annotated pictures, or questions with their answers."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError, first_line, not_json
from harness.core.files import DIGESTS
from harness.core.picture import Picture

EMBEDDED = Path(__file__).resolve().parents[1] / "tasks" / "pope" / "calibration" / "images.parquet"
"""Generated scenes whose seeds no evaluation uses."""


@dataclass(frozen=True)
class Data:
    """Annotated pictures by name: `embedded`, a Parquet file, or a JSONL file beside its pictures; or questions.

    A row has `objects` (names of the categories shown) and the picture: `bytes`, or `image`, a path relative to the
    file. Or it has `prompt` and `answer`.
    """

    name: str

    @property
    def path(self) -> Path:
        return EMBEDDED if self.name == "embedded" else Path(self.name)

    def fingerprint(self) -> str:
        """Digest of the table and of the pictures that it names by path. Raises UsageError where there is no table."""
        if not self.path.is_file():
            raise UsageError(
                f"calibration={self.name} is not a file: give embedded, or a .jsonl or .parquet file with a row "
                "{image, objects} per picture, or {prompt, answer} per question"
            )
        table = DIGESTS.of(self.path)
        files = [p.source for p, _ in self.pictures() if isinstance(p.source, Path)]
        if not files:
            return table
        marks = [DIGESTS.of(f) if f.is_file() else "absent" for f in files]
        return hashlib.sha256(json.dumps([table, marks]).encode()).hexdigest()

    def pictures(self) -> list[tuple[Picture, tuple[str, ...]]]:
        """None where the file holds questions. Raises UsageError where a row lacks a field."""
        out = []
        for number, row in enumerate(self._rows(), 1):
            if isinstance(row, dict) and "prompt" in row:
                return []
            if not isinstance(row, dict) or not isinstance(row.get("objects"), list) or "image" not in row:
                raise UsageError(f"{self.path}, row {number}: needs image (a path) and objects (a list of names)")
            source = row.get("bytes") or self.path.parent / str(row["image"])
            out.append((Picture(source), tuple(map(str, row["objects"]))))
        if not out:
            raise UsageError(f"{self.path} holds no pictures to calibrate on")
        return out

    def questions(self) -> list[tuple[str, str]]:
        """(prompt, answer) of each row; none where the file holds pictures. Raises UsageError where a row lacks one."""
        rows = [] if self.name == "embedded" else self._rows()
        if not any(isinstance(row, dict) and "prompt" in row for row in rows):
            return []
        for number, row in enumerate(rows, 1):
            texts = [row.get(k) for k in ("prompt", "answer")] if isinstance(row, dict) else []
            if not all(isinstance(t, str) and t.strip() for t in texts or [None]):
                raise UsageError(f"{self.path}, row {number}: needs prompt and answer, two texts")
        return [(row["prompt"], row["answer"]) for row in rows]

    def _rows(self) -> list[Any]:
        if self.path.suffix == ".parquet":
            import pyarrow as pa
            import pyarrow.parquet as pq

            try:
                return pq.read_table(self.path).to_pylist()
            except (pa.ArrowException, OSError) as e:
                raise UsageError(f"{self.path} is not a readable Parquet file: {first_line(e)}") from e
        found: list[Any] = []
        try:
            lines = self.path.read_text(encoding="utf-8-sig").split("\n")
        except ValueError as e:
            raise UsageError(f"{self.path} is not a text in UTF-8: save it as UTF-8") from e
        for number, line in enumerate(lines, 1):
            try:
                found += [json.loads(line)] if line.strip() else []
            except (ValueError, RecursionError) as e:
                raise UsageError(f"{self.path} is not a JSONL file ({not_json(e, number)})") from e
        return found

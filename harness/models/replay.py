"""Answers from a file: scores outputs that another program has written."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.answers import Given, Settings, given
from harness.core.decoding import Decoding
from harness.core.errors import Missing, Unusable, UsageError
from harness.core.model import Call, Model
from harness.core.task import Task
from harness.core.types import Reply


class Replay(Model):
    """Looks each sample's answer up in a file. Arguments are the settings of replay.yaml; they are explained there."""

    reads_samples = True
    reads_pictures = False
    reads_series = True

    def __init__(
        self,
        name: str,
        family: str | None,
        data: str,
        path: str,
        of: str | None,
        id_field: str | None,
        answer_field: str | None,
        labels: str = "refuse",
        match: str = "content",
    ):
        for key, value, known in (
            ("labels", labels, ("refuse", "allow")),
            ("match", match, ("content", "id", "order")),
        ):
            if value not in known:
                raise UsageError(f"model.{key}={value} is unknown: choose {', '.join(known)}")
        self.name = of or name
        self.family, self.data = family, data
        self.path = Path(path)
        self.settings = Settings(id_field, answer_field, labels == "allow", match)
        if not self.path.is_file():
            raise Missing(
                f"model.path={path} is not a file: give the file with the answers (JSON, CSV, TSV, xlsx or Parquet)"
            )
        try:
            self._digest = hashlib.sha256(self.path.read_bytes()).hexdigest()
        except OSError as e:
            raise Missing(f"model.path={path} cannot be read: {e.strerror or e}") from e
        self._given = Given({}, {}, {})

    def fingerprint(self) -> str:
        s = self.settings
        return f"{self._digest}:{s.id_field}:{s.answer_field}:{s.labels}:{s.match}"

    def bind(self, task: Task) -> None:
        self._given = given(self.path, task.samples(), task.groups, self.settings)

    def prepare(self, call: Call) -> None:
        """A sample without an answer is an error row; those of a batch are written at once."""
        id_ = call.sample.id
        if id_ not in self._given.answers:
            why = self._given.absent.get(id_, f"{self.path.name} has no row for it")
            raise Unusable(f"there is no text answer for sample {id_}: {why}")

    def answer(self, calls: Sequence[Call], decoding: Decoding) -> list[Reply]:
        return [Reply(self._given.answers[call.sample.id], finish="given") for call in calls]

    def remarks(self) -> list[str]:
        return self._given.lines if self._given.facts else []

    def describe(self) -> dict[str, Any]:
        """What was read and how it was matched: `Given.facts`."""
        return {"answers": self._given.facts}

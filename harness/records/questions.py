"""A task over your own rows and pictures: one question about one picture is one row of a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError
from harness.core.picture import Picture
from harness.core.types import Sample
from harness.records.files import existing, labels, record_files, tables
from harness.records.folder import Folder, beside
from harness.records.groups import told_apart
from harness.records.pictures import Named
from harness.records.rows import unreadable
from harness.records.settings import Settings
from harness.records.source import Source, gathered, once
from harness.records.task import RecordTask

FIELDS = {
    "id": ("id", "question_id"),
    "text": ("question", "prompt", "text"),
    "target": ("answer", "label", "target"),
    "picture": ("image", "picture", "file_name"),
    "group": ("split", "category"),
}
"""What each field may be called; the first that a row has counts."""


@dataclass(frozen=True)
class Question:
    """One row: `fields` holds all of it. `fault` says what is wrong with it."""

    id: str
    cluster: str
    group: str = "all"
    text: str = ""
    target: Any = None
    picture: Picture | None = None
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)
    fault: str = ""


class QuestionTask(RecordTask[Settings, Question]):
    """Reads every .jsonl, .json and .parquet file of `task.root`, and the pictures that its rows name. The cluster is
    the picture, the group what `split` or `category` says."""

    def load(self) -> Source[Question]:
        return questions(Path(self.settings.root or "."))

    def sample(self, record: Question) -> Sample:
        return Sample(record.id, record.cluster, record.group, record.target, {"question": record.text})

    def prompt(self, record: Question) -> Sequence[str | Picture]:
        return [record.picture, record.text] if record.picture else [record.text]


def questions(root: Path) -> Source[Question]:
    """The rows of a file, or of all files of a folder.

    Raises:
        Missing: the folder is not there, or has no such file.
        UsageError: no row is a question.
    """
    existing(root, "a folder with a .jsonl file and pictures, or one file")
    found = told_apart(once(_read(root, beside(root, None))))
    if all(q.fault for q in found):
        wanted = f"{' or '.join(FIELDS['text'])} and {' or '.join(FIELDS['target'])}"
        raise UsageError(f"task.root={root} holds no question: its rows need {wanted}")
    return gathered(found, counted="questions")


def _read(root: Path, folder: Folder) -> Iterator[Question]:
    files = record_files(root)
    called = labels(files, root)
    for path, table in tables(files, (*FIELDS["text"], *FIELDS["target"])):
        for number, row in enumerate(table, 1):
            yield _question(row, f"{called[path]}:{number}", f"{path.name}, row {number}", folder)


def _question(row: Any, name: str, where: str, folder: Folder) -> Question:
    if reason := unreadable(row):
        return Question(name, name, "", fault=f"{where}: {reason}")
    found = {key: next((row[n] for n in names if row.get(n) is not None), None) for key, names in FIELDS.items()}
    name = str(found["id"]) if found["id"] is not None else name
    group = "" if found["group"] is None else str(found["group"])
    for key in ("text", "target"):
        if found[key] in (None, ""):
            return Question(name, name, group, fault=f"{where}: has no field {' or '.join(FIELDS[key])}")
    picture: Named | None = folder(str(found["picture"])) if found["picture"] else None
    return Question(name, picture.place if picture else name, group, str(found["text"]), found["target"], picture, row)

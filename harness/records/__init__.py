"""Reading records for tasks: rows of JSON, Parquet and hub datasets, the pictures that they name, and what tasks over
them have in common."""

from harness.records.package import packaged, packaged_pictures
from harness.records.pictures import Absent, Folder, Named, Stored, facts, mark, shown, table_pictures
from harness.records.questions import Question, QuestionTask, questions
from harness.records.rows import Broken, hub, hub_lists, rows
from harness.records.settings import Settings
from harness.records.source import Source, gathered
from harness.records.task import RecordTask, digest, with_record

__all__ = [
    "Absent",
    "Broken",
    "Folder",
    "Named",
    "Question",
    "QuestionTask",
    "RecordTask",
    "Settings",
    "Source",
    "Stored",
    "digest",
    "facts",
    "gathered",
    "hub",
    "hub_lists",
    "mark",
    "packaged",
    "packaged_pictures",
    "questions",
    "rows",
    "shown",
    "table_pictures",
    "with_record",
]

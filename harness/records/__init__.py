"""Reading records for tasks: rows of JSON, Parquet and hub datasets, the pictures that they name, and what tasks over
them have in common."""

from harness.records.files import existing, has, labels, picture_folder, plain_stem, record_files, tables, walk
from harness.records.folder import Folder, beside
from harness.records.groups import told_apart
from harness.records.package import packaged, packaged_pictures
from harness.records.pictures import LATER, Absent, Named, Stored, facts, mark, place_of, shown, table_pictures
from harness.records.questions import Question, QuestionTask, questions
from harness.records.rows import Broken, hub, hub_lists, hub_table, read_text, rows, unreadable
from harness.records.settings import Settings
from harness.records.source import Source, gathered, once
from harness.records.task import RecordTask, digest, with_record

__all__ = [
    "LATER",
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
    "beside",
    "digest",
    "existing",
    "facts",
    "gathered",
    "has",
    "hub",
    "hub_lists",
    "hub_table",
    "labels",
    "mark",
    "once",
    "packaged",
    "packaged_pictures",
    "picture_folder",
    "place_of",
    "plain_stem",
    "questions",
    "read_text",
    "record_files",
    "rows",
    "shown",
    "table_pictures",
    "tables",
    "told_apart",
    "unreadable",
    "walk",
    "with_record",
]

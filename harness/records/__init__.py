"""Reading records for tasks: rows of JSON, Parquet and hub datasets, and the pictures that they name."""

from harness.records.pictures import Absent, Folder, Named, Stored, facts, mark, shown, table_pictures
from harness.records.rows import Broken, hub, hub_lists, rows

__all__ = [
    "Absent",
    "Broken",
    "Folder",
    "Named",
    "Stored",
    "facts",
    "hub",
    "hub_lists",
    "mark",
    "rows",
    "shown",
    "table_pictures",
]

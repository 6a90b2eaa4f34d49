"""Reading records for tasks: rows of JSON, Parquet and hub datasets, and the pictures that they name."""

from harness.records.pictures import Absent, Folder, Named, Stored, mark, table_pictures
from harness.records.rows import Broken, hub, rows

__all__ = ["Absent", "Broken", "Folder", "Named", "Stored", "hub", "mark", "rows", "table_pictures"]

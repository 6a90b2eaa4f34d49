"""Records that a task's own package holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness.core.errors import Missing
from harness.records.pictures import Stored, table_pictures
from harness.records.rows import rows

RECORDS, IMAGES = "records.parquet", "images.parquet"


def packaged(folder: Path, name: str = RECORDS) -> list[Any]:
    """Rows of a file in `tasks/TASK/VARIANT/`. Raises Missing."""
    path = folder / name
    if not path.is_file():
        generator = f"harness.tasks.{folder.parent.name}.generate"
        raise Missing(f"{path} is not there: reinstall harness, or run python -m {generator}")
    return rows(path)


def packaged_pictures(folder: Path) -> dict[str, Stored]:
    """Name -> picture, of the file beside the records. Raises Missing."""
    stored = table_pictures()
    return {row["image"]: stored(row["image"], row["bytes"]) for row in packaged(folder, IMAGES)}

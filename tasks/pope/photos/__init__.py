"""Questions about photographs that come with scikit-image and scikit-learn (`task.data=photos`).

A smoke test on real pictures, too small to rank anything. `annotations.jsonl`: per picture its path in the installed
package, SHA-256, licence and author, objects that are clearly there, and as many absent ones for each split.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.core import Missing, UsageError
from harness.records import Named, rows
from harness.tasks.pope.polling import question

ANNOTATIONS = Path(__file__).parent / "annotations.jsonl"


def pictures() -> dict[str, Named]:
    """Name -> photograph, in the installed packages.

    Raises:
        Missing: a package is not installed.
        UsageError: a file is not the picture that was annotated.
    """
    found = {}
    for row in rows(ANNOTATIONS):
        package, _, inner = row["image"].partition("/")
        spec = find_spec(package)
        path = Path(spec.origin).parent / inner if spec and spec.origin else None
        if path is None or not path.is_file():
            raise Missing(f"task.data=photos needs {row['image']}: pip install 'harness[photos]'")
        if hashlib.sha256(path.read_bytes()).hexdigest() != row["sha256"]:
            raise UsageError(f"{path} is not the picture that was annotated: reinstall the package that it lies in")
        found[path.name] = Named(path.name, path)
    return found


def questions() -> Iterator[dict[str, Any]]:
    """Rows of all splits, in the layout of official records: present and absent objects in turn, as POPE asks them."""
    for row in rows(ANNOTATIONS):
        name = Path(row["image"]).name
        for split, absent in row["absent"].items():
            for here, away in zip(row["present"], absent, strict=True):
                for thing, label in ((here, "yes"), (away, "no")):
                    yield {
                        "question_id": f"{Path(name).stem} {thing}",
                        "category": split,
                        "image": name,
                        "question": question(thing),
                        "label": label,
                    }

"""Files of a run, written so that a reader sees the old file or the new one."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from harness.core.secrets import clean


def write_json(path: Path, value: Any) -> None:
    """Atomic: readers see the old file or the new one. Secrets are left out."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fresh.write_text(json.dumps(clean(value), indent=1, default=str) + "\n")
    fresh.replace(path)

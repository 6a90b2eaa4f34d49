"""A run's identity: a hash of everything that can change an answer."""

from __future__ import annotations

import hashlib
import inspect
import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def code_hash(cls: type) -> str:
    """SHA-256 of the source file that defines a plug-in's class, line endings normalised."""
    path = inspect.getsourcefile(sys.modules[cls.__module__])
    text = Path(path).read_text(encoding="utf-8") if path else cls.__qualname__
    return hashlib.sha256(text.encode()).hexdigest()


def digest(parts: Mapping[str, Any]) -> str:
    """SHA-256 over the parts as canonical JSON."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def run_name(task: str, data: str, method: str, model: str, identity: str) -> str:
    """Readable and unique: `pope-embedded-vista-tiny-llava-3f9c2a7b10`."""
    words = "-".join((task, data, method, model))
    return f"{re.sub(r'[^A-Za-z0-9.+_]+', '-', words)[:120]}-{identity[:10]}"

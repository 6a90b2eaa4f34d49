"""Where a peer keeps the YAML of a task, found without building its whole index (20 seconds in lm-eval), and what its
errors say."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from harness.core.errors import first_line


def folders(root: Path, name: str) -> Iterator[Path]:
    """Folders below `root` that may define the task or group `name`: by file name first, then by what files say."""
    wanted = {f"{name}.yaml", f"_{name}.yaml"}
    files = [Path(at, f) for at, _, found in os.walk(root) for f in found if f.endswith(".yaml")]
    seen = set()
    if (root / name).is_dir():
        seen.add(root / name)
        yield root / name
    says = re.compile(rf"""^\s*-?\s*(?:task|group|tag)\s*:\s*["']?{re.escape(name)}["']?\s*$""", re.MULTILINE)
    for found in (lambda f: f.name in wanted, lambda f: says.search(f.read_text(encoding="utf-8", errors="replace"))):
        for file in sorted(files):
            if file.parent not in seen and found(file):
                seen.add(file.parent)
                yield file.parent


def reason(error: BaseException) -> str:
    """An error's message in one line; for a retried call (tenacity), what it failed with."""
    last = getattr(error, "last_attempt", None)
    if last is not None and last.exception() is not None:
        error = last.exception()
    return f"{type(error).__name__}: {first_line(error)}"


def lacking(what: str, error: ImportError) -> str:
    """What to install for a failed import. A part that a package no longer has is asked of an older release of it."""
    name, _, part = (error.name or "").partition(".")
    if not name:
        return f"{what} needs a package that is not installed ({reason(error)}): see docs/bridges.md"
    if not part or find_spec(name) is None:
        return f"{what} needs a package that is not installed ({reason(error)}): pip install {name}"
    older = "pip install 'filelock<4.3'" if name == "filelock" else f"install an older {name}"
    return f"{what} imports {error.name}, which the {name} that is installed does not have: {older}"

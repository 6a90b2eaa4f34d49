"""Prints the oldest version of each core dependency that pyproject.toml admits, as pip's constraints; torch's is left
to the caller (`make compat-oldest`), since only its package index has small builds of it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def oldest(dependencies: list[str]) -> dict[str, str]:
    """Package -> lower bound. Raises ValueError for a dependency without one."""
    found = {}
    for line in dependencies:
        bound = re.fullmatch(r"([\w.-]+)>=([\w.]+)(?:,<[\w.]+)?", line)
        if bound is None:
            raise ValueError(f"{line!r} in pyproject.toml has no lower bound")
        found[bound[1]] = bound[2]
    return found


if __name__ == "__main__":
    bounds = oldest(tomllib.loads(PROJECT.read_text())["project"]["dependencies"])
    print(*(f"{name}=={version}" for name, version in bounds.items() if name != "torch"), sep="\n")

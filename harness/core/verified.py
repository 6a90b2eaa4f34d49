"""What a method's card states about its agreement with the authors' released code: the field `verified`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError

LEVELS = {
    "end to end": "the authors' program and ours ran the same model and inputs; tokens and, outside beam search, "
    "the scores of every step were compared",
    "function": "parts of the authors' code, such as the sampler, were compared with ours on the same inputs; the "
    "whole run was not",
    "formulas only": "no code of the authors is public; tests check ours against the paper's formulas",
    "none": "not compared with anything outside this repository",
}
"""Each level and what it promises, strongest first."""

COMPARED = ("end to end", "function")
"""Levels that rest on the authors' numbers: they name a commit and have a golden test in tests/parity."""


@dataclass(frozen=True)
class Verified:
    """How far a method was compared with its authors' code."""

    level: str = "none"
    repository: str | None = None
    """Where the code that was compared lies; for "formulas only", the repository that holds none."""
    commit: str | None = None
    """Commit of the repository, 40 hexadecimal digits."""
    difference: str | None = None
    """Largest difference to the authors' numbers, with its unit where it is not a score."""
    note: str = ""
    """One sentence: what was compared, and known misses."""

    @property
    def link(self) -> str:
        """The repository at the commit, or as it is; empty without one."""
        if self.repository and self.commit:
            return f"{self.repository}/tree/{self.commit}"
        return self.repository or ""

    @property
    def source(self) -> str:
        """owner/name@commit, short; empty without a repository."""
        name = "/".join((self.repository or "").rstrip("/").split("/")[-2:])
        return f"{name}@{self.commit[:7]}" if self.commit else name


def read(card: Mapping[str, Any], path: Path) -> Verified:
    """The field `verified` of a card; level "none" where it has none.

    Args:
        card: A method's card.
        path: Its file, for messages.

    Raises:
        UsageError: An unknown level or key, or a level without what it must name.
    """
    raw = card.get("verified")
    if raw is None:
        return Verified()

    def bad(what: str) -> UsageError:
        return UsageError(f"{path}: card: verified: {what}")

    if not isinstance(raw, Mapping):
        raise bad(f"{raw!r} is not a mapping: write {{level: none, note: why}} or leave it out")
    if unknown := set(raw) - set(Verified.__dataclass_fields__):
        raise bad(f"unknown key {sorted(map(str, unknown))[0]}: use {', '.join(Verified.__dataclass_fields__)}")
    level, commit = raw.get("level"), raw.get("commit")
    if not isinstance(level, str) or level not in LEVELS:
        raise bad(f"unknown level {level!r}: choose one of {', '.join(LEVELS)}")
    if commit is not None and not re.fullmatch("[0-9a-f]{40}", str(commit)):
        raise bad(f"commit {commit!r} is not 40 hexadecimal digits: git rev-parse HEAD prints them")
    if raw.get("repository") is not None and not str(raw["repository"]).startswith("https://"):
        raise bad(f"repository {raw['repository']!r} is not a https:// address")
    needed = ("repository", "commit", "difference", "note") if level in COMPARED else ("note",)
    if missing := [key for key in needed if raw.get(key) in (None, "")]:
        raise bad(f"level {level!r} needs {missing[0]}")
    if level not in COMPARED and raw.get("difference") is not None:
        raise bad(f"level {level!r} has no numbers of the authors: set difference to null")
    text = {key: " ".join(str(value).split()) for key, value in raw.items() if value is not None}
    return Verified(**text)

"""Records of STARE's schema: the package's, the hub's, or your own files."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core import Missing, Picture, UsageError
from harness.records import (
    Folder,
    Source,
    Stored,
    existing,
    gathered,
    hub_lists,
    once,
    packaged,
    packaged_pictures,
    plain_stem,
    record_files,
    tables,
    unreadable,
)
from harness.tasks.stare.scoring import CONFIGS
from harness.tasks.stare.settings import Settings

HUB = "pangyyyyy/STARE"
MARK = re.compile(r"<image(?:_\d+)?>")


@dataclass(frozen=True)
class Puzzle:
    """One question; `parts` are its texts and pictures in order, or what is wrong (`fault`)."""

    id: str
    config: str
    parts: tuple[str | Picture, ...] = ()
    question: str = ""
    answer: str = ""
    kind: str = ""
    fault: str = ""


def load(s: Settings) -> Source[Puzzle]:
    """Raises Missing (exit 3) or UsageError (exit 2)."""
    if s.root is not None:
        found = once(_local(Path(s.root), s.sets))
    elif s.data == "embedded":
        found = list(_embedded(Path(__file__).parent / "embedded", s.sets))
    else:
        found = [r for c in s.sets for r in _hub(c, s.revision)]
    if not found:
        raise UsageError("no question of these sets: leave task.sets out, or see task.root")
    return gathered(found, None if s.root else s.revision, counted="questions")


def _embedded(folder: Path, configs: Sequence[str]) -> Iterator[Puzzle]:
    pictures, stored = packaged_pictures(folder), packaged(folder)
    for config in configs:
        for row in stored:
            if row["config"] == config:
                yield record(row, config, row["qid"], [pictures[n] for n in row["images"]])


def _hub(config: str, revision: str | None) -> Iterator[Puzzle]:
    for number, row in enumerate(hub_lists(HUB, config, "test", revision, "images"), 1):
        cells = row.get("images") or []
        pictures = [Stored(f"{config}:{number}:{i}", cell) for i, cell in enumerate(cells)]
        yield record(row, config, f"{config}:{number}", pictures)


def _local(root: Path, configs: Sequence[str]) -> Iterator[Puzzle]:
    """One file or folder per set, named by it (2D_va_VSim/test.parquet, temporal.jsonl ...)."""
    existing(root, f"a folder with a file or folder per set ({CONFIGS[0]} ...)")
    files = record_files(root)
    if not files:
        raise Missing(f"task.root={root} holds no .json, .jsonl or .parquet file")
    named = {path: _set_of(path, root) for path in files}
    count: Counter[str] = Counter()
    for path, table in tables([p for p, c in named.items() if c is None or c in configs], ("question", "answer")):
        config = named[path]
        if config is None:
            raise UsageError(f"{path}: unknown set: name the file or its folder after one of {', '.join(CONFIGS)}")
        folder = Folder([path.parent / "images", path.parent], within=root if path != root else None)
        for row in table:
            count[config] += 1  # on through all files of the set
            number = count[config]
            cells = row.get("images") if isinstance(row, dict) else None
            listed = cells if isinstance(cells, list) else []
            pictures = [
                folder(c) if isinstance(c, str) else Stored(f"{config}:{number}:{i}", c) for i, c in enumerate(listed)
            ]
            yield record(row, config, f"{config}:{number}", pictures)


def _set_of(path: Path, root: Path) -> str | None:
    """The set after which a file is named, or else its nearest folder."""
    folders = path.relative_to(root).parts[:-1] if path != root else (path.parent.name,)
    return next((c for name in (plain_stem(path), *reversed(folders)) if (c := _config(name))), None)


def _config(name: str) -> str | None:
    """The set that a name begins with, letters of any case; the longest that fits."""
    plain = name.lower().replace("-", "_").removeprefix("stare_")
    return max((c for c in CONFIGS if plain == c or plain.startswith(f"{c}_")), key=len, default=None)


def record(row: Any, config: str, name: str, pictures: Sequence[Picture]) -> Puzzle:
    fault = _fault(row, pictures)
    if fault:
        return Puzzle(name, config, fault=f"{name}: {fault}")
    question: str = row["question"]
    if pictures and not MARK.search(question):
        question += "\n<image>"
    pieces = MARK.split(question)
    if len(pieces) - 1 > len(pictures):
        said = f"the question shows {len(pieces) - 1} pictures, images holds {len(pictures)}"
        return Puzzle(name, config, fault=f"{name}: {said}")
    parts: list[str | Picture] = [pieces[0]]
    for i, piece in enumerate(pieces[1:]):
        last = i == len(pieces) - 2
        parts += [*(pictures[i:] if last else pictures[i : i + 1]), piece]
    kept = tuple(p for p in parts if p != "")
    own = next((str(row[k]) for k in ("qid", "pid") if row.get(k) not in (None, "")), name)
    return Puzzle(own, config, kept, question, row["answer"], _kind(row))


def _kind(row: dict[str, Any]) -> str:
    return str(row.get("type") or row.get("kind") or "")


def _fault(row: Any, pictures: Sequence[Picture]) -> str:
    if fault := unreadable(row):
        return fault
    if not isinstance(row.get("question"), str) or not row["question"].strip():
        return "has no text in field question"
    answer = row.get("answer")
    if not isinstance(answer, str) or not answer.strip():
        return "has no letter in field answer"
    if row.get("images") is not None and not isinstance(row["images"], list) and not pictures:
        return "field images is not a list"
    return ""

"""Records of MM-NIAH's schema: the package's, the hub's, or the official folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core import Missing, Picture, UsageError
from harness.core.errors import first_line
from harness.records import (
    Folder,
    Source,
    existing,
    gathered,
    labels,
    packaged,
    packaged_pictures,
    plain_stem,
    record_files,
    rows,
    unreadable,
)
from harness.records.groups import group_name
from harness.tasks.mm_niah.scoring import SUBTASKS, Answer
from harness.tasks.mm_niah.settings import Settings

HUB = "OpenGVLab/MM-NIAH"
PLACE = "<image>"


@dataclass(frozen=True)
class Document:
    """One question; `parts` are the texts and pictures of the prompt in order, or what is wrong (`fault`)."""

    id: str
    subtask: str
    parts: tuple[str | Picture, ...] = ()
    question: str = ""
    answer: Answer = ""
    options: int = 0
    length: int = 0
    depth: float | list[float] = 0.0
    fault: str = ""


def load(s: Settings) -> Source[Document]:
    """Raises Missing (exit 3) or UsageError (exit 2)."""
    if s.data == "embedded":
        found = list(_embedded(Path(__file__).parent / "embedded", s.subtasks))
    else:
        root = Path(s.root) if s.root else _snapshot(s.data, s.revision)
        found = list(_official(root, s.data, s.subtasks))
    if not found:
        raise UsageError("no record of these subtasks: leave task.subtasks out, or see task.root")
    tokens = "of tiny-llava, 64 a picture" if s.data == "embedded" else "as the records say"
    return gathered(found, None if s.root else s.revision, counted="questions", tokens=tokens)


def _embedded(folder: Path, subtasks: Sequence[str]) -> Iterator[Document]:
    pictures = packaged_pictures(folder)
    for row in packaged(folder):
        if row["subtask"] in subtasks:
            made = json.loads(row["record"])
            yield _record(made, row["subtask"], f"{row['subtask']}:{made['id']}", pictures.__getitem__, row["id"])


def _snapshot(data: str, revision: str | None) -> Path:
    """The hub's files of one split. Raises Missing in one line."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(HUB, repo_type="dataset", revision=revision, allow_patterns=f"mm_niah_{data}/**"))
    except Exception as e:
        why = first_line(e, 160)
        raise Missing(
            f"dataset {HUB} could not be loaded ({type(e).__name__}: {why}): connect to the hub once, give the "
            "official files by task.root=DIR, or use task.data=embedded"
        ) from e


def _official(root: Path, data: str, subtasks: Sequence[str]) -> Iterator[Document]:
    """mm_niah_<split>/annotations/<subtask>.jsonl beside images/, or one such file."""
    existing(root, "the folder with annotations/<subtask>.jsonl and images/")
    files = record_files(root, (".jsonl",))
    if split := [f for f in files if f"mm_niah_{data}" in f.parts]:
        files = split
    if not files:
        raise Missing(f"task.root={root} holds no .jsonl file: it needs annotations/<subtask>.jsonl")
    called = labels(files, root)
    for path in files:
        subtask = plain_stem(path)
        if subtask not in SUBTASKS and root.is_dir():
            continue
        if subtask in SUBTASKS and subtask not in subtasks:
            continue
        base = path.parent.parent if path.parent.name == "annotations" else path.parent
        folder = Folder([base / "images", path.parent / "images", path.parent], within=root if path != root else base)
        for number, row in enumerate(rows(path), 1):
            yield _record(row, group_name(subtask), f"{path.name}, row {number}", folder, f"{called[path]}:{number}")


def _record(row: Any, subtask: str, where: str, picture: Any, name: str) -> Document:
    fault = _fault(row, counting="counting" in subtask)
    if fault:
        return Document(name, subtask, fault=f"{where}: {fault}")
    meta = row["meta"]
    question, images = row["question"], list(row["images_list"])
    choices, tiles = meta.get("choices"), meta.get("choices_image_path")
    # The official get_input: letters before the options, and the sentence that asks for one.
    if choices or tiles:
        images += tiles or []
        for i in range(len(choices or tiles)):
            question += f"\n{chr(ord('A') + i)}. {choices[i] if choices else PLACE}"
        question += "\nAnswer with the option's letter from the given choices directly."
    else:
        question += "\nAnswer the question using a single word or phrase."
    pieces = f"{row['context']}\n{question}".split(PLACE)
    parts: list[str | Picture] = [pieces[0]]
    for name_of, text in zip(images, pieces[1:], strict=True):
        parts += [picture(name_of), text]
    answer = row["answer"]
    if "counting" in subtask and isinstance(answer, str):
        answer = _counted(answer)
    return Document(
        name,
        subtask,
        tuple(p for p in parts if p != ""),
        row["question"],
        answer,
        len(choices or tiles or ()),
        int(meta["context_length"]),
        meta["placed_depth"],
    )


def _counted(answer: str) -> Any:
    """A number or a list that is written as text; None for other texts."""
    try:
        return json.loads(answer)
    except (ValueError, RecursionError):
        return None


def _fault(row: Any, *, counting: bool) -> str:
    if fault := unreadable(row):
        return fault
    for field in ("context", "question"):
        if not isinstance(row.get(field), str):
            return f"has no text in field {field}"
    images, meta = row.get("images_list"), row.get("meta")
    if not isinstance(images, list) or not all(isinstance(i, str) for i in images):
        return "field images_list is not a list of names"
    places = (row["context"] + row["question"]).count(PLACE)
    if places != len(images):
        return f"context and question hold {places} places for pictures, images_list {len(images)}"
    if not isinstance(meta, dict) or not isinstance(meta.get("context_length"), int):
        return "has no meta.context_length"
    depth = meta.get("placed_depth")
    depths = depth if isinstance(depth, list) else [depth]
    if not depths or not all(isinstance(d, int | float) and 0 <= d <= 1 for d in depths):
        return "meta.placed_depth is not a number in 0..1 and no list of them"
    for field in ("choices", "choices_image_path"):
        options = meta.get(field)
        if options is not None and not (isinstance(options, list) and all(isinstance(o, str) for o in options)):
            return f"meta.{field} is not a list of texts"
        if field == "choices" and any(PLACE in o for o in options or ()):
            return f"meta.{field} holds {PLACE}, and pictures of options belong into meta.choices_image_path"
    if meta.get("choices") and meta.get("choices_image_path"):
        return "has options of both kinds"
    answer = row.get("answer")
    if isinstance(answer, bool) or not isinstance(answer, int | str | list) or answer in ("", []):
        return "field answer is not a text, number or list"
    if counting and isinstance(answer, str) and not isinstance(_counted(answer), int | list):
        return f"field answer is {answer[:40]!r}, not a number or a list of numbers"
    return ""

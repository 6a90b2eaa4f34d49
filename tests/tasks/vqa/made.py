"""Small tables with pictures."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

from PIL import Image

from harness.core import Outcome, Reply, Result
from harness.plugins.registry import Registry

PLUGIN = Registry().tasks["vqa"]


def picture(colour: str | tuple[int, int, int] = "red", size: tuple[int, int] = (40, 20)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, "PNG")
    return buffer.getvalue()


def written(path: Path, rows: list[Any]) -> Path:
    """JSON lines, beside the pictures a.png and b.png."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows))
    for name, colour in (("a", "red"), ("b", "blue")):
        (path.parent / f"{name}.png").write_bytes(picture(colour))
    return path


def vqa(root: Path | None, **settings: Any) -> Any:
    return PLUGIN.build(root=str(root) if root else None, **settings)


def row(answer: Any = "red", question: str = "Which colour?", image: str = "a.png", **more: Any) -> dict[str, Any]:
    return {"image": image, "question": question, "answer": answer, **more}


def outcome(task: Any, answer: str, at: int = 0) -> Outcome:
    return task.score(task.source.records[at], answer)


def faults(task: Any) -> list[str]:
    return [r.fault for r in task.source.records]


def played(task: Any, answers: list[str]) -> list[Result]:
    out = []
    for sample, answer in zip(task.samples(), answers, strict=True):
        episode = task.episode(sample)
        next(episode)
        try:
            episode.send(Reply(answer))
        except StopIteration as end:
            out.append(Result(sample.id, sample.cluster, sample.group, sample.target, end.value))
    return out

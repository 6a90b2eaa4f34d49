"""A judge behind HTTP on loopback that grades: it reads the prompt and compares what stands between the tags."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from harness.cli import main
from tests.models.openai.local import Said, Served, said

PLUGINS = f"plugins=[{Path(__file__).parents[1] / 'plugins'}]"


def between(tag: str, body: dict[str, Any]) -> str:
    (text,) = re.findall(rf"<{tag}>\n(.*?)\n</{tag}>", body["messages"][-1]["content"], re.DOTALL)
    return text


def grader(body: dict[str, Any], _number: int) -> Said:
    """Correct if the answer is the reference."""
    right = between("answer", body) == between("reference", body)
    words = f"Reason: {'the same' if right else 'not the same'}\nVerdict: {'correct' if right else 'incorrect'}"
    return said(words, usage={"prompt_tokens": 10, "completion_tokens": 1})  # one: whether it counts an end is plain


def judged(served: Served | str, *words: str) -> list[str]:
    """The words of a judge behind that server."""
    address = served if isinstance(served, str) else served.address
    quick = ["judge.retries=0", "judge.backoff=0.01"]
    return ["judge=openai", "judge.name=grader", f"judge.base_url={address}", *quick, *words]


def play(n: int, *words: str, wrong: int = 0) -> int:
    """`harness eval` of n sums with `wrong` wrong answers; the exit code."""
    rows = [{"id": f"s{i}", "answer": "x" if i < wrong else str(i % 7 + i % 5)} for i in range(n)]
    Path("answers.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    base = ["task=sums", f"task.n={n}", PLUGINS, "model=replay", "model.path=answers.jsonl", "logger=quiet"]
    return main(["eval", *base, *words])


def runs() -> list[Path]:
    return [p.parent for p in sorted(Path("results/runs").glob("*/run.json"), key=lambda p: p.stat().st_mtime_ns)]


def record(run: Path) -> dict[str, Any]:
    return json.loads((run / "run.json").read_text())


def rows(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "samples.jsonl").read_text().splitlines()]


def metrics(run: Path) -> dict[str, dict[str, Any]]:
    return {m["name"]: m for m in json.loads((run / "metrics.json").read_text()) if m["group"] == "all"}

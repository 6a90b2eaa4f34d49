"""docs/own-data.md does what it says: its commands, one after the other, on a folder as it describes."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path

from harness.cli import main
from harness.plugins.registry import Registry
from harness.tasks.vqa.columns import ROLES
from harness.tasks.vqa.kinds import KINDS, METRICS

PAGE = (Path(__file__).parents[3] / "docs" / "own-data.md").read_text(encoding="utf-8")
COMMANDS = [shlex.split(c) for c in re.findall(r"^    harness (.+)$", PAGE, re.M)]


def folder(root: Path, pictures: int) -> None:
    """Scenes that the embedded model knows, six questions about each."""
    records = Registry().tasks["pope"].build(data="embedded", splits="random").source.records
    kept = list(dict.fromkeys(r.image for r in records))[:pictures]
    (root / "images").mkdir(parents=True)
    with (root / "questions.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["image", "question", "answer", "category"])
        for r in records:
            if r.image in kept:
                (root / "images" / f"{r.image}.webp").write_bytes(r.picture.encoded())
                table.writerow(
                    [f"{r.image}.webp", r.question, r.label, "animals" if r.question < "Is there a c" else "x"]
                )


def test_from_a_folder_to_a_site(workdir, capsys):
    folder(workdir / "mine", 20)
    assert "    image,question,answer,category\n" in PAGE
    shown = False
    for words in COMMANDS:
        more = ["model=oracle"] if words[0] == "eval" and "-m" not in words and "model=oracle" not in words else []
        more = ["limit=6", "method.vcd.alpha=1.0"] if words[0] == "tune" else more
        assert main([*words, *more]) == 0, words
        shown |= "vcd against vanilla" in capsys.readouterr().out
    assert shown and (workdir / "results" / "site" / "index.html").is_file()
    runs = {p.parent: json.loads(p.read_text()) for p in (workdir / "results" / "runs").glob("*/run.json")}
    assert {(r["method"], r["model"]) for r in runs.values()} == {
        ("vanilla", "oracle"),
        ("vanilla", "tiny-llava"),
        ("vcd", "tiny-llava"),
    }
    tuned = [r for r in runs.values() if r["data"] == "calibration"]
    assert {r["method"] for r in tuned} == {"vanilla", "vcd"} and all(r["task_facts"]["set_aside"] == 0 for r in tuned)
    for place, record in runs.items():
        if record in tuned:
            continue
        value = next(m["value"] for m in json.loads((place / "metrics.json").read_text()) if m["primary"])
        assert record["status"] == "done" and value == 1 if record["model"] == "oracle" else 0.6 < value < 1
        facts = record["task_facts"]
        assert facts["kind"] == "yesno" and facts["faulty_rows"] == 0
        assert facts["questions"] + facts["set_aside"] == 120 and facts["pictures"] * 6 == facts["questions"]


def test_the_tables_name_all_there_is():
    assert set(re.findall(r"^\| `(\w+)` \|", PAGE, re.M)) == {*ROLES, *KINDS}
    assert all(name in PAGE for kind in KINDS.values() for name in kind.parsers if kind.name != "point")
    assert all(name in PAGE for name in METRICS)

"""The scripts behind docs/tower.md and docs/blindness.md, at a small size."""

from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from harness.plugins.registry import ROOT

sys.path.append(str(ROOT / "benchmarks"))
import blindness
import cells
import tower_tasks
import towers as script


def made(levels: dict[str, float], seeds: int = 3, n: int = 60) -> dict:
    """Kept figures whose precision is about a level, by `tower/readout` or learner."""
    rng, kept = np.random.default_rng(0), {"scenes": {}, "increments": {}}
    easy = rng.normal(0, 0.1, n)
    for arm, level in levels.items():
        name, _, readout = arm.partition("/")
        for seed in range(seeds):
            by = np.clip(level + easy + rng.normal(0, 0.02, n), 0, 1).tolist()
            one = kept["scenes" if readout else "increments"].setdefault(name, {}).setdefault(str(seed), {})
            if readout:
                one.setdefault("scores", {})[readout] = {"map": level, "precision": by}
            else:
                one["scores"] = {"precision": by}
    return kept


def test_claims_are_judged_over_seeds_and_pictures():
    kept = made({"vsa/ep": 0.6, "window/ep": 0.5, "neighborhood/ep": 0.4, "bi_level/ep": 0.6, "dense/ep": 0.6})
    said = {(c.better, c.worse): (d, v) for c, d, v in script.judged(kept)}
    d, verdict = said["vsa/ep", "window/ep"]
    assert verdict == "holds" and d.low < 0.1 < d.high and d.n == 60
    assert said["neighborhood/ep", "window/ep"][1] == "does not hold"
    assert said["bi_level/ep", "dense/ep"][1] in ("holds", "undecided"), "as good as, up to a margin"
    assert said["multilane", "joint"] == (None, "not run")
    assert script.claims(kept).count("not run") == len(script.CLAIMS) - 4


def test_the_tables_of_towers_are_what_is_kept():
    page, kept = script.PAGE.read_text(encoding="utf-8"), json.loads(script.KEPT.read_text(encoding="utf-8"))
    assert script.write(kept, page) == page, "run python benchmarks/towers.py write"
    tasks = json.loads(tower_tasks.KEPT.read_text(encoding="utf-8"))
    for table in tower_tasks.tables(tasks).values():
        assert table in page, "run python benchmarks/tower_tasks.py write"


def test_the_page_about_blindness_is_what_is_kept():
    kept = json.loads(blindness.KEPT.read_text(encoding="utf-8"))
    assert set(kept) == set(blindness.MODELS)
    assert blindness.block(kept) in blindness.PAGE.read_text(encoding="utf-8")
    assert (blindness.PAGE.parent / blindness.FIGURE).read_text(encoding="utf-8") == blindness.figure(kept)


@pytest.mark.parametrize(
    ("x", "said"), [(0.5, ".500"), (-0.25, "-.250"), (10.5, "10.500"), (-20.0, "-20.000"), (0, ".000")]
)
def test_numbers_lose_a_leading_zero_and_no_other(x, said):
    assert cells.short(x) == said and cells.signed(x) == (said if x < 0 else f"+{said}")


def test_errors_are_split_by_what_the_probe_finds():
    knows, says = np.array([1, -1, -1, 1, 1, 1.0]), np.array([1, 1, 1, -1, 1, -1.0])
    truth = np.array([True, False, True, True, False, False])
    q = blindness.Questions(knows, says, truth, list("abcdef"), ["dog", "cat"] * 3)
    found = blindness.figures(q)
    assert found["blind"]["invented"]["of"] == 2 and found["blind"]["invented"]["value"] == 0.5
    assert found["blind"]["missed"] == {"value": 0.0, "low": None, "high": None, "of": 1}
    assert found["accuracy"]["value"] == 0.5 and found["probe_accuracy"]["value"] == 0.5
    assert "| objects invented (a wrong yes) | 2 |" in blindness.block({"one": found})


def test_a_reader_can_play_the_page_about_blindness(workdir):
    found = blindness.play("tiny-llava", 36, 12, workdir / "results")
    assert found["questions"] <= 36 and found["pictures"] == 2
    assert sum(found["blind"][k]["of"] for k in ("wrong", "right")) == found["questions"]
    blindness.keep("tiny-llava", found, workdir / "kept.json")
    kept = json.loads((workdir / "kept.json").read_text())
    assert blindness.figure(kept).startswith("<svg") and "tiny-llava" in blindness.block(kept)


def test_a_reader_can_play_the_tables_of_tasks(workdir):
    arms = [{"inward_window": {"factor": 1.5}}]
    found = tower_tasks.play("screenspot", 12, workdir / "results", arms)
    assert set(found["rows"]) == {"vanilla", "`inward_window`, factor 1.5"} and found["samples"] == 12
    row = found["rows"]["vanilla"]["sizes"]
    assert [row[s]["of"] for s in (*tower_tasks.SIZES, "all")] == [4, 4, 4, 12] and row["all"]["difference"] == 0
    captions = tower_tasks.play("chair", 4, workdir / "results", [{"neighborhood": {"kernel": 2}}])
    first, second = captions["rows"].values()
    assert first["changed"] == 0 and second["chair_i"]["value"] == pytest.approx(
        first["chair_i"]["value"] + second["chair_i"]["difference"], abs=2e-4
    )
    assert tower_tasks.tables({"screenspot": found, "chair": captions})["chair"].count("\n") == 4

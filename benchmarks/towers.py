"""Small towers and learners of increments, their figures over seeds, and claims of papers about them.

    python benchmarks/towers.py play [--weights DIR]      # all weights on both tasks: results/towers/towers.json
    python benchmarks/towers.py write                     # the tables of docs/tower.md

Weights are those of `harness zoo train`; without DIR those that come with harness. `play` asks what the tasks ask, in
one pass for all readouts, and scores by the tasks' functions. Intervals take seeds and pictures as drawn at random.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from cells import bounds, short, signed, table
from method_tables import DECIDED, HOLDS, ONCE, verdict

from harness.plugins.registry import ROOT, Registry
from harness.stats import Difference
from harness.stats.corrections import holm_of_tested
from harness.stats.precision import average_precision, mean_average_precision
from harness.stats.seeds import over_seeds, seeds_difference
from harness.tasks.increments import scoring as increments
from harness.tasks.increments.course import EACH, SESSIONS
from harness.zoo.card import every
from harness.zoo.towers.readouts import READOUTS
from harness.zoo.trained import COMMITTED, Trained

KEPT, PAGE = ROOT / "results/towers/towers.json", ROOT / "docs/tower.md"
BLOCK = re.compile(r"(<!-- (towers|readouts|sessions|claims): [^\n]*-->\n).*?(<!-- end -->\n)", re.DOTALL)
MARGIN = 0.01
TOWERS = ("dense", "neighborhood", "bi_level", "bi_level-plain", "vsa", "window", "dense-masked")
LEARNERS = ("joint", "multilane", "lane_linear", "prompt_select", "linear")
ROWS = 200


@dataclass(frozen=True)
class Claim:
    """`better` does better than `worse` (`way` 1), or as well up to MARGIN (0). Each is a model or `tower/readout`."""

    paper: str
    words: str
    better: str
    worse: str
    way: int = 1


CLAIMS = (
    Claim("VSA, 2204.08446", "windows that move and scale beat plain ones", "vsa/ep", "window/ep"),
    Claim("NAT, 2204.07143", "neighborhoods beat windows of as many keys", "neighborhood/ep", "window/ep"),
    Claim("BiFormer, 2303.08810", "routed regions beat windows of as many keys", "bi_level/ep", "window/ep"),
    Claim("BiFormer", "the convolution of values helps", "bi_level/ep", "bi_level-plain/ep"),
    Claim("BiFormer", "a quarter of the keys does as well as all", "bi_level/ep", "dense/ep", 0),
    Claim(
        "EP, 2506.10178",
        "attentive beats linear, learnt without labels",
        "dense-masked/ep",
        "dense-masked/linear",
    ),
    Claim("EP", "... and beats the mean there", "dense-masked/ep", "dense-masked/mean"),
    Claim("EP", "attentive beats linear, learnt from labels", "dense/ep", "dense/linear"),
    Claim("EP", "... and beats the mean there", "dense/ep", "dense/mean"),
    Claim("EP", "as good as cross-attention with more parameters", "dense/ep", "dense/mha", 0),
    Claim("EP", "... learnt without labels", "dense-masked/ep", "dense-masked/mha", 0),
    Claim("MULTI-LANE, 2405.15633", "lanes beat prompts that are chosen", "multilane", "prompt_select"),
    Claim("MULTI-LANE", "lanes beat a head that keeps learning", "multilane", "linear"),
    Claim("MULTI-LANE", "lanes beat a head for each session", "multilane", "lane_linear"),
    Claim("MULTI-LANE", "lanes reach all labels at once", "multilane", "joint", 0),
)


def asked(task: str, samples: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Patches and labels of a task's samples."""
    made = Registry().get("task", task).build(**({"samples": samples} if samples else {}))
    rows = list(made.samples())
    labels = 67 if task == "scenes" else increments.LABELS
    return np.stack([s.data["values"] for s in rows]), np.array([np.isin(np.arange(labels), s.target) for s in rows])


@torch.no_grad()
def scenes(trained: Trained, values: np.ndarray, shown: np.ndarray) -> dict[str, Any]:
    """Of each readout precision by picture and mAP."""
    tower = trained.load()
    states = torch.cat([tower(torch.from_numpy(values[i : i + ROWS])) for i in range(0, len(values), ROWS)])
    out = {}
    for name in READOUTS:
        said = tower.readouts[name](states).numpy()
        by = [round(float(p), 5) for p in average_precision(said, shown)]
        out[name] = {"map": round(mean_average_precision(said, shown), 4), "precision": by}
    return out


@torch.no_grad()
def sessions(trained: Trained, values: np.ndarray, shown: np.ndarray) -> dict[str, Any]:
    """Precision by picture, mAP behind each session, and what was forgotten."""
    net = trained.load()
    said = torch.cat([net.answers(torch.from_numpy(values[i : i + ROWS])) for i in range(0, len(values), ROWS)])
    table = said.numpy().reshape(len(values), SESSIONS, -1)
    by = increments.precisions(table, shown)
    mine = [round(float(np.nanmean(by[t, : (t + 1) * EACH])), 4) for t in range(SESSIONS)]
    each = [_picture(table[i], shown[i]) for i in range(len(values))]
    numbers = {k: round(v, 4) for k, v in increments.figures(table, shown).items()}
    return {"map": mine, "precision": each, **numbers}


def _picture(table: np.ndarray, shown: np.ndarray) -> float:
    seen = [(t + 1) * EACH for t in range(SESSIONS) if shown[: (t + 1) * EACH].any()]
    first = SESSIONS - len(seen)
    return round(float(np.mean([average_precision(table[first + i, :n], shown[:n]) for i, n in enumerate(seen)])), 5)


def facts(trained: Trained) -> dict[str, Any]:
    f = trained.facts
    kept = ("parameters", "readouts", "visible_keys", "device", "seconds", "cpu_seconds", "steps")
    return {k: f[k] for k in kept if k in f}


def play(folder: Path, samples: int | None = None) -> dict[str, Any]:
    """Name -> seed -> figures, of both tasks."""
    out: dict[str, Any] = {"scenes": {}, "increments": {}}
    for task, how in (("scenes", scenes), ("increments", sessions)):
        values, shown = asked(task, samples)
        out[f"{task}_pictures"] = len(values)
        for trained in (t for t in every(folder) if t.course == task):
            figures = {**facts(trained), "scores": how(trained, values, shown)}
            out[task].setdefault(trained.name, {})[str(trained.seed)] = figures
    return out


def precision(kept: Mapping[str, Any], arm: str) -> dict[int, np.ndarray]:
    """Seed -> precision by picture, of `tower/readout` or of a learner."""
    name, _, readout = arm.partition("/")
    known = kept["scenes" if readout else "increments"].get(name, {})
    scores = {int(s): f["scores"].get(readout) if readout else f["scores"] for s, f in known.items()}
    return {s: np.array(f["precision"]) for s, f in scores.items() if f}


def judged(kept: Mapping[str, Any], claims: Sequence[Claim] = CLAIMS) -> list[tuple[Claim, Difference | None, str]]:
    """Each claim with its difference and verdict, p corrected over all (Holm)."""
    made = []
    for claim in claims:
        a, b = precision(kept, claim.better), precision(kept, claim.worse)
        rows = len(next(iter(a.values()), []))
        made.append((claim, seeds_difference(b, a, list(range(rows))) if a and b else None))
    out = []
    for (claim, d), p in zip(made, holm_of_tested([d.p if d else None for _, d in made]), strict=True):
        said = "not run" if d is None else HOLDS[verdict(d, p, claim.way, MARGIN)]
        if said in DECIDED and min(len(precision(kept, arm)) for arm in (claim.better, claim.worse)) == 1:
            said += ONCE
        out.append((claim, d, said))
    return out


def level(values: Mapping[int, np.ndarray]) -> str:
    e = over_seeds(np.stack(list(values.values())), list(range(len(next(iter(values.values()))))))
    return short(e.value) + bounds(e.low, e.high)


def _each(numbers: Sequence[float]) -> str:
    return ", ".join(map(short, numbers))


def towers(kept: Mapping[str, Any]) -> str:
    """Of each tower, through the attentive readout."""
    rows = [["tower", "keys seen of 65", "parameters", "seeds", "precision", "mAP of each seed"]]
    for name in [t for t in TOWERS if t in kept["scenes"]]:
        seeds = kept["scenes"][name]
        first = next(iter(seeds.values()))
        maps = _each([f["scores"]["ep"]["map"] for f in seeds.values()])
        keys = f"{first['visible_keys']:.1f}"
        values = level(precision(kept, f"{name}/ep"))
        rows.append([f"`{name}`", keys, f"{first['parameters']:,}", str(len(seeds)), values, maps])
    return table(rows)


def readouts(kept: Mapping[str, Any]) -> str:
    """Of each tower all readouts; and how many parameters they have."""
    known = [t for t in TOWERS if t in kept["scenes"]]
    counts = next(iter(next(iter(kept["scenes"].values())).values()))["readouts"]
    base = counts["mean"]
    rows = [["tower", *(f"`{r}`, {counts[r] - base:,} parameters to pool" for r in READOUTS)]]
    rows += [[f"`{t}`", *(level(precision(kept, f"{t}/{r}")) for r in READOUTS)] for t in known]
    return table(rows)


def in_sessions(kept: Mapping[str, Any]) -> str:
    heads = ["learner", "parameters", "precision", "average mAP", "last mAP", "forgetting", "of1", "cf1"]
    rows = [heads]
    for name in [n for n in LEARNERS if n in kept["increments"]]:
        seeds = kept["increments"][name]
        numbers = [
            _each([f["scores"][k] for f in seeds.values()]) for k in ("amap", "map_last", "forgetting", "of1", "cf1")
        ]
        parameters = f"{next(iter(seeds.values()))['parameters']:,}"
        rows.append([f"`{name}`", parameters, level(precision(kept, name)), *numbers])
    return table(rows)


def claims(kept: Mapping[str, Any]) -> str:
    rows = [["paper", "claim", "better", "than", "by", "verdict"]]
    for c, d, said in judged(kept):
        by = "" if d is None else signed(d.value) + bounds(d.low, d.high)
        rows.append([c.paper, c.words, f"`{c.better}`", f"`{c.worse}`", by, said])
    return table(rows, text=len(rows[0]))


def write(kept: Mapping[str, Any], text: str) -> str:
    """The page with its four tables."""
    made = {"towers": towers, "readouts": readouts, "sessions": in_sessions, "claims": claims}
    return BLOCK.sub(lambda m: f"{m[1]}\n{made[m[2]](kept)}\n{m[3]}", text)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("play", "write"))
    parser.add_argument("--weights", type=Path, default=COMMITTED)
    parser.add_argument("--samples", type=int)
    parser.add_argument("--keep", type=Path, default=KEPT)
    given = parser.parse_args()
    if given.what == "play":
        given.keep.parent.mkdir(parents=True, exist_ok=True)
        given.keep.write_text(json.dumps(play(given.weights, given.samples)) + "\n", encoding="utf-8")
    else:
        kept = json.loads(given.keep.read_text(encoding="utf-8"))
        PAGE.write_text(write(kept, PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()

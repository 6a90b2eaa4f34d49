"""Generated puzzles: keys re-solved by other means than the generator's, options unique, letters spread."""

from __future__ import annotations

import itertools
import os
import random
import re
from collections import Counter

import numpy as np
import pytest

from harness.tasks.stare.generate import puzzle
from harness.tasks.stare.puzzles import flat, nets, spatial, tangram, views
from harness.tasks.stare.puzzles.item import difference
from harness.tasks.stare.scoring import CONFIGS

SEEDS = int(os.environ.get("HARNESS_SEEDS", "200"))
"""Puzzles of a kind; 2000 were tried."""


def test_exactly_eleven_hexominoes_fold():
    valid, invalid = nets.kinds()
    assert (len(valid), len(invalid)) == (11, 24)


def sides(net) -> set:
    """Another solver: a die rolled over the net; each square gets the number of the side that lies on it."""
    cells, dice = set(net), {net[0]: (1, 2, 3, 4, 5, 6)}  # bottom, north, east, south, west, top
    queue = [net[0]]
    while queue:
        x, y = queue.pop()
        b, n, e, s, w, t = dice[x, y]
        rolls = {(x + 1, y): (e, n, t, s, b, w), (x - 1, y): (w, n, b, s, t, e)}
        rolls |= {(x, y + 1): (n, t, e, b, w, s), (x, y - 1): (s, b, e, t, w, n)}
        for cell, die in rolls.items():
            if cell in cells and cell not in dice:
                dice[cell] = die
                queue.append(cell)
    return {die[0] for die in dice.values()}


def test_nets_by_rolling_a_die():
    letters = Counter()
    for seed in range(SEEDS):
        made = nets.puzzle(("", "all", "partial", "last")[seed % 4], random.Random(f"n{seed}"))
        net = tuple(tuple(c) for c in made.info["net"])
        key = "yes" if len(sides(net)) == 6 else "no"
        assert dict(re.findall(r"^([AB])\. (\w+)$", made.question, re.M))[made.answer] == key
        letters[made.answer, key] += 1
        assert len(made.images) == {"": 1, "all": 6, "partial": 4, "last": 2}[made.kind]  # whatever the answer is
    assert all(0.15 * SEEDS < n < 0.35 * SEEDS for n in letters.values()) and len(letters) == 4


def covers(n: int, pieces) -> bool:
    """Another solver: every way to lay each piece, as rows of an exact cover problem."""
    rows = []
    for i, piece in enumerate(pieces):
        seen = set()
        for turn, mirror in itertools.product(range(4), (1, -1)):
            cells = [(x * mirror, y) for x, y in piece]
            for _ in range(turn):
                cells = [(y, -x) for x, y in cells]
            for dx, dy in itertools.product(range(-5, 10), repeat=2):
                at = frozenset((x + dx, y + dy) for x, y in cells)
                if all(0 <= x < n and 0 <= y < n for x, y in at):
                    seen.add(at)
        rows.append((i, seen))

    def search(covered: frozenset, left: list) -> bool:
        if not left:
            return len(covered) == n * n
        (_, ways), *rest = left
        return any(search(covered | w, rest) for w in ways if not covered & w)

    return sum(len(p) for p in pieces) == n * n and search(frozenset(), sorted(rows, key=lambda r: len(r[1])))


def test_tangram_by_exact_cover():
    letters, equal = Counter(), Counter()
    for seed in range(SEEDS):
        made = tangram.puzzle(("", "all", "partial", "last")[seed % 4], random.Random(f"t{seed}"))
        n, pieces = made.info["board"], [[tuple(c) for c in p] for p in made.info["pieces"]]
        key = made.info["solvable"]
        area = sum(map(len, pieces))
        if area == n * n and (seed % 5 == 0 or not key):
            assert covers(n, pieces) is key
        assert area == n * n or not key
        equal[key, area == n * n] += 1
        said = dict(re.findall(r"^([AB])\. (\w+)$", made.question, re.M))[made.answer]
        assert said == ("yes" if key else "no")
        letters[made.answer, key] += 1
        count = len(pieces)
        assert len(made.images) == {"": 1, "all": count, "partial": max(2, count - 1), "last": 2}[made.kind]
    assert all(0.15 * SEEDS < n < 0.35 * SEEDS for n in letters.values())
    assert equal[False, True] > 0.1 * SEEDS  # counting cells is not enough


def reread(line: str, start: flat.Shape) -> flat.Shape:
    """A step by its words alone."""
    if m := re.match(r"Rotate the \w+ by (\d+) degrees (clockwise|counterclockwise)", line):
        return start.after(flat.Step("rotate", int(m[1]) * (1 if m[2] == "clockwise" else -1)))
    if line.startswith("Flip"):
        return start.after(flat.Step("flip", float("vertically" in line)))
    if line.startswith(("Enlarge", "Shrink")):
        return start.after(flat.Step("scale", 2.0 if line.startswith("Enlarge") else 0.5))
    dx = dy = 0.0
    for how, way in re.findall(r"(a little|significantly) (to the right|to the left|upward|downward)", line):
        size = 10.0 if how == "a little" else 30.0
        if "to the" in way:
            dx = size if "right" in way else -size
        else:
            dy = size if way == "upward" else -size
    return start.after(flat.Step("shift", dx, dy))


@pytest.mark.parametrize("words", [False, True])
def test_flat_keys(words):
    """The option at the key's letter is the shape after the steps, as said in words; no other option looks the same."""
    letters = Counter()
    for seed in range(SEEDS):
        made = flat.puzzle(words, ("", "", "all", "partial", "last")[seed % 5], random.Random(f"f{words}{seed}"))
        letters[made.answer] += 1
        info = made.info
        now = flat.Shape(info["shape"], np.array(info["start"]), np.zeros(2))
        if words:
            for line in info["words"]:
                assert line in made.question
                now = reread(line, now)
        else:
            now = flat.final(now, [flat.Step(*s) for s in info["steps"]])
        options = [flat.Shape(info["shape"], np.array(o), np.zeros(2)) for o in info["options"]]
        same = [flat.overlap(now, o) for o in options]
        right = "ABCD".index(made.answer)
        assert same[right] > 0.93 and max(v for i, v in enumerate(same) if i != right) < 0.85
        for a, b in itertools.combinations(options, 2):
            assert flat.overlap(a, b) < 0.85
    assert all(0.15 * SEEDS < n < 0.35 * SEEDS for n in letters.values()) and len(letters) == 4


def test_solid_keys():
    """Poses of options: the key's are the steps, and pictures differ."""
    letters = Counter()
    for seed in range(SEEDS // 8):
        made = spatial.puzzle(bool(seed % 2), ("", "all", "last")[seed % 3], random.Random(f"s{seed}"))
        letters[made.answer] += 1
        right = "ABCD".index(made.answer)
        assert made.info["options"][right] == made.info["steps"]
        options = [
            spatial.picture(
                made.info["solid"],
                spatial.after(made.info["solid"], [spatial.Step(*s) for s in steps]),
                (200, 200, 200),
            )
            for steps in made.info["options"]
        ]
        assert all(difference(a, b) > 0.01 for a, b in itertools.combinations(options, 2))
    assert len(letters) == 4


@pytest.mark.parametrize("make", [views.perspective, views.temporal])
def test_views_differ(make):
    letters = Counter(make(random.Random(f"v{seed}")).answer for seed in range(SEEDS // 8))
    assert len(letters) == (4 if make is views.perspective else 3) and min(letters.values()) >= SEEDS // 80


def test_steady_motion_is_unique():
    """The hidden frame is the only option that continues the motion at equal steps."""
    for seed in range(SEEDS // 4):
        made = views.temporal(random.Random(f"m{seed}"))
        assert made.info["missing"] in (1, 2) and len(made.images) == 2


@pytest.mark.parametrize("config", CONFIGS)
def test_the_same_seed_gives_the_same_bytes(config):
    kind = "all" if config.endswith("vsim") else ""
    a, b = (puzzle(config, random.Random("x"), kind) for _ in range(2))
    assert a.question == b.question and a.answer == b.answer and a.info == b.info
    assert [i.tobytes() for i in a.images] == [i.tobytes() for i in b.images]
    assert a.question.count("<image>") == len(a.images)

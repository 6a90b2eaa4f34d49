"""The four worlds: keys re-solved independently, options that fail but one, pictures by seed."""

from __future__ import annotations

import itertools
import os
import random
from collections import Counter

import numpy as np
import pytest

from harness.tasks.vic_bench.worlds import WORLDS, Illegal
from harness.tasks.vic_bench.worlds.counting import REGIONS
from harness.tasks.vic_bench.worlds.jigsaw import APART, _candidate

SEEDS = int(os.environ.get("HARNESS_SEEDS", "120"))
"""Items of a world; 2000 were tried."""
MAZE, JIGSAW, EMBODIED, COUNTING = (WORLDS[n] for n in ("maze", "jigsaw", "embodied", "counting"))


def letters(world, n: int) -> list:
    return [world.make(random.Random(f"{world.name}{seed}")) for seed in range(n)]


def spread(items) -> None:
    counts = Counter(i["answer"] for i in items)
    assert set(counts) == {0, 1, 2, 3} and all(0.12 * len(items) < c < 0.4 * len(items) for c in counts.values())


def walk(item, moves) -> tuple | None:
    """Another walker: on a grid of characters, twice as fine."""
    n = item["n"]
    solid = {(2 * x + (0 if across else 1), 2 * y + (1 if across else 0)) for x, y, across in item["walls"]}
    x, y = item["start"]
    for move in moves:
        dx, dy = {"up": (0, -1), "down": (0, 1), "left": (-1, 0), "right": (1, 0)}[move]
        if (2 * x + dx, 2 * y + dy) in solid or not (0 <= x + dx < n and 0 <= y + dy < n):
            return None
        x, y = x + dx, y + dy
    return x, y


def test_mazes():
    items = letters(MAZE, SEEDS)
    spread(items)
    for item in items:
        plan, _ = MAZE.plan(item)
        assert walk(item, plan) == tuple(item["goal"])
        shorter = any(
            walk(item, moves) == tuple(item["goal"])
            for moves in itertools.product(("up", "down", "left", "right"), repeat=min(5, len(plan) - 1))
        )
        assert not shorter or len(plan) > 5
        ends = [walk(item, o.split(", ")) == tuple(item["goal"]) for o in item["options"]]
        assert ends.index(True) == item["answer"] and sum(ends) == 1
        assert len({len(o.split(", ")) for o in item["options"]}) == 1 and len(set(item["options"])) == 4


def test_plans():
    """Each wrong plan fails when it is carried out; the reference is legal throughout and reaches the goal."""
    items = letters(EMBODIED, SEEDS)
    spread(items)
    for item in items:
        outcomes = []
        for option in item["options"]:
            state = EMBODIED.start(item)
            try:
                for action in option.split("; "):
                    state = EMBODIED.step(item, state, action)
                outcomes.append(EMBODIED.solved(item, state, None))
            except Illegal:
                outcomes.append(False)
        assert outcomes.index(True) == item["answer"] and sum(outcomes) == 1
        assert 3 <= len(EMBODIED.plan(item)[0]) <= 10 and not EMBODIED.solved(item, EMBODIED.start(item), None)


def test_crowds():
    items = letters(COUNTING, SEEDS)
    spread(items)
    for item in items:
        faces, r = item["faces"], item["radius"]
        key = COUNTING.counts(item)
        assert sum(key.values()) == len(faces) == int(item["options"][item["answer"]])
        assert len(set(item["options"])) == 4 and set(key) == set(REGIONS)
        assert all(min(abs(x - 144), abs(y - 144)) > r for x, y in faces)
        for (a, b), (c, d) in itertools.combinations(faces, 2):
            assert (a - c) ** 2 + (b - d) ** 2 >= (1.2 * r) ** 2


def test_jigsaws():
    """The key's candidate is the missing piece, the others are not, and no two pieces are alike."""
    items = letters(JIGSAW, max(40, SEEDS // 8))
    spread(items)
    for item in items:
        kinds = [tuple(o) for o in item["options"]]
        assert kinds.index(("piece", item["hole"])) == item["answer"] and len(set(kinds)) == 4
        shown = [np.asarray(_candidate(item, *k), float) for k in kinds]
        assert all(np.abs(a - b).mean() > APART for a, b in itertools.combinations(shown, 2))
        assert sorted(item["order"]) == list(range(item["rows"] * item["columns"]))


@pytest.mark.parametrize("name", WORLDS)
def test_the_same_seed_gives_the_same_bytes(name):
    world = WORLDS[name]
    a, b = (world.make(random.Random("x")) for _ in range(2))
    assert a == b
    actions, _ = world.plan(a)
    state = world.start(a)
    pictures = [world.render(a, state).tobytes()]
    for action in actions:
        state = world.step(a, state, action)
        pictures.append(world.render(a, state).tobytes())
    assert pictures[0] == world.render(b, world.start(b)).tobytes()
    assert len(set(pictures)) == len(pictures)  # every step is seen


@pytest.mark.parametrize("name", WORLDS)
def test_what_is_listed_as_legal_is_legal(name):
    world = WORLDS[name]
    for seed in range(10):
        rng = random.Random(seed)
        item = world.make(rng)
        state = world.start(item)
        for _ in range(8):
            legal = world.legal(item, state)
            if not legal:
                break
            state = world.step(item, state, rng.choice(legal))
        with pytest.raises(Illegal):
            world.step(item, state, "fly away")

"""Maze: walk from the blue to the green cell."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Sequence
from itertools import pairwise

from PIL import Image, ImageDraw

from harness.tasks.vic_bench.worlds.base import INK, Illegal, Item, World

Cell = tuple[int, int]
MOVES: dict[str, Cell] = {"up": (0, -1), "down": (0, 1), "left": (-1, 0), "right": (1, 0)}
CELL = 28


class Maze(World):
    name = "maze"
    task = "The picture shows a maze. Walk from the blue cell to the green cell without crossing walls."
    actions = (
        "ACTION: up, ACTION: down, ACTION: left or ACTION: right, one cell at a time. FINAL: done, at the green cell."
    )
    rules = "Black lines are walls. A step into a wall or out of the maze is illegal and leaves you where you are."
    example = "For example, from a cell with an open right side: ACTION: right"

    def make(self, rng: random.Random) -> Item:
        """A perfect maze by a recursive backtracker, sometimes with extra openings; start and goal far apart."""
        while True:
            n = rng.randint(3, 6)
            walls = _walls(n, rng, rng.choice((0, 0, 2)))
            start = (rng.randrange(n), rng.randrange(n))
            far = _distances(n, walls, start)
            best = [c for c, d in far.items() if n <= d <= 2 * n + 2]
            if not best:
                continue
            goal = rng.choice(best)
            item: Item = {"n": n, "walls": sorted(map(list, walls)), "start": list(start), "goal": list(goal)}
            options = self._options(item, rng)
            if options:
                words = [", ".join(o) for o in options]
                right = words[0]
                rng.shuffle(words)
                return {**item, "options": words, "answer": words.index(right)}

    def _options(self, item: Item, rng: random.Random) -> list[list[str]] | None:
        """The path and three others of its length that do not lead to the goal."""
        path = self.plan(item)[0]
        found = [path]
        names = list(MOVES)
        for _ in range(200):
            trial = list(path)
            kind = rng.randrange(3)
            if kind == 0:
                trial[rng.randrange(len(trial))] = rng.choice(names)
            elif kind == 1:
                cut = rng.randrange(1, len(trial))
                trial[cut:] = [rng.choice(names) for _ in trial[cut:]]
            else:
                swap = {"left": "right", "right": "left"} if rng.random() < 0.5 else {"up": "down", "down": "up"}
                trial = [swap.get(m, m) for m in trial]
            if trial not in found and not self._arrives(item, trial):
                found.append(trial)
            if len(found) == 4:
                return found
        return None

    def _arrives(self, item: Item, moves: Sequence[str]) -> bool:
        state = self.start(item)
        for move in moves:
            try:
                state = self.step(item, state, move)
            except Illegal:
                return False
        return state[-1] == tuple(item["goal"])

    def start(self, item: Item) -> tuple[Cell, ...]:
        return (tuple(item["start"]),)

    def step(self, item: Item, state: tuple[Cell, ...], action: str) -> tuple[Cell, ...]:
        move = action.strip().lower().strip(".")
        if move not in MOVES:
            raise Illegal(f"{action[:40]!r} is not a move: up, down, left or right")
        here = state[-1]
        there = (here[0] + MOVES[move][0], here[1] + MOVES[move][1])
        if not all(0 <= v < item["n"] for v in there):
            raise Illegal("that leads out of the maze")
        if _wall(here, there) in _set(item):
            raise Illegal("there is a wall")
        return (*state, there)

    def render(self, item: Item, state: tuple[Cell, ...]) -> Image.Image:
        """With the trail so far."""
        n = item["n"]
        image = Image.new("RGB", (n * CELL + 12, n * CELL + 12), "white")
        pen = ImageDraw.Draw(image)

        def box(c: Sequence[int], inset: int) -> tuple[int, int, int, int]:
            x, y = 6 + c[0] * CELL, 6 + c[1] * CELL
            return x + inset, y + inset, x + CELL - inset, y + CELL - inset

        pen.rectangle(box(item["goal"], 2), fill=(60, 180, 80))
        pen.rectangle(box(item["start"], 2), fill=(70, 120, 240))
        middle = [(6 + x * CELL + CELL / 2, 6 + y * CELL + CELL / 2) for x, y in state]
        if len(middle) > 1:
            pen.line(middle, fill=(240, 140, 30), width=4)
        x, y = middle[-1]
        pen.ellipse((x - 6, y - 6, x + 6, y + 6), fill=(220, 40, 40), outline=INK)
        pen.rectangle((6, 6, 6 + n * CELL, 6 + n * CELL), outline="black", width=3)
        for x, y, across in item["walls"]:
            a, b = 6 + x * CELL, 6 + y * CELL
            line = (a, b + CELL, a + CELL, b + CELL) if across else (a + CELL, b, a + CELL, b + CELL)
            pen.line(line, fill="black", width=3)
        return image

    def solved(self, item: Item, state: tuple[Cell, ...], final: str | None) -> bool:
        return state[-1] == tuple(item["goal"])

    def over(self, item: Item, state: tuple[Cell, ...]) -> bool:
        return self.solved(item, state, None)

    def recall(self, item: Item, states: Sequence[tuple[Cell, ...]]) -> float:
        """Longest beginning that lies on any shortest path, over that path's length."""
        to_goal = _distances(item["n"], _set(item), tuple(item["goal"]))
        trail = states[-1]
        good = 0
        for a, b in pairwise(trail):
            if to_goal[b] != to_goal[a] - 1:
                break
            good += 1
        return good / to_goal[trail[0]]

    def plan(self, item: Item) -> tuple[list[str], str]:
        to_goal = _distances(item["n"], _set(item), tuple(item["goal"]))
        here, out = tuple(item["start"]), []
        while to_goal[here]:
            for name, (dx, dy) in MOVES.items():
                there = (here[0] + dx, here[1] + dy)
                if to_goal.get(there, -1) == to_goal[here] - 1 and _wall(here, there) not in _set(item):
                    out.append(name)
                    here = there
                    break
        return out, "done"

    def legal(self, item: Item, state: tuple[Cell, ...]) -> list[str]:
        return [m for m in MOVES if _allowed(self, item, state, m)]

    def told(self, item: Item, state: tuple[Cell, ...]) -> str:
        (x, y), (gx, gy) = state[-1], item["goal"]
        return f"You are in row {y + 1}, column {x + 1}; the green cell is in row {gy + 1}, column {gx + 1}."

    def question(self, item: Item) -> str:
        return "The picture shows a maze. Which moves lead from the blue cell to the green cell?"


def _allowed(world: World, item: Item, state: object, action: str) -> bool:
    try:
        world.step(item, state, action)
    except Illegal:
        return False
    return True


def _wall(a: Cell, b: Cell) -> tuple[int, int, int]:
    """Between two neighbours: the upper or left cell, and 1 where the wall runs across."""
    x, y = min(a[0], b[0]), min(a[1], b[1])
    return x, y, int(a[0] == b[0])


def _set(item: Item) -> set[tuple[int, int, int]]:
    return {(x, y, across) for x, y, across in item["walls"]}


def _walls(n: int, rng: random.Random, openings: int) -> set[tuple[int, int, int]]:
    cells = [(x, y) for y in range(n) for x in range(n)]
    walls = {_wall(a, b) for a in cells for b in _near(n, a)}
    known, trail = {cells[0]}, [cells[0]]
    while trail:
        fresh = [c for c in _near(n, trail[-1]) if c not in known]
        if not fresh:
            trail.pop()
            continue
        cell = rng.choice(fresh)
        walls.discard(_wall(trail[-1], cell))
        known.add(cell)
        trail.append(cell)
    for wall in rng.sample(sorted(walls), min(openings, len(walls))):
        walls.discard(wall)
    return walls


def _near(n: int, cell: Cell) -> list[Cell]:
    around = ((cell[0] + dx, cell[1] + dy) for dx, dy in MOVES.values())
    return [(x, y) for x, y in around if 0 <= x < n and 0 <= y < n]


def _distances(n: int, walls: set[tuple[int, int, int]], start: Cell) -> dict[Cell, int]:
    out, queue = {start: 0}, deque([start])
    while queue:
        here = queue.popleft()
        for there in _near(n, here):
            if there not in out and _wall(here, there) not in walls:
                out[there] = out[here] + 1
                queue.append(there)
    return out

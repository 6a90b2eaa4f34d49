"""Embodied planning: a hand, coloured blocks, three zones and a box; reach a set of relations."""

from __future__ import annotations

import random
import re
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from PIL import Image, ImageDraw, ImageFont

from harness.tasks.vic_bench.worlds.base import INK, Illegal, Item, World

ZONES = ("left", "middle", "right")
PAINTS = {"red": (225, 60, 50), "blue": (60, 100, 230), "green": (50, 170, 80), "yellow": (240, 205, 50)}
CALL = re.compile(r"(pick|place|open|close)\s*\(\s*([a-z]+)\s*(?:,\s*(?:on\s+)?([a-z]+)\s*)?\)\.?$", re.IGNORECASE)


@dataclass(frozen=True)
class Table:
    """`where[i]` is what block i stands on or in: a zone, another block, the box, or the hand."""

    where: tuple[str, ...]
    open: bool

    @property
    def held(self) -> int | None:
        return self.where.index("hand") if "hand" in self.where else None


class Embodied(World):
    name = "embodied"
    task = (
        "The picture shows a table with three zones (left, middle, right), coloured blocks, a box and a robot's hand. "
        "Reach the goal."
    )
    actions = (
        "ACTION: pick(<block>), ACTION: place(<block>, <zone, block or box>), ACTION: open(box) or ACTION: close(box). "
        "FINAL: done, when the goal is reached."
    )
    rules = (
        "The hand holds one block at a time. A block with another one on top cannot be picked, nor one in the closed "
        "box. A block can be placed on a zone, on a block with nothing on top, or in the open box, which holds one "
        "block. The box can be opened and closed with an empty hand."
    )
    example = (
        "For example, to put the red block on the blue one: ACTION: pick(red), and in the next turn "
        "ACTION: place(red, blue)"
    )

    def make(self, rng: random.Random) -> Item:
        while True:
            names = rng.sample(list(PAINTS), rng.randint(3, 4))
            state = Table(tuple(rng.choice(ZONES) for _ in names), rng.random() < 0.5)
            item: Item = {"blocks": names, "where": list(state.where), "open": state.open}
            end = state
            for _ in range(rng.randint(8, 24)):
                end = self.step(item, end, rng.choice(self.legal(item, end)))
            if end.held is not None:
                continue
            facts = [[n, w] for n, w in zip(names, end.where, strict=True)] + [
                ["box", "open" if end.open else "closed"]
            ]
            wanted = [f for f in facts if not _holds(item, state, f)]
            if not 2 <= len(wanted) <= 4:
                continue
            item["goal"] = wanted
            plan = _search(_frozen(item))
            if plan is None or not 3 <= len(plan) <= 10:
                continue
            options = self._options(item, list(plan), rng)
            if options:
                words = ["; ".join(o) for o in options]
                right = words[0]
                rng.shuffle(words)
                return {**item, "options": words, "answer": words.index(right)}

    def _options(self, item: Item, plan: list[str], rng: random.Random) -> list[list[str]] | None:
        found = [plan]
        for _ in range(200):
            trial = list(plan)
            kind = rng.randrange(3)
            if kind == 0 and len(trial) > 1:
                i, j = rng.sample(range(len(trial)), 2)
                trial[i], trial[j] = trial[j], trial[i]
            elif kind == 1:
                del trial[rng.randrange(len(trial))]
            else:
                a, b = rng.sample(item["blocks"], 2)
                i = rng.randrange(len(trial))
                trial[i] = trial[i].replace(a, "*").replace(b, a).replace("*", b)
            if trial not in found and not self._reaches(item, trial):
                found.append(trial)
            if len(found) == 4:
                return found
        return None

    def _reaches(self, item: Item, plan: Sequence[str]) -> bool:
        state = self.start(item)
        for action in plan:
            try:
                state = self.step(item, state, action)
            except Illegal:
                return False
        return self.solved(item, state, None)

    def start(self, item: Item) -> Table:
        return Table(tuple(item["where"]), item["open"])

    def step(self, item: Item, state: Table, action: str) -> Table:
        found = CALL.match(action.strip().lower())
        if not found:
            raise Illegal(f"{action[:40]!r} is not an action: pick(x), place(x, y), open(box), close(box)")
        verb, what, target = found.groups()
        if verb in ("open", "close"):
            if what != "box" or target:
                raise Illegal("only the box can be opened and closed")
            if state.held is not None:
                raise Illegal("the hand is not empty")
            if state.open == (verb == "open"):
                raise Illegal(f"the box is {'open' if state.open else 'closed'} already")
            return replace(state, open=verb == "open")
        blocks = item["blocks"]
        if what not in blocks:
            raise Illegal(f"there is no {what} block")
        i = blocks.index(what)
        if verb == "pick":
            if target:
                raise Illegal("pick takes one block")
            if state.held is not None:
                raise Illegal("the hand is not empty")
            if what in state.where:
                raise Illegal(f"something stands on the {what} block")
            if state.where[i] == "box" and not state.open:
                raise Illegal("the box is closed")
            return replace(state, where=_put(state.where, i, "hand"))
        if state.held != i:
            raise Illegal(f"the hand does not hold the {what} block")
        if target not in (*ZONES, *blocks, "box") or target == what:
            raise Illegal(f"nothing can be placed on {target}")
        if target in blocks and (target in state.where or state.where[blocks.index(target)] == "box"):
            raise Illegal(f"the {target} block is not free")
        if target == "box" and (not state.open or "box" in state.where):
            raise Illegal("the box is closed or full")
        assert target
        return replace(state, where=_put(state.where, i, target))

    def render(self, item: Item, state: Table) -> Image.Image:
        """From the front: zones as plates, blocks in stacks, the box on the right, the hand above."""
        image = Image.new("RGB", (300, 190), "white")
        pen = ImageDraw.Draw(image)
        font = ImageFont.load_default(12)
        side = 24
        pen.rectangle((0, 160, 300, 190), fill=(205, 180, 150))
        for z, zone in enumerate(ZONES):
            x = 8 + z * 74
            pen.rectangle((x, 156, x + 66, 162), fill=(150, 150, 150))
            pen.text((x + 33, 172), zone, fill=INK, font=font, anchor="mm")
            on = [i for i, w in enumerate(state.where) if w == zone]
            for k, i in enumerate(on):
                self._stack(pen, item, state, i, x + (k % 3) * 22, 156 - (k // 3) * (side + 2), side)
        pen.rectangle((238, 126, 288, 160), outline=INK, width=2)
        lid = [(238, 126), (226, 100)] if state.open else [(236, 124), (290, 124)]
        pen.line(lid, fill=(120, 80, 40), width=5)
        pen.text((263, 172), "box " + ("open" if state.open else "closed"), fill=INK, font=font, anchor="mm")
        if state.open and "box" in state.where:
            self._stack(pen, item, state, state.where.index("box"), 252, 156, side)
        pen.line([(150, 0), (150, 14)], fill=INK, width=4)
        pen.line([(134, 26), (134, 14), (166, 14), (166, 26)], fill=INK, width=4)
        if state.held is not None:
            self._stack(pen, item, state, state.held, 139, 44, side)
        return image

    def _stack(self, pen: ImageDraw.ImageDraw, item: Item, state: Table, i: int, x: int, y: int, side: int) -> None:
        name = item["blocks"][i]
        pen.rectangle((x, y - side, x + 21, y), fill=PAINTS[name], outline=INK)
        if name in state.where:
            self._stack(pen, item, state, state.where.index(name), x, y - side, side)

    def solved(self, item: Item, state: Table, final: str | None) -> bool:
        return all(_holds(item, state, f) for f in item["goal"])

    def over(self, item: Item, state: Table) -> bool:
        return self.solved(item, state, None)

    def recall(self, item: Item, states: Sequence[Table]) -> float:
        """Relations of the goal that hold at the end / relations."""
        return sum(_holds(item, states[-1], f) for f in item["goal"]) / len(item["goal"])

    def plan(self, item: Item) -> tuple[list[str], str]:
        return list(_search(_frozen(item)) or ()), "done"

    def legal(self, item: Item, state: Table) -> list[str]:
        names = item["blocks"]
        tried = [f"pick({n})" for n in names] + ["open(box)", "close(box)"]
        tried += [f"place({n}, {t})" for n in names for t in (*ZONES, *names, "box")]
        out = []
        for action in tried:
            try:
                self.step(item, state, action)
                out.append(action)
            except Illegal:
                pass
        return out

    def told(self, item: Item, state: Table) -> str:
        facts = [f"{n} {_relation(w)}" for n, w in zip(item["blocks"], state.where, strict=True)]
        return f"{'; '.join(facts)}; the box is {'open' if state.open else 'closed'}."

    def goal(self, item: Item) -> str:
        return f"Goal: {'; '.join(_fact(f) for f in item['goal'])}."

    def question(self, item: Item) -> str:
        return f"{self.task} {self.goal(item)} Which plan reaches it?"


def _put(where: tuple[str, ...], i: int, target: str) -> tuple[str, ...]:
    return (*where[:i], target, *where[i + 1 :])


def _holds(item: Item, state: Table, fact: Sequence[str]) -> bool:
    if fact[0] == "box":
        return state.open == (fact[1] == "open")
    return state.where[item["blocks"].index(fact[0])] == fact[1]


def _relation(where: str) -> str:
    if where == "hand":
        return "in the hand"
    if where == "box":
        return "in the box"
    return f"in the {where} zone" if where in ZONES else f"on {where}"


def _fact(fact: Sequence[str]) -> str:
    return f"the box is {fact[1]}" if fact[0] == "box" else f"{fact[0]} is {_relation(fact[1])}"


def _frozen(item: Item) -> tuple[tuple[str, ...], tuple[str, ...], bool, tuple[tuple[str, str], ...]]:
    return tuple(item["blocks"]), tuple(item["where"]), item["open"], tuple((a, b) for a, b in item["goal"])


@lru_cache(4096)
def _search(
    frozen: tuple[tuple[str, ...], tuple[str, ...], bool, tuple[tuple[str, str], ...]],
) -> tuple[str, ...] | None:
    """A shortest plan, breadth first."""
    blocks, where, is_open, goal = frozen
    item: Item = {"blocks": list(blocks), "where": list(where), "open": is_open, "goal": goal}
    world = Embodied()
    start = world.start(item)
    seen = {start}
    queue: deque[tuple[Table, tuple[str, ...]]] = deque([(start, ())])
    while queue:
        state, plan = queue.popleft()
        if world.solved(item, state, None):
            return plan
        if len(plan) >= 10:
            continue
        for action in world.legal(item, state):
            then = world.step(item, state, action)
            if then not in seen:
                seen.add(then)
                queue.append((then, (*plan, action)))
    return None

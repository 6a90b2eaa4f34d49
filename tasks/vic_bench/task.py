"""ViC-Bench as a task: an item at a stage is one sample. Stage 3 shows what the model's own steps bring about."""

from __future__ import annotations

import random
import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

from PIL import Image

from harness.core import Message, Outcome, Picture, Reply, Request, Sample, user
from harness.core.pixels import png
from harness.records import RecordTask, Source, with_record
from harness.tasks.vic_bench.judge import Play, read, replayed
from harness.tasks.vic_bench.levels import opening
from harness.tasks.vic_bench.scoring import SCORES, aggregate
from harness.tasks.vic_bench.settings import Settings
from harness.tasks.vic_bench.sources import VicItem, load
from harness.tasks.vic_bench.worlds import WORLDS
from harness.tasks.vic_bench.worlds.jigsaw import Jigsaw

STAGE1 = "\nAnswer with the option's letter from the given choices directly."
LETTER = re.compile(r"(?<![A-Za-z])([A-H])(?![A-Za-z'])")


class VicBench(RecordTask[Settings, VicItem]):
    """The group is "world stage", the cluster the item."""

    name = "vic_bench"
    Settings = Settings
    scores = SCORES
    summary = aggregate

    def __init__(self, settings: Settings):
        super().__init__(settings)
        self._plays: dict[str, Play] = {}

    def load(self) -> Source[VicItem]:
        return load(self.settings)

    @cached_property
    def _next(self) -> dict[str, VicItem]:
        """Another item of the same world, whose picture the control arm `wrong` shows."""
        out = {}
        for world in WORLDS:
            some = [r for r in self.source.records if r.world == world]
            out |= {r.id: some[(i + 1) % len(some)] for i, r in enumerate(some)}
        return out

    def samples(self) -> Iterator[Sample]:
        for record in self.source.records:
            whole = self.sample(record)
            for stage in self.settings.stages:
                group = f"{record.world} stage {stage}"
                yield with_record(
                    replace(whole, id=f"{record.id}-s{stage}", group=group, data={"stage": stage}), record
                )

    def sample(self, record: VicItem) -> Sample:
        return Sample(record.id, f"vic_bench:{self.settings.data}:{record.id}", record.world, None)

    def play(self, sample: Sample, record: VicItem) -> Generator[Request, Reply, Outcome]:
        if sample.data["stage"] == 1:
            return (yield from self._choose(record))
        if sample.data["stage"] == 2:
            return (yield from self._tell(record))
        try:
            return (yield from self._walk(sample, record))
        finally:
            self._plays.pop(sample.id, None)

    def _choose(self, r: VicItem) -> Generator[Request, Reply, Outcome]:
        """Stage 1: a letter."""
        reply = yield Request(user(*self._question(r)), self.settings.step_tokens)
        found = LETTER.findall(reply.text.upper() if len(reply.text.strip()) <= 3 else reply.text)
        said = found[-1] if found else ""
        right = r.answer.upper().strip("().") if r.answer else "ABCD"[r.item["answer"]]
        scores = {"correct": float(said == right), "unread": float(not said)}
        details = {"stage": 1, "world": r.world, "chance": 1 / r.options}
        return Outcome(reply.text, scores, said or None, details)

    def _question(self, r: VicItem) -> list[str | Picture]:
        if r.parts:
            return [*r.parts, STAGE1]
        world, item = WORLDS[r.world], r.item
        first = world.holed(item) if isinstance(world, Jigsaw) else world.render(item, world.start(item))
        parts: list[str | Picture] = [_picture(first)]
        if (second := world.options_picture(item)) is not None:
            parts += [_picture(second), world.question(item) + STAGE1]
        else:
            listed = "".join(f"\n{'ABCD'[i]}. {o}" for i, o in enumerate(item["options"]))
            parts.append(world.question(item) + listed + STAGE1)
        return parts

    def _tell(self, r: VicItem) -> Generator[Request, Reply, Outcome]:
        """Stage 2: all steps in one answer."""
        world = WORLDS[r.world]
        first = _picture(world.render(r.item, world.start(r.item)))
        reply = yield Request(user(first, opening(world, r.item, 2, self.settings.level)), self.settings.max_new_tokens)
        turn = read(reply.text)
        return _outcome(replayed(world, r.item, turn.actions, turn.final), 2, reply.text, 0, 0)

    def _walk(self, sample: Sample, r: VicItem) -> Generator[Request, Reply, Outcome]:
        """Stage 3: one step a turn; the world answers."""
        world, item = WORLDS[r.world], r.item
        play = self._plays[sample.id] = Play(world, item)
        said: list[str] = []
        messages = user(_picture(world.render(item, play.state)), opening(world, item, 3, self.settings.level))
        past = ""
        shown = 1
        for _ in range(2 * len(world.plan(item)[0]) + 2):
            reply = yield Request(messages, self.settings.step_tokens)
            said.append(reply.text)
            turn = read(reply.text)
            told = self._advance(play, turn.actions, turn.final)
            if play.over:
                break
            past += f"\n{reply.text.strip()[-200:]}\n{told}"
            picture = self._shown(r, play)
            shown += picture is not None
            messages = self._messages(messages, reply.text, told, past, picture, world, item)
        return _outcome(play, 3, "\n---\n".join(said), len(said), shown)

    def _advance(self, play: Play, actions: Sequence[str], final: str | None) -> str:
        """Play the first action of a turn; what the world replies."""
        play.format_errors += max(0, len(actions) - 1) + (not actions and final is None)
        told = "No line began with ACTION: or FINAL:."
        if actions:
            why = play.step(actions[0])
            told = f"Illegal: {why}." if why else "Done."
        if final is not None and len(actions) <= 1:
            play.final = final
        if self.settings.feedback == "text":
            told += " " + play.world.told(play.item, play.state)
        return told

    def _shown(self, r: VicItem, play: Play) -> Picture | None:
        """The intermediate picture of this arm."""
        if self.settings.feedback == "text":
            return None
        if self.settings.feedback == "same":
            return _picture(play.world.render(play.item, play.states[0]))
        if self.settings.feedback == "wrong":
            other = self._next[r.id].item
            return _picture(play.world.render(other, play.world.start(other)))
        return _picture(play.world.render(play.item, play.state))

    def _messages(
        self,
        before: tuple[Message, ...],
        answer: str,
        told: str,
        past: str,
        picture: Picture | None,
        world: Any,
        item: Any,
    ) -> tuple[Message, ...]:
        if self.settings.history == "all":
            shown: tuple[str | Picture, ...] = (picture, told) if picture else (told,)
            return (*before, Message("assistant", (answer,)), Message("user", shown))
        first = picture or next(p for p in before[0].content if isinstance(p, Picture))
        return user(first, f"{opening(world, item, 3, self.settings.level)}\nSo far:{past}")

    def oracle(self, sample: Sample, request: Request) -> str:
        r: VicItem = sample.data["record"]
        if sample.data["stage"] == 1:
            return r.answer or "ABCD"[r.item["answer"]]
        actions, final = WORLDS[r.world].plan(r.item)
        if sample.data["stage"] == 2:
            return "".join(f"ACTION: {a}\n" for a in actions) + f"FINAL: {final}"
        done = len(self._plays[sample.id].steps)
        return f"ACTION: {actions[done]}" if done < len(actions) else f"FINAL: {final}"

    def chance(self, sample: Sample, request: Request, rng: random.Random) -> str:
        """A letter at random; legal steps at random."""
        r: VicItem = sample.data["record"]
        if sample.data["stage"] == 1:
            return "ABCDEFGH"[rng.randrange(r.options)]
        world = WORLDS[r.world]
        if sample.data["stage"] == 3:
            legal = world.legal(r.item, self._plays[sample.id].state)
            return f"ACTION: {rng.choice(legal)}" if legal else "FINAL: 0"
        play = Play(world, r.item)
        for _ in world.plan(r.item)[0]:
            if (legal := world.legal(r.item, play.state)) and not play.over:
                play.step(rng.choice(legal))
        return "".join(f"ACTION: {a}\n" for a, _ in play.steps) + "FINAL: 0"

    def examples(self, each: int) -> Iterator[tuple[Request, str, str]]:
        from harness.tasks.vic_bench.examples import examples

        return examples(self, each)


def _outcome(play: Play, stage: int, answer: str, calls: int, shown: int) -> Outcome:
    scores = play.scores()
    scores["unread"] = float(not play.steps and play.final is None)
    details = {
        "question": (play.world.goal(play.item) or play.world.task),
        "stage": stage,
        "world": play.world.name,
        "steps": [f"{a}{': ' + why if why else ''}" for a, why in play.steps],
        "final": play.final,
        "pictures_shown": shown,
        "calls": calls,
    }
    return Outcome(answer, scores, play.final or f"{len(play.steps)} steps", details)


def _picture(image: Image.Image) -> Picture:
    return Picture(png(image))

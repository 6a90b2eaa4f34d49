"""Synapse: whole trajectories of a similar task as demonstrations, and code as actions (arXiv 2306.07863)."""

from __future__ import annotations

import copy
import re
from collections.abc import Generator, Sequence
from dataclasses import replace
from functools import cached_property

from harness.core.errors import UsageError
from harness.core.method import Pipeline
from harness.core.types import Message, Reply, Request, Sample, Step
from harness.methods._shared.crops import asked
from harness.methods.pipeline.synapse.code import read as read_code
from harness.methods.pipeline.synapse.memory import FIRST_SEED, Memory
from harness.tasks.miniwob.actions import CALL, Action, Malformed
from harness.tasks.miniwob.prompts import BIDS, Told, read

EMBEDDINGS = ("tfidf", "minilm")
SYSTEM = (
    "You act on a web page by writing Python code that calls these functions and nothing else: "
    + " ".join(BIDS.strip(",\n").split())
    + ', keyboard_type("text"), keyboard_press("Enter"). An element is named by its mark.'
)
STOP = ("Observation:",)


class Synapse(Pipeline):
    """Memory, state abstraction and trajectory prompts around any chat model, on pages of MiniWoB++ as text."""

    name = "synapse"

    def __init__(self, memory: str, embedding: str, abstract: bool, shots: int, tokens: int):
        """`memory`: nearest (the page that most of the three nearest trajectories are of), name (the page's own: the
        ablation without a memory), or none (the model alone). `embedding`: tfidf or minilm. `abstract`: leave out lines
        of the tree that carry no mark and no word of the task. `shots`: trajectories shown, at most. `tokens`: of the
        code.
        """
        if memory not in ("nearest", "name", "none"):
            raise UsageError(f"method.{self.name}.memory={memory} is unknown: choose nearest, name or none")
        if embedding not in EMBEDDINGS:
            raise UsageError(f"method.{self.name}.embedding={embedding} is unknown: choose tfidf or minilm")
        if shots < 1 or tokens < 1:
            raise UsageError(f"method.{self.name} needs shots and tokens of at least 1")
        self.memory, self.embedding, self.abstract, self.shots, self.tokens = memory, embedding, abstract, shots, tokens
        self._page, self._exemplar = "", ""
        self._trail: list[tuple[str, str]] = []
        self._planned: list[Action] = []

    @cached_property
    def _known(self) -> Memory:
        return Memory(self.embedding)

    def begin(self, sample: Sample) -> Synapse:
        if self.memory == "none":
            return self
        name, _, seed = sample.id.rpartition(".")
        if seed.isdigit() and int(seed) >= FIRST_SEED:
            raise UsageError(f"{sample.id}: seeds from {FIRST_SEED} on are those of the memory of method={self.name}")
        assert self._known
        own = copy.copy(self)
        own._page, own._exemplar, own._trail, own._planned = name, "", [], []
        return own

    def respond(self, request: Request) -> Generator[Request, Reply, Reply]:
        if self.memory == "none":
            return (yield request)
        told = read(asked(request))
        if told is None:
            raise UsageError(f"method={self.name} reads pages as text: give task=miniwob task.observation=[axtree]")
        if self._planned and not self._failed(told):
            return self._next(Reply(""), told, {})
        first = not self._exemplar
        if first:
            self._exemplar = self._page if self.memory == "name" else self._known.exemplar(told.task, told.tree)
        reply = yield replace(request, messages=self._prompt(told), max_new_tokens=self.tokens, stop=STOP)
        measures = {"own_page": float(self._exemplar == self._page)} if first else {}
        try:
            self._planned = read_code(reply.text)
        except Malformed as e:
            self._planned = []
            step = Step(f"after {self._exemplar}: {reply.text}", str(e))
            return replace(reply, text=inert(reply.text) or "(nothing)", measures=measures, steps=(step,))
        step = Step(f"after {self._exemplar}: {reply.text}")
        return replace(self._next(reply, told, measures), steps=(step,))

    def _failed(self, told: Told) -> bool:
        """Whether the page refused the last action, by the line about it. The action's own text says nothing."""
        return bool(told.done and self._trail) and told.done[-1].startswith(f"{self._trail[-1][1]}: failed: ")

    def _next(self, reply: Reply, told: Told, measures: dict[str, float]) -> Reply:
        """The next planned action as the answer."""
        action = str(self._planned.pop(0))
        self._trail.append((told.tree, action))
        return replace(reply, text=action, measures=measures)

    def _prompt(self, told: Told) -> tuple[Message, ...]:
        """Demonstrations as turns, then the present episode's own trail and page."""
        turns = [Message("system", (SYSTEM,))]
        shown = self._known.of(self._exemplar)[: self.shots]
        turns += (turn for one in shown for turn in self._turns(one.task, one.steps, ""))
        return (*turns, *self._turns(told.task, self._trail, told.tree))

    def _turns(self, task: str, steps: Sequence[tuple[str, str]], now: str) -> list[Message]:
        turns, before = [], f"Task: {task}\nTrajectory:\n"
        for tree, action in steps:
            turns.append(Message("user", (f"{before}Observation:\n{self._seen(task, tree)}\nAction:",)))
            turns.append(Message("assistant", (f"```\n{action}\n```",)))
            before = ""
        if now:
            turns.append(Message("user", (f"{before}Observation:\n{self._seen(task, now)}\nAction:",)))
        return turns

    def _seen(self, task: str, tree: str) -> str:
        return abstracted(task, tree) if self.abstract else tree


def inert(text: str) -> str:
    """What was said, written so that the task finds no action in code that was refused, either."""
    return CALL.sub(lambda call: f"{call[0][:-1]} (", text)


def abstracted(task: str, tree: str) -> str:
    """Lines of an accessibility tree that carry a mark, or a word of the task."""
    wanted = {w for w in re.findall(r"\w+", task.lower()) if len(w) > 2}
    kept = [l.strip() for l in tree.splitlines() if "[" in l or wanted & set(re.findall(r"\w+", l.lower()))]
    return "\n".join(kept)

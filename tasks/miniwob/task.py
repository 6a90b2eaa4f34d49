"""MiniWoB++ as a task: one page with one seed is one sample; the model is asked once per step."""

from __future__ import annotations

import random
import re
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from harness.browser import chromium
from harness.core import Mark, Metric, Missing, Outcome, Picture, Reply, Request, Result, Sample, Step, Task, UsageError
from harness.core.files import DIGESTS
from harness.records import digest
from harness.tasks.miniwob.actions import FORMS, HEIGHT, WIDTH, Action, Malformed, parse
from harness.tasks.miniwob.browser import Browser
from harness.tasks.miniwob.environment import LIMIT, Episode, Refused, State, folder
from harness.tasks.miniwob.lists import digest as listed
from harness.tasks.miniwob.policies import POLICIES, PageView
from harness.tasks.miniwob.prompts import messages
from harness.tasks.miniwob.scoring import SCORES, aggregate, positive, strict
from harness.tasks.miniwob.settings import Settings

PLACE = """bid => {
  const element = document.querySelector(`[bid="${CSS.escape(bid)}"]`);
  if (!element) return null;
  const {left, top, right, bottom} = element.getBoundingClientRect();
  return [left, top, right, bottom];
}"""
"""An element's sides in CSS pixels."""
BIDS = re.compile(r'bid="(\d+)"')


class MiniWob(Task):
    """The group and the cluster are the page's name."""

    name = "miniwob"
    Settings = Settings
    scores = SCORES
    waits = True
    repeatable = False

    def __init__(self, settings: Settings):
        self.settings, self.live = settings, settings.pages
        self._episodes: dict[str, Episode] = {}
        self._experts: dict[str, Iterator[Action]] = {}

    @cached_property
    def _browser(self) -> Browser:
        return Browser(self.settings.scale)

    def samples(self) -> Iterator[Sample]:
        chromium()  # reported before the first episode, not by each
        for name in self.settings.tasks:
            for seed in range(self.settings.seeds):
                yield Sample(f"{name}.{seed}", f"miniwob:{name}", name, None, {"question_id": f"{name}.{seed}"})

    def episode(self, sample: Sample) -> Generator[Request, Reply, Outcome]:
        name, _, seed = sample.id.rpartition(".")
        page = Episode(self._browser, name, int(seed), self.settings.observation)
        self._episodes[sample.id] = page
        try:
            return (yield from self._play(page))
        finally:
            self._episodes.pop(sample.id, None)
            self._experts.pop(sample.id, None)
            page.close()

    def _play(self, page: Episode) -> Generator[Request, Reply, Outcome]:
        state = page.start()
        goal, history = state.utterance, []
        steps: list[Step] = []
        shown: list[Picture] = []
        malformed = refused = 0
        while not state.done and len(history) < self.settings.max_steps:
            earlier = shown[1 - self.settings.screenshots :] if self.settings.screenshots > 1 else []
            prompt = messages(state, history, self.settings.observation, earlier)
            reply = yield Request(prompt, self.settings.max_new_tokens)
            seen = Picture(state.screenshot) if state.screenshot else None
            shown += [seen] if seen else []
            try:
                action = parse(reply.text)
            except Malformed as e:
                malformed += 1
                history.append(f"{reply.text.strip()[:80]!r}: no action: {e}")
                steps.append(Step(reply.text.strip()[:80], f"no action: {e}", seen))
                continue
            marks = _marks(action, page) if seen else []
            try:
                state = page.act(action)
                history.append(str(action))
                steps.append(Step(str(action), "", seen, marks))
            except Refused as e:
                refused += 1
                history.append(f"{action}: failed: {e}")
                steps.append(Step(str(action), f"failed: {e}", seen, marks))
        return replace(self._outcome(goal, state, history, malformed, refused, page), steps=tuple(steps))

    def _outcome(
        self, goal: str, state: State, history: list[str], malformed: int, refused: int, page: Episode
    ) -> Outcome:
        scores = {
            "sr_pos": positive(state.raw),
            "sr_strict": strict(state.raw),
            "raw": state.raw,
            "steps": float(len(history)),
            "format_errors": float(malformed),
            "refused": float(refused),
            "unfinished": float(not state.done),
        }
        details = {
            "question": goal,
            "seed": page.seed,
            "env_reward": state.env,
            "reason": state.reason or ("" if state.done else f"{self.settings.max_steps} steps were over"),
            "replays": page.replays,
        }
        return Outcome("\n".join(history), scores, f"{state.raw:g}", details)

    def aggregate(self, results: Sequence[Result]) -> list[Metric]:
        return aggregate(results)

    def fingerprint(self) -> str:
        names = self.settings.tasks
        shared = sorted(f for name in ("core", "common") for f in (folder().parent / name).rglob("*") if f.is_file())
        pages = [DIGESTS.of(f) for f in (*shared, *(folder() / f"{n}.html" for n in names))]
        return digest([pages, *self.settings.asked()])

    def oracle(self, sample: Sample, request: Request) -> str:
        """The scripted expert's next action."""
        if sample.group not in POLICIES:
            raise UsageError(f"{sample.group} has no scripted expert: those that have one are task.data=embedded")
        if sample.id not in self._experts:
            page = self._episodes[sample.id]
            assert page.state is not None
            self._experts[sample.id] = POLICIES[sample.group](page.state.utterance, PageView(page.evaluate))
        return str(next(self._experts[sample.id], "noop()"))

    def on_page(self, sample: Sample, script: str, argument: Any = None) -> Any:
        """The value of a JavaScript function on the page of a running episode."""
        return self._episodes[sample.id].evaluate(script, argument)

    def chance(self, sample: Sample, request: Request, rng: random.Random) -> str:
        """Clicks an element, or a point of the page below the instruction, at random."""
        state = self._episodes[sample.id].state
        bids = BIDS.findall(state.dom) if state else []
        if bids and rng.random() < 0.5:
            return f'click("{rng.choice(bids)}")'
        return f"mouse_click({rng.uniform(0, WIDTH):.0f}, {rng.uniform(50, HEIGHT):.0f})"

    def close(self) -> None:
        if "_browser" in vars(self):
            self._browser.close()
            del vars(self)["_browser"]

    def examples(self, each: int) -> Iterator[tuple[Request, str, str]]:
        from harness.tasks.miniwob.examples import examples

        return examples(self, each)

    def describe(self) -> dict[str, Any]:
        try:
            package = version("miniwob")
        except PackageNotFoundError as e:
            raise Missing("the pages of MiniWoB++ are not installed: pip install 'harness[miniwob]'") from e
        s = self.settings
        return {
            **s.facts(),
            "tasks": len(s.tasks),
            "list": listed(s.tasks),
            "names": list(s.tasks),
            "seeds": f"0 to {s.seeds - 1}",
            "pages": f"miniwob {package}",
            "screenshot": f"{WIDTH} x {HEIGHT} pixels x {s.scale:g}",
            "episode_max_time_ms": LIMIT,
        }


def _marks(action: Action, page: Episode) -> list[Mark]:
    """The points and elements of the page that an action names, as the page is before it."""
    found: list[Mark] = []
    kinds = FORMS[action.name]
    for i, (kind, value) in enumerate(zip(kinds, action.values, strict=True)):
        if kind == "x":
            found.append(Mark(action.name, point=(float(value) / WIDTH, float(action.values[i + 1]) / HEIGHT)))
        elif kind == "bid" and (box := page.evaluate(PLACE, str(value))):
            x0, y0, x1, y1 = (min(1.0, max(0.0, v / side)) for v, side in zip(box, (WIDTH, HEIGHT) * 2, strict=True))
            found.append(Mark(action.name, box=(x0, y0, x1, y1)))
    return found

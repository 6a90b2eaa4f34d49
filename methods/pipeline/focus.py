"""Focus, prompted: a fast answer where the model is sure, three written stages where it is not (arXiv 2503.06470)."""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import replace

from harness.core.errors import UsageError
from harness.core.method import Pipeline
from harness.core.types import Reply, Request, Step
from harness.methods._shared.crops import asked, with_content
from harness.tasks.screenspot.parsers import point_or_box

MODES = ("adaptive", "fast", "slow")
SUMMARY = "Look at the whole screenshot before anything else. Which application and page is it, and what are its areas?"
ANALYSIS = (
    "{question}\n\nThe interface: {summary}\n\nWhich area and which element is meant? Describe it and its neighbours."
)
POINT = "{question}\n\nThe interface: {summary}\n\nThe element: {analysis}\n\nNow answer in the form that is asked for."
DRAWS = 3


class Focus(Pipeline):
    """System 1 and system 2 of clicking. The paper trains a model to switch; here its confidence decides."""

    name = "focus"

    def __init__(self, mode: str, confidence: str, threshold: float, tokens: int):
        """`mode`: adaptive, or always fast or slow. `confidence`: likelihood (mean probability of the fast answer's
        tokens) or agreement (of three drawn points, within 5 % of the diagonal). `threshold`: from which the fast
        answer is given. `tokens`: of each written stage, at most."""
        if mode not in MODES:
            raise UsageError(f"method.{self.name}.mode={mode} is unknown: choose {', '.join(MODES)}")
        if confidence not in ("likelihood", "agreement"):
            raise UsageError(f"method.{self.name}.confidence={confidence} is unknown: choose likelihood or agreement")
        if tokens < 1:
            raise UsageError(f"method.{self.name}.tokens={tokens} must be 1 or more")
        self.mode, self.confidence, self.threshold, self.tokens = mode, confidence, threshold, tokens

    def respond(self, request: Request) -> Generator[Request, Reply, Reply]:
        if len(request.pictures) != 1 or self.mode == "fast":
            return (yield request)
        if self.mode == "slow":
            return (yield from self._slow(request, (), {}))
        fast = yield request
        sure = yield from (self._likelihood if self.confidence == "likelihood" else self._agreement)(request, fast)
        measures = {"confidence": sure, "slow": float(sure < self.threshold)}
        step = Step(f"answers fast: {fast.text}", f"confidence {sure:.2f}", request.pictures[0])
        if sure >= self.threshold:
            return replace(fast, measures=measures, steps=(step,))
        return (yield from self._slow(request, (step,), measures))

    def _slow(
        self, request: Request, before: tuple[Step, ...], measures: dict[str, float]
    ) -> Generator[Request, Reply, Reply]:
        picture, words = request.pictures[0], {"question": asked(request)}
        steps = list(before)
        for stage, text in (("summary", SUMMARY), ("analysis", ANALYSIS)):
            prompt = with_content(request, (picture, text.format(**words)))
            reply = yield replace(request, messages=prompt, max_new_tokens=self.tokens, stop=())
            words[stage] = reply.text
            steps.append(Step(f"{stage}: {reply.text}", "", picture if not steps else None))
        point = yield replace(request, messages=with_content(request, (picture, POINT.format(**words))))
        return replace(point, measures=measures, steps=(*steps, Step(f"answers: {point.text}")))

    def _likelihood(self, request: Request, fast: Reply) -> Generator[Request, Reply, float]:
        """Mean probability of the answer's tokens: exp of their mean log-probability."""
        if not fast.text:
            return 0.0
        told = yield replace(request, continuations=(fast.text, f" {fast.text}"))  # by the tokenizer it began with one
        return max(math.exp(found.logprob / max(1, found.tokens)) for found in told.likelihoods)

    def _agreement(self, request: Request, fast: Reply) -> Generator[Request, Reply, float]:
        """Share of drawn points near the fast one."""
        size = request.pictures[0].size
        near, mine = 0, point_or_box(fast.text, size).point
        for i in range(1, DRAWS + 1):
            drawn = yield replace(request, draw=request.draw * (DRAWS + 1) + i)
            point = point_or_box(drawn.text, size).point
            near += bool(mine and point and math.dist(mine, point) <= 0.05 * math.hypot(*size))
        return near / DRAWS

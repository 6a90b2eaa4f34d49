"""ACT: damp attention to sinks that are not the first token, in heads where that helps (arXiv 2406.15765)."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import torch
from torch import Tensor

from harness.core.decoding import Decoding
from harness.core.errors import UsageError
from harness.steering import Batch, Steering, View, generate
from harness.steering.bench import Bench, Question
from harness.steering.guard import broken
from harness.steering.midway import following, kept

THRESHOLDS = ("absolute", "per_length")
SEED = 0


class Act(Steering):
    """Attention calibration. Which heads are calibrated is found by trying each alone (`harness calibrate`)."""

    name = "act"
    attention_rows = "all"
    refills = by_column = ("_sums",)
    beams = False
    calibrated_by = ("beta", "tau", "threshold", "examples")

    def __init__(self, beta: float, tau: float, threshold: str, answer: bool, examples: int):
        """`beta`: part of its attention that a sink keeps; 1 for all. `tau`: mean attention that makes a sink:
        absolute, or (threshold=per_length) over the number of tokens. `answer`: calibrate rows of the answer, too.
        `examples`: questions that each head is tried on.
        """
        if not 0 <= beta <= 1:
            raise UsageError(f"method.{self.name}.beta={beta} must lie in [0, 1]")
        if threshold not in THRESHOLDS:
            raise UsageError(f"method.{self.name}.threshold={threshold} is unknown: choose absolute or per_length")
        if examples < 1 or tau <= 0:
            raise UsageError(f"method.{self.name} needs examples of at least 1 and tau above 0")
        self.beta, self.tau, self.threshold, self.answer, self.examples = beta, tau, threshold, answer, examples
        if beta < 1:
            self.prefix = "none"  # later rows decide what a sink is
        self._sums: dict[int, Tensor] = {}

    @property
    def needs_artefact(self) -> bool:
        return self.beta < 1

    def layers(self, view: View) -> Sequence[int]:
        """Those with chosen heads, or all while none are known."""
        return range(view.depth) if self.artefact is None else self._heads().any(1).nonzero()[:, 0].tolist()

    def prepare(self, batch: Batch) -> None:
        self._sums = {}

    def attention_weights(self, l: int, w: Tensor, batch: Batch) -> Tensor | None:
        if self.beta == 1 or not (batch.prefill or self.answer):
            return None
        heads = self._heads()[l].to(w.device)
        if not heads.any():
            return None
        present, position = batch.present(self), batch.positions(self)
        rows = present[:, -w.shape[2] :]
        got = (w.float() * rows[:, None, :, None]).sum(2)  # float32: half precision drifts on long prompts
        before = self._sums.get(l)
        if before is not None:
            width = got.shape[-1]
            got += torch.nn.functional.pad(before, (0, max(0, width - before.shape[-1])))[..., -width:]
        self._sums[l] = got
        length = present.sum(-1, keepdim=True)
        score = got / (length - position).clamp(min=1)[:, None]
        limit = self.tau if self.threshold == "absolute" else self.tau / length[:, None]
        sinks = (score > limit) & (present & (position > 0))[:, None]
        return torch.where(heads[None, :, None, None], calibrated(w, sinks, self.beta), w)

    def _heads(self) -> Tensor:
        if self.artefact is None:
            raise UsageError(f"method={self.name} has no chosen heads: run harness calibrate method={self.name} first")
        return self.artefact["heads"].bool()

    def calibrate(self, bench: Bench) -> dict[str, Tensor]:
        """heads [L, H]: those that alone raise accuracy on the bench's questions. accuracy [L, H]; `plain`: without."""
        view, asked = bench.view, bench.questions
        if bench.texts:  # of a file that may be sorted by its answers
            asked = random.Random(SEED).sample(asked, len(asked))
        tried = [(l, h) for l in searched(view) for h in range(view.n_heads)]
        accuracies = Accuracies(self, bench, asked[: self.examples])
        plain, *found = bench.trials([None, *tried], lambda head: accuracies.of(*head) if head else accuracies.plain)
        accuracy = torch.zeros(view.depth, view.n_heads)
        for head, value in zip(tried, found, strict=True):
            accuracy[head] = value
        return {"heads": (accuracy > plain).int(), "accuracy": accuracy, "plain": torch.tensor([plain])}

    def alone(self, head: tuple[int, int], view: View) -> Act:
        """The same with one head calibrated."""
        trial = Act(self.beta, self.tau, self.threshold, self.answer, self.examples)
        chosen = torch.zeros(view.depth, view.n_heads, dtype=torch.int)
        chosen[head] = 1
        trial.artefact = {"heads": chosen}
        return trial


class Accuracies:
    """Share of questions whose right answer has the likeliest first token, with one head calibrated.

    A head changes nothing before its layer: the layers before it are computed once for all heads of a layer.
    """

    def __init__(self, act: Act, bench: Bench, asked: Sequence[Question]):
        self._act, self._view, self._asked = act, bench.view, asked
        self._inputs = [replace(bench.encode(q.asked()), shared=None) for q in asked]
        self._layer, self._before = -1, None

    @cached_property
    def _scores(self) -> Tensor:
        """Logits of the first token [questions, V], without a calibrated head."""
        return self._pass([])

    @property
    def plain(self) -> float:
        return self._right(self._scores)

    def of(self, l: int, h: int) -> float:
        if l > 0 and l != self._layer:
            self._go_on(l)
        with self._below():
            return self._right(self._pass([self._act.alone((l, h), self._view)]))

    def _go_on(self, l: int) -> None:
        """Keep what the layers before layer l return, computed from where they are kept so far."""
        with self._below(), kept(self._view, l - 1) as outputs:
            scores = self._pass([])
        if len(outputs) != 1 or not torch.allclose(scores, self._scores, rtol=1e-2, atol=1e-2):
            raise broken(f"{len(outputs)} passes to layer {l} do not answer as a whole one does")
        self._layer, self._before = l, outputs[0]

    def _below(self) -> contextlib.AbstractContextManager[None]:
        known = self._before is not None
        return following(self._view, self._layer - 1, self._before) if known else contextlib.nullcontext()

    def _pass(self, methods: Sequence[Act]) -> Tensor:
        made = generate(self._view, self._inputs, methods, Decoding(), 1, range(len(self._inputs)), keep_scores=True)
        return torch.stack([one.scores[0] for one in made if one.scores is not None])

    def _right(self, scores: Tensor) -> float:
        right = 0
        for question, z in zip(self._asked, scores, strict=True):
            score = {a: max(float(z[t]) for t in self._view.begins(a)) for a in question.answers}
            right += max(score, key=lambda a: score[a]) == question.answer
        return right / len(self._asked)


def searched(view: View) -> Sequence[int]:
    """Layers whose heads are tried: not the first two and the last, in models that have as many as the paper's use."""
    return range(2, view.depth - 1) if view.depth > 8 else range(view.depth)


def calibrated(w: Tensor, sinks: Tensor, beta: float) -> Tensor:
    """Attention w [b, H, R, k] with a part `beta` of its own left to each sink [b, H, k]; the rest goes to the other
    columns of the row, in proportion to what they have. A row that sees nothing but sinks stays."""
    sink = sinks[:, :, None].to(w.dtype)
    freed = (1 - beta) * (w * sink).sum(-1, keepdim=True)
    others = (w * (1 - sink)).sum(-1, keepdim=True)
    new = w * torch.where(sink.bool(), beta, 1 + freed / others.clamp(min=1e-12))
    return torch.where(others > 0, new, w)

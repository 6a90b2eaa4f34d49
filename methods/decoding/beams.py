"""Beam search's bookkeeping, as in transformers 4.29.2: what continues, what has ended, and when to stop."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor


@dataclass
class Ended:
    """The best `size` answers that have ended. `prompt`: tokens of the prompt, which count as part of every answer."""

    size: int
    prompt: int
    kept: list[tuple[float, list[int]]] = field(default_factory=list)
    """Log-probability per token, and tokens; the oldest first."""

    def add(self, score: float, tokens: list[int]) -> None:
        """`score`: sum of log-probabilities. The end token is part of the score, not of the length."""
        value = score / (self.prompt + len(tokens))
        if len(self.kept) == self.size:
            if value <= self.worst:
                return
            self.kept.remove(min(self.kept, key=lambda k: k[0]))
        self.kept.append((value, tokens))

    @property
    def worst(self) -> float:
        return min(value for value, _ in self.kept)

    @property
    def best(self) -> list[int]:
        """The newest of equals."""
        return max(reversed(self.kept), key=lambda k: k[0])[1]

    def settled(self, score: float, length: int) -> bool:
        """Whether even the worst kept answer is at least as good as the best running one, `length` tokens long."""
        return len(self.kept) == self.size and self.worst >= score / (self.prompt + length)


@dataclass
class Beams:
    """The running answers, best first, all of one length."""

    tokens: list[list[int]]
    scores: Tensor
    """Sum of log-probabilities [B]."""
    ended: Ended
    picks: Tensor | None = None
    """How each was reached [B]: its parent's place times the size of the vocabulary, plus its last token."""

    @classmethod
    def first(cls, size: int, prompt: int, device: torch.device) -> Beams:
        """Empty answers, of which only the first may continue: the others would be its copies."""
        scores = torch.full((size,), -1e9, device=device)
        scores[0] = 0.0
        return cls([[] for _ in range(size)], scores, Ended(size, prompt))

    @property
    def length(self) -> int:
        return len(self.tokens[0])

    def snapshot(self) -> Beams:
        """A copy that further steps leave alone."""
        return replace(self, ended=replace(self.ended, kept=list(self.ended.kept)))

    def grow(self, z: Tensor, eos: Collection[int]) -> Beams | None:
        """The best continuations, None when the search is over. `z`: next-token logits [B, V], or [1, V] for all.

        One that ends is kept if it ranks among the first B; spare ranks only refill the running answers.
        """
        size, vocabulary = len(self.tokens), z.shape[1]
        total = (z.log_softmax(-1) + self.scores[:, None]).flatten()
        top, picks = total.topk(min(max(2, 1 + len(eos)) * size, len(total)))
        running: list[int] = []
        for rank, (score, pick) in enumerate(zip(top.tolist(), picks.tolist(), strict=True)):
            parent, token = divmod(pick, vocabulary)
            if token not in eos:
                running.append(rank)
            elif rank < size:
                self.ended.add(score, self.tokens[parent])
            if len(running) == size:
                break
        if self.ended.settled(float(top[0]), self.length + 1):
            return None
        picks = picks[running]
        tokens = [[*self.tokens[pick // vocabulary], pick % vocabulary] for pick in picks.tolist()]
        return Beams(tokens, top[running], self.ended, picks)

    def finish(self) -> list[int]:
        """The best answer, the running ones included."""
        for score, tokens in zip(self.scores.tolist(), self.tokens, strict=True):
            self.ended.add(score, tokens)
        return self.ended.best

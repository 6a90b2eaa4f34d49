"""StreamingLLM: the first tokens and the last ones (arXiv 2309.17453)."""

from __future__ import annotations

from torch import Tensor

from harness.core.errors import UsageError
from harness.methods._shared.eviction import Entries, Eviction
from harness.steering import Batch


class StreamingLLM(Eviction):
    """Attention sinks and a window that moves along."""

    name = "streaming_llm"

    def __init__(self, budget: float | None, sinks: int, cache: str):
        """`budget`: entries in all (`Eviction`). `sinks`: first tokens among them, at most half."""
        if sinks < 0:
            raise UsageError(f"method.{self.name}.sinks={sinks} must be 0 or more")
        super().__init__(budget, cache)
        self.sinks = sinks

    def choose(self, l: int, kept: Tensor, entries: Entries, batch: Batch) -> Tensor:
        sinks = (entries.budget // 2).clamp(max=self.sinks)
        first = (entries.present & (entries.position < sinks[:, None]))[:, None]
        return (first | entries.last(entries.budget - sinks)).expand_as(kept)

"""Decoding is an axis of its own, beside the method."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from harness.core.errors import UsageError


@dataclass(frozen=True)
class Decoding:
    """How tokens are chosen. `temperature`, `top_p`, `top_k` matter for `nucleus` alone, `num_beams` for `beam`.
    `choices` decides in one pass among the answers that the task allows.

    `max_new_tokens` (tokens) overrides the task's own limit when it is not None. `extra` are further arguments of the
    model's: of transformers' `generate()`, or fields of a server's request.
    """

    strategy: Literal["greedy", "beam", "nucleus", "choices"] = "greedy"
    num_beams: int = 1
    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    max_new_tokens: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.strategy not in ("greedy", "beam", "nucleus", "choices"):
            raise UsageError(f"decoding.strategy={self.strategy} is unknown: choose greedy, beam, nucleus or choices")
        if self.strategy == "beam" and self.num_beams < 2:
            raise UsageError(f"invalid decoding.num_beams={self.num_beams}: beam search needs 2 or more")
        if self.strategy == "nucleus" and self.temperature <= 0:
            raise UsageError("decoding.temperature must be above 0 (decoding=greedy is temperature 0)")
        if not 0 < self.top_p <= 1:
            raise UsageError(f"decoding.top_p={self.top_p} must lie in (0, 1]")
        if self.max_new_tokens is not None and self.max_new_tokens < 1:
            raise UsageError(f"decoding.max_new_tokens={self.max_new_tokens} must be at least 1")
        if self.strategy == "choices" and (self.extra or self.max_new_tokens is not None):
            name = "extra" if self.extra else "max_new_tokens"
            raise UsageError(f"decoding=choices takes one pass and generates no text: leave decoding.{name} out")

    def facts(self) -> dict[str, Any]:
        """What a run's identity and record hold."""
        return {k: v for k, v in asdict(self).items() if k != "extra" or v}

    @property
    def sampled(self) -> bool:
        """Whether tokens are drawn, so that answers depend on seeds."""
        return self.strategy == "nucleus"

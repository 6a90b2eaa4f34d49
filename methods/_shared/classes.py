"""Which classes a picture shows by an attentive probe, and which one a question asks about."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.core.types import Request
from harness.methods._shared.attentive import Attentive, fit, padded

HELD = 3
"""One picture in so many is held out of the fit and chooses the threshold."""


@dataclass(frozen=True)
class Classes:
    """A head that gives log-odds of each of `names`; `theta` is taken off them."""

    head: Attentive
    theta: float
    names: Sequence[str]

    @classmethod
    def fitted(
        cls,
        tokens: Sequence[Tensor],
        shown: Tensor,
        names: Sequence[str],
        queries: int,
        out: int,
        epochs: int,
        seed: int,
    ) -> Classes:
        """On two pictures in three; the threshold is that of equal error on the others."""
        some, held = ([i for i in range(len(tokens)) if (i % HELD == 0) == rest] for rest in (False, True))
        head = fit([tokens[i] for i in some], shown[some], queries, out, epochs, seed)
        scores = head.scores(*padded([tokens[i] for i in held]))
        return cls(head, equal_error(scores, shown[held]), names)

    def tensors(self) -> dict[str, Tensor]:
        """The probe as the tensors of an artefact."""
        names = torch.tensor(list("\n".join(self.names).encode()), dtype=torch.uint8)
        return asdict(self.head) | {"theta": torch.tensor([self.theta]), "names": names}

    @classmethod
    def of(cls, artefact: Mapping[str, Tensor] | None) -> Classes:
        """From its artefact. Raises UsageError where there is none."""
        if artefact is None:
            raise UsageError("method=tower has no probe: run harness calibrate method=tower first")
        parts = {k: v for k, v in artefact.items() if k not in ("theta", "names")}
        names = bytes(artefact["names"].tolist()).decode().split("\n")
        return cls(Attentive(**parts), artefact["theta"].item(), names)

    def scores(self, tokens: Tensor) -> Tensor:
        """[C] of one picture's tokens [N, D]: above 0 where the class is found."""
        return self.head.scores(*padded([tokens]))[0] - self.theta

    def attention(self, tokens: Tensor) -> Tensor:
        """[N]: the mean over queries."""
        return self.head.attention(*padded([tokens]))[0].mean(0)

    def asked(self, request: Request | None) -> int | None:
        """Number of the one class that the last message names; None where it names none or several. Of two names at
        one place the longer one counts."""
        content = request.messages[-1].content if request else ()
        text = " ".join(part for part in content if isinstance(part, str))
        longest = sorted(map(str.lower, self.names), key=len, reverse=True)
        said = set(re.findall(rf"\b(?:{'|'.join(map(re.escape, longest))})\b", text.lower()))
        found = [i for i, name in enumerate(self.names) if name.lower() in said]
        return found[0] if len(found) == 1 else None


def equal_error(scores: Tensor, shown: Tensor) -> float:
    """The threshold at which as large a share of what is shown lies below it as of what is not lies above."""
    there, absent = scores[shown].sort().values, scores[~shown].sort().values
    if not len(there) or not len(absent):
        return 0.0
    at = torch.cat([there, absent]).sort().values
    missed = torch.searchsorted(there, at) / len(there)
    alarms = 1 - torch.searchsorted(absent, at) / len(absent)
    return float(at[(missed - alarms).abs().argmin()])

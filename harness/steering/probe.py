"""The base class of probes: methods that measure what happens inside a running model, and edit nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from harness.core.errors import UsageError
from harness.core.readings import Reading
from harness.steering.batch import Batch
from harness.steering.method import Steering
from harness.steering.places import TOWER

POINTS = (
    "residual",
    "mlp",
    "attention_output",
    "attention_input",
    "layer_input",
    "heads",
    "attention_logits",
    "attention_weights",
    "logits",
    "picture",
    *TOWER,
)
"""Points at which a probe may look. What they return is refused: a probe edits nothing."""


class Probe(Steering):
    """Looks where the other methods of a run have edited: at each point probes come last, in the order of the run.

    A point sees what a `Steering` sees, keeps what it needs by `keep`, and returns None. `readings` turns what was kept
    into named readings of each sample. Where the rows of a batch are not the samples' answers (beam search, a method
    that decodes by itself) the finished answer is read once more, token by token, and the probe sees that pass.
    """

    kind = "probe"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for point in POINTS:
            if point in vars(cls):
                setattr(cls, point, _looking(point, vars(cls)[point]))

    def prepare(self, batch: Batch) -> None:
        """Forgets the batch before. A probe that overrides it calls this one too."""
        self._tape: dict[str, dict[int, list[np.ndarray]]] = {}

    def keep(self, name: str, l: int, x: Tensor, batch: Batch) -> None:
        """Keep x [b, ...] of layer l at this pass, on the CPU in float32: rows of the samples alone."""
        rows = x[: batch.size].detach().float().cpu().numpy()
        self._tape.setdefault(name, {}).setdefault(l, []).append(rows)

    def put(self, name: str, l: int, rows: Sequence[Tensor]) -> None:
        """Keep one array [len(rows), ...] of layer l at this pass that is not of a whole batch, on the CPU. It is read
        as the only sample's: `kept(name, 0, passes)`."""
        one = np.stack([x.detach().float().cpu().numpy() for x in rows])
        self._tape.setdefault(name, {}).setdefault(l, []).append(one[None])

    def kept(self, name: str, sample: int, passes: int) -> np.ndarray:
        """What was kept under a name of one sample: [layers, passes, ...], layers ascending, the passes in which it
        took part. An empty array [0] where nothing was."""
        layers = self._tape.get(name, {})
        if not layers:
            return np.empty(0, np.float32)
        return np.stack([np.stack([x[sample] for x in layers[l][:passes]]) for l in sorted(layers)])

    def readings(self, batch: Batch, passes: Sequence[int]) -> Mapping[str, Sequence[Reading | None]]:
        """Once per batch, after it: readings of each sample (None: it has none), by name.

        `passes`: how many passes each sample took part in, the prompt's included.
        """
        raise NotImplementedError


def by_name(rows: Sequence[Mapping[str, Reading]]) -> dict[str, list[Reading | None]]:
    """What `readings` returns, of the readings of each sample; None where a sample has none of a name."""
    return {name: [row.get(name) for row in rows] for name in dict.fromkeys(n for row in rows for n in row)}


def _looking(point: str, look: Callable[..., Any]) -> Callable[..., None]:
    """The point, which must return None. Raises UsageError where it does not."""

    @functools.wraps(look)
    def only(self: Probe, *args: Any) -> None:
        if look(self, *args) is not None:
            raise UsageError(f"method={self.name} is a probe, but its {point} returned something: return None")

    return only

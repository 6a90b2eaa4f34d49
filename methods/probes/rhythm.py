"""WAAD and FAI of a response, preplan and anchor tokens: preplan-and-anchor (arXiv 2510.13554)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from harness.core.readings import COUNT, RATE, Reading
from harness.steering import Batch, Probe, View, by_name

SHARE, MARKED = 0.3, 0.4  # of the heads: shortest spans are local, longest global; of tokens: preplan, and anchors


class Rhythm(Probe):
    """Reads the rows of the response's own tokens, of the middle third of the layers."""

    name = "rhythm"

    def __init__(self, window: int, near: int, far: int):
        """`window`: distance at which WAAD is capped. `near`, `far`: how many tokens later FAI begins and ends."""
        self.window, self.near, self.far = window, near, far

    def layers(self, view: View) -> Sequence[int]:
        return range(view.depth // 3, max(view.depth // 3 + 1, -(-2 * view.depth // 3)))

    def attention_weights(self, l: int, w: Tensor, batch: Batch) -> None:
        if batch.prefill:
            return
        rows, at = w[:, :, -1].float(), batch.positions(self)
        far = ((at[:, -1:] - at) * batch.present(self))[:, None]
        self.keep("spans", l, torch.stack([(rows * d).sum(-1) for d in (far, far.clamp(max=self.window))], -1), batch)
        own = min(batch.total - batch.length, self.far + 1, rows.shape[-1])
        back = rows.new_zeros(*rows.shape[:2], self.far + 1)  # what the tokens 0, 1, ... before this one get
        back[..., :own] = rows[..., -own:].flip(-1)
        self.keep("back", l, back[..., self.near :], batch)

    def readings(self, batch: Batch, passes: Sequence[int]) -> Mapping[str, Sequence[Reading | None]]:
        return by_name([self._of(i, count) for i, count in enumerate(passes)])

    def _of(self, i: int, passes: int) -> dict[str, Reading]:
        count = passes - 1  # the last token is chosen, and never fed
        waad, fai = np.full(passes, np.nan), np.full(passes, np.nan)
        if count > 0:
            spans, capped = np.moveaxis(self.kept("spans", i, count), -1, 0)  # [layers, steps, heads] each
            near, far = ends(spans.mean(1))
            waad[:count] = np.swapaxes(capped, 1, 2)[near].mean(0)
            back = np.swapaxes(self.kept("back", i, count), 1, 2)[far].mean(0)  # [steps, distances]
            for s in range(count - self.near):
                later = np.arange(s + self.near, min(count, s + self.far + 1))
                fai[s] = back[later, later - s - self.near].mean()
        plan, anchor = largest(np.append(np.abs(np.diff(waad)), np.nan)), largest(fai)
        coupled = np.array([(plan[max(0, s - 3) : s] == 1).any() for s in np.flatnonzero(anchor == 1)])
        curves = {"waad": (waad, COUNT), "fai": (fai, RATE), "preplan": (plan, RATE), "anchor": (anchor, RATE)}
        return {
            "waad": Reading(_mean(waad), within=COUNT),
            "fai": Reading(_mean(fai), within=RATE),
            "coupled": Reading(_mean(coupled), within=RATE),
            **{f"{name}_steps": Reading(curve, ("step",), within=bounds) for name, (curve, bounds) in curves.items()},
        }


def ends(spans: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of the heads [layers, heads] are local, and which are global: bool, no head both."""
    order = spans.reshape(-1).argsort(kind="stable").argsort(kind="stable").reshape(spans.shape)
    count = max(1, round(SHARE * spans.size))
    return order < count, order >= spans.size - count


def largest(x: np.ndarray) -> np.ndarray:
    """1 at the largest 40 % of the defined values, 0 at the others, NaN where there is none."""
    known = np.isfinite(x)
    return np.where(known, x >= np.quantile(x[known], 1 - MARKED), np.nan) if known.any() else x


def _mean(x: np.ndarray) -> float:
    return float(np.nanmean(x)) if np.isfinite(x).any() else float("nan")

"""How the last row's attention treats a graph that the prompt lists (LLM4Exploration, arXiv 2505.02130)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch.nn.functional as F
from torch import Tensor

from harness.core.readings import COUNT, RATE, Reading
from harness.methods.attention.graph_window import Found, listed, pattern, reach
from harness.stats.ranks import spearman
from harness.steering import Batch, Probe, by_name

KINDS = ("text", "centre", "one_hop", "two_hop")
"""Of tokens; nodes more than two links away count as two."""


class GraphAttention(Probe):
    """Attention mass on text and on nodes by their distance from the centre, the node that is named first."""

    name = "graph_attention"

    def __init__(self, node: str):
        """`node`: a regular expression of what names a node, its first group the name, as in graph_window."""
        self.node = pattern(self.name, node)

    def attention_weights(self, l: int, w: Tensor, batch: Batch) -> None:
        if batch.prefill:
            row = w[:, :, -1].float().mean(1)
            self.keep("row", l, F.pad(row, (batch.total - row.shape[-1], 0)), batch)

    def readings(self, batch: Batch, passes: Sequence[int]) -> Mapping[str, Sequence[Reading | None]]:
        return by_name([self._of(i, batch) for i in range(len(batch.samples))])

    def _of(self, i: int, batch: Batch) -> dict[str, Reading]:
        sample = batch.samples[i]
        mention, found = listed(sample, batch.view, self.node)
        one = {"nodes": Reading(float(found.nodes), within=COUNT)}
        if not found.links:
            return one
        row, of, far = self.kept("row", i, 1)[:, 0, -sample.length :], mention.numpy(), distances(found)
        mass = np.stack([row[:, of == n].sum(1) for n in range(-1, len(far))], 1)  # [layers, text and mentions]
        for n, kind in enumerate(KINDS):
            share = mass[:, np.array([-1, *far]) == n - 1].sum(1)
            one |= {kind: Reading(share.mean(), within=RATE), f"{kind}_layers": Reading(share, ("layer",), within=RATE)}
        slots, links = mass[:, 1:][:, far > 0], far[far > 0]
        order, away = spearman(slots, np.arange(len(links))[None]), apart(slots, 1.0 / links)
        for name, curve, ends in (("slot", order, (-1.0, 1.0)), ("apart", away, RATE)):
            one |= {name: Reading(curve.mean(), within=ends), f"{name}_layers": Reading(curve, ("layer",), within=ends)}
        return one


def distances(found: Found) -> np.ndarray:
    """Links [mentions] between the centre and the node of each mention: 0, 1 or 2."""
    near = [reach(found.nodes, found.links, k)[0].numpy() for k in (0, 1)]
    return (2 - near[0].astype(int) - near[1])[[node for node, _, _ in found.mentions]]


def apart(slots: np.ndarray, ideal: np.ndarray) -> np.ndarray:
    """Jensen-Shannon distance [layers], in 0..1, of attention to listed nodes [layers, slots] from an ideal one."""
    from scipy.special import rel_entr

    p, q = slots / slots.sum(1, keepdims=True), np.broadcast_to(ideal / ideal.sum(), slots.shape)
    middle = (p + q) / 2
    bits = (rel_entr(p, middle) + rel_entr(q, middle)).sum(1) / (2 * np.log(2))
    return np.sqrt(bits.clip(0, 1))

"""Direct logit attribution: what each head and layer adds to the first token over its runner-up (Circuit Reuse)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from harness.core.errors import UsageError
from harness.core.readings import Reading
from harness.steering import Batch, Probe, View


class Heads(Probe):
    """With the scale of the final norm held, embedding, heads and MLPs add up to the difference of the two logits."""

    name = "heads"

    def reads(self, view: View) -> Sequence[int]:
        return (-1, view.depth - 1)

    def prepare(self, batch: Batch) -> None:
        super().prepare(batch)
        if isinstance(batch.view.norm, nn.LayerNorm):
            raise UsageError("method=heads needs a final norm that only scales: this model's also centres its states")
        self._seen: dict[tuple[str, int], Tensor] = {}

    def heads(self, l: int, x: Tensor, batch: Batch) -> None:
        self._note("heads", l, x, batch)

    def attention_output(self, l: int, y: Tensor, batch: Batch) -> None:
        self._note("attention", l, y, batch)

    def mlp(self, l: int, y: Tensor, batch: Batch) -> None:
        self._note("mlp", l, y, batch)

    def _note(self, part: str, l: int, x: Tensor, batch: Batch) -> None:
        if batch.prefill:
            self._seen[part, l] = x[: batch.size, -1].float()

    def logits(self, z: Tensor, batch: Batch) -> None:
        view, n = batch.view, batch.size
        if batch.step or len(self._seen) < 3 * view.depth:
            return
        last = batch.hidden[view.depth - 1][:n]
        first, second = z[:n].topk(2).indices.unbind(-1)
        along = (view.head.weight[first] - view.head.weight[second]).float() * gain(view.norm, last)  # [n, d]
        difference, embedding = ((x[:n].float() * along).sum(-1) for x in (last, batch.hidden[-1]))
        rest = difference - embedding
        for l in range(view.depth):
            projection: Any = view.projection(l)
            out = self._seen["attention", l]
            split = projection.weight.float().unflatten(1, (view.n_heads, -1))  # [d, H, head size]
            parts = torch.einsum("nhk,dhk->nhd", self._seen["heads", l], split)
            whole = parts.sum(1) if projection.bias is None else parts.sum(1) + projection.bias
            branch = out / torch.where(whole.abs() > 1e-12, whole, 1.0)  # 1, or a norm behind the branch
            attention, mlp = ((x * along).sum(-1) for x in (out, self._seen["mlp", l]))
            rest = rest - attention - mlp
            self.keep("heads", l, (parts * branch[:, None] * along[:, None]).sum(-1), batch)
            self.keep("attention", l, attention, batch)
            self.keep("mlp", l, mlp, batch)
        for name, x in (("difference", difference), ("embedding", embedding), ("rest", rest)):
            self.keep(name, 0, x, batch)
        self._seen = {}

    def readings(self, batch: Batch, passes: Sequence[int]) -> Mapping[str, Sequence[Reading | None]]:
        rows = range(len(batch.samples))
        whole = {n: [Reading(self.kept(n, i, 1)[0, 0]) for i in rows] for n in ("difference", "embedding", "rest")}
        layers = {f"{n}_layers": [Reading(self.kept(n, i, 1)[:, 0], ("layer",)) for i in rows]
                  for n in ("attention", "mlp")}  # fmt: skip
        return whole | layers | {"heads": [Reading(self.kept("heads", i, 1)[:, 0], ("layer", "head")) for i in rows]}


def gain(norm: nn.Module, h: Tensor) -> Tensor:
    """What a norm that only scales multiplies each number of the states [n, d] with."""
    return norm(h).float() / torch.where(h == 0, 1.0, h.float())

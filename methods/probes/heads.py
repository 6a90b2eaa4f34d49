"""What each head adds to the answer: attribution, activation and path patching, an oracle's repair (Circuit Reuse)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from harness.core.errors import UsageError
from harness.core.readings import Reading
from harness.methods._shared.attribution import attributed
from harness.methods._shared.patching import answers, named, paired, patched, repaired
from harness.methods._shared.tracing import beside
from harness.steering import Batch, Inputs, Probe, View, by_name


class Heads(Probe):
    """Attribution of the first token's logit over another's in the pass itself; patching in passes of its own."""

    name = "heads"
    reads_pair = True

    def __init__(self, patch: str | None, noise: float, receivers: list[str], repair: list[str]):
        """`patch`: last or all positions; null: none. `receivers`, `repair`: heads as layer.head."""
        if patch not in (None, "last", "all"):
            raise UsageError(f"method.{self.name}.patch={patch} is unknown: choose last, all or null")
        self.patch, self.noise, self.receivers, self.repair = patch, noise, receivers, repair

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
        known = [answers(view, sample) for sample in batch.samples]
        own = [two or tuple(x.topk(2).indices.tolist()) for two, x in zip(known, z[:n], strict=True)]
        first, second = torch.tensor(own, device=z.device).unbind(-1)
        ends = batch.hidden[-1][:n].float(), batch.hidden[view.depth - 1][:n].float()
        whole, layers = attributed(view, self._seen, ends, (first, second))
        for name, every in ({k: [x] for k, x in whole.items()} | layers).items():
            for l, x in enumerate(every):
                self.keep(name, l, x, batch)
        self._seen = {}

    def readings(self, batch: Batch, passes: Sequence[int]) -> Mapping[str, Sequence[Reading | None]]:
        return by_name([self._attributed(i) | self._patched(batch, s) for i, s in enumerate(batch.samples)])

    def _attributed(self, i: int) -> dict[str, Reading]:
        found = {n: Reading(self.kept(n, i, 1)[0, 0]) for n in ("difference", "embedding", "rest")}
        found |= {f"{n}_layers": Reading(self.kept(n, i, 1)[:, 0], ("layer",)) for n in ("attention", "mlp")}
        return found | {"heads": Reading(self.kept("heads", i, 1)[:, 0], ("layer", "head"))}

    def _patched(self, batch: Batch, sample: Inputs) -> dict[str, Reading]:
        view, methods = batch.view, beside(batch)
        receivers, repair = named(self.receivers, view), named(self.repair, view)
        two = paired(view, methods, sample, self.noise) if self.patch or repair else None
        found = patched(view, methods, two, self.patch, receivers) if two and self.patch else {}
        return found | (repaired(view, methods, two, repair) if two else {})

"""What a picture's tokens tell a probe of each class, beside what the model says (arXiv 2506.10178)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.core.readings import Reading
from harness.methods._shared.classes import Classes
from harness.steering import Batch, Probe, View, by_name
from harness.steering.attention_maps import on_grid
from harness.steering.bench import Bench
from harness.steering.forward import forward

ROWS, FLOOR, TEXT = 24, -30.0, "Describe the image."
"""Pictures of a pass of the calibration, the least log-probability that is told apart, and what goes with a picture."""


class Tower(Probe):
    """An attentive probe per class on the image tokens that the decoder gets, calibrated on annotated pictures."""

    name = "tower"
    prefix = "none"
    calibrated_by = ("queries", "out", "epochs", "seed")

    def __init__(self, queries: int, out: int, epochs: int, seed: int):
        """`queries`: that pool the tokens; 0: their mean. `out`: how many times narrower the values are."""
        if queries < 0 or out < 1 or epochs < 1:
            raise UsageError(f"method.{self.name} needs queries of at least 0, and out and epochs of at least 1")
        self.queries, self.out, self.epochs, self.seed = queries, out, epochs, seed

    def layers(self, view: View) -> Sequence[int]:
        return (0,)

    def layer_input(self, l: int, x: Tensor, batch: Batch) -> None:
        for i, sample in enumerate(batch.samples if batch.prefill else ()):
            self.put(f"tokens {i}", 0, [x[i, -sample.length :][batch.image_mask(i).to(x.device)]])

    def logits(self, z: Tensor, batch: Batch) -> None:
        words = [list(batch.view.begins(w)) for w in ("yes", "no")] if batch.view.tokenizer else [[]]
        if batch.step == 0 and all(words):
            yes, no = (z.float().log_softmax(-1).clamp(min=FLOOR)[:, ids].logsumexp(-1) for ids in words)
            self.keep("said", 0, yes - no, batch)

    def calibrate(self, bench: Bench) -> dict[str, Tensor]:
        """Raises UsageError without pictures, and where the decoder's width cannot be split among the queries."""
        if not bench.pictures:
            raise UsageError("method=tower is fitted to annotated pictures: give calibration=FILE with such rows")
        tokens: list[Tensor] = []
        for start in range(0, len(bench.pictures), ROWS):
            batch = Batch(bench.view, [self], [bench.ask(p.picture, TEXT) for p in bench.pictures[start:][:ROWS]])
            self.prepare(batch)
            with torch.no_grad():
                forward(batch)
            tokens += [torch.from_numpy(self.kept(f"tokens {i}", 0, 1)[0, 0, 0]) for i in range(len(batch.samples))]
        shown = torch.tensor([[c in p.objects for c in bench.categories] for p in bench.pictures])
        values = self.queries, self.out, self.epochs, self.seed
        return Classes.fitted(tokens, shown, bench.categories, *values).tensors()

    def readings(self, batch: Batch, passes: Sequence[int]) -> Mapping[str, Sequence[Reading | None]]:
        classes, rows = Classes.of(self.artefact), list[dict[str, Reading]]()
        for i, sample in enumerate(batch.samples):
            kept, said = self.kept(f"tokens {i}", 0, 1), self.kept("said", i, 1)
            if not kept.size:
                rows.append({})
                continue
            x = torch.from_numpy(kept[0, 0, 0])
            scores, seen = classes.scores(x), classes.attention(x)
            one = {"classes": Reading(float((scores > 0).sum())), "scores": Reading(scores, ("unit",))}
            one |= on_grid("map", seen.numpy(), batch, i)
            if (asked := classes.asked(sample.request)) is not None:
                one["asked"] = Reading(scores[asked])
                if said.size:
                    one |= {"said": Reading(said[0, 0]), "backs": Reading(scores[asked] * np.sign(said[0, 0]))}
            rows.append(one)
        return by_name(rows)

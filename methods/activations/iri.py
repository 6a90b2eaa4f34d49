"""IRI: feed mid-layer outputs that carry the object into later layers, by their causal effect (arXiv 2511.05923)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.core.trials import Trials
from harness.methods._shared.tracing import MARGIN, Patch, noised, traced
from harness.steering import Batch, Inputs, Steering, View
from harness.steering.bench import PRESENT, Bench, article

PARTS = ("attention", "mlp")


class Iri(Steering):
    """Intermediate representation injection, at the last position of every pass."""

    name = "iri"
    refills = True
    calibrated_by = ("noise",)

    def __init__(self, la: float, lm: float, k1: int, k2: int, noise: float):
        """`la`, `lm`: strength of injected attention and MLP outputs. `k1` source and `k2` target layers are those with
        the highest recovery rates. `noise`: standard deviation of the tracing noise on normalised pixels.
        """
        if k1 < 1 or k2 < 1:
            raise UsageError(f"method.iri.k1={k1} and method.iri.k2={k2} must be at least 1")
        if noise <= 0:
            raise UsageError(f"method.iri.noise={noise} must be above 0")
        self.strength = {"attention": la, "mlp": lm}
        self.k1, self.k2, self.noise = k1, k2, noise
        self._kept: dict[tuple[str, int], Tensor] = {}

    @property
    def needs_artefact(self) -> bool:
        return any(self.strength.values())

    def attention_output(self, l: int, y: Tensor, batch: Batch) -> Tensor | None:
        return self._inject("attention", l, y, batch)

    def mlp(self, l: int, y: Tensor, batch: Batch) -> Tensor | None:
        return self._inject("mlp", l, y, batch)

    def _inject(self, part: str, l: int, y: Tensor, batch: Batch) -> Tensor | None:
        """a~ = a^l + la sum_k RR_k a^k over the sources k < l, scaled back to ||a^l||."""
        if not self.strength[part]:
            return None
        if self.artefact is None:
            raise UsageError("method=iri has no recovery rates: run harness calibrate method=iri first")
        rates = self.artefact[part]
        ranked = rates.argsort(descending=True, stable=True).tolist()
        own = y[:, -1].float()
        if l in ranked[: self.k1]:
            self._kept[part, l] = own
        sources = [k for k in ranked[: self.k1] if k < l]
        if l not in ranked[: self.k2] or not sources:
            return None
        added = torch.stack([rates[k].item() * self._kept[part, k].to(y.device) for k in sources]).sum(0)
        new = own + self.strength[part] * added
        new = new * (own.norm(dim=-1, keepdim=True) / new.norm(dim=-1, keepdim=True).clamp(min=1e-12))
        seen = batch.tile(self, batch.sees).to(y.device)[:, None]
        out = y.clone()
        out[:, -1] = torch.where(seen, new.to(y.dtype), y[:, -1])
        return out

    def calibrate(self, bench: Bench) -> dict[str, Tensor]:
        """Recovery rates [L] of both parts at the last token, by FCCT. Raises UsageError without pictures."""
        if not bench.pictures:
            raise UsageError("method=iri calibrates itself on annotated pictures: give calibration=FILE with such rows")
        samples = [
            bench.ask(p.picture, PRESENT.format(article(name), name)) for p in bench.pictures for name in p.objects[:3]
        ]
        return recovery_rates(bench.view, samples, bench.yes, self.noise, bench.trials)


def recovery_rates(
    view: View, samples: Sequence[Inputs], yes: Sequence[int], noise: float, trials: Trials
) -> dict[str, Tensor]:
    """FCCT for the last token: RR = (P_patched - P_noised) / (P_clean - P_noised), clipped to [0, 1], averaged.

    P is the probability of one of the tokens `yes` as first answer token. The noised run sees the picture under
    Gaussian noise; a patched run is a noised run with one part of one layer restored from the clean run.
    """
    patches = [Patch(part, l, [-1]) for part in PARTS for l in range(view.depth)]

    def rates(clean: Inputs) -> list[float] | None:
        z = traced(view, [], clean, noised(clean, noise), [None, *patches])
        p = z.softmax(-1)[:, list(yes)].sum(-1)
        lost = p[0] - p[1]
        return ((p[2:] - p[1]) / lost).clamp(0, 1).tolist() if lost > MARGIN else None

    found = [torch.tensor(r) for r in trials(samples, rates) if r]
    if not found:
        raise UsageError(
            "method=iri found no question whose answer the noise changes: raise method.iri.noise, or calibrate on "
            "pictures that the model can read"
        )
    return dict(zip(PARTS, torch.stack(found).mean(0).split(view.depth), strict=True))

"""ICD: subtract what the model says under an instruction that disturbs it (arXiv 2403.18715)."""

from __future__ import annotations

from torch import Tensor

from harness.core.errors import UsageError
from harness.steering import Inputs, Run, Steering, View
from methods.decoding.common import check_share, plausible


class Icd(Steering):
    """Instruction contrastive decoding: (1 + a) z - a z_disturbed, cut to plausible tokens."""

    name = "icd"

    def __init__(self, alpha: float, beta: float, disturbance: str, variant: str):
        """`alpha`: strength. `beta`: least share of the most likely token's probability. `disturbance`: the role
        sentence that is put before the question. `variant`: question (both) or normal (the disturbance alone), for
        models whose connector reads the question (Q-Former); other models always keep the question.
        """
        check_share("method.icd.beta", beta)
        if variant not in ("question", "normal"):
            raise UsageError(f"method.icd.variant={variant} is unknown: choose question or normal")
        if alpha and not disturbance.strip():
            raise UsageError("method.icd.disturbance is empty: give a sentence, or alpha=0")
        self.alpha, self.beta, self.disturbance, self.variant = alpha, beta, disturbance.strip(), variant

    @property
    def contrasts(self) -> bool:
        return bool(self.alpha)

    def contrast(self, sample: Inputs, view: View) -> Inputs | None:
        if not sample.sees:
            return None
        former = "qformer_input_ids" in sample.tensors
        alone = former and self.variant == "normal"
        disturbed = view.ask(self, sample, text=lambda q: self.disturbance if alone else f"{self.disturbance} {q}")
        if not former:
            return disturbed
        # The language model's own prompt stays clean: only the visual queries are disturbed.
        return sample.change(**{k: v for k, v in disturbed.tensors.items() if k.startswith("qformer_")})

    def logits(self, z: Tensor, run: Run) -> Tensor | None:
        other = run.stream(self)
        if other is None:
            return plausible(z, z, self.beta) if self.beta and not self.alpha else None
        return plausible((1 + self.alpha) * z - self.alpha * other, z, self.beta)

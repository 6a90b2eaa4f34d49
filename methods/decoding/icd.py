"""ICD: subtract what the model says under an instruction that disturbs it (arXiv 2403.18715)."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.methods._shared.contrast import check_share, plausible
from harness.steering import Batch, Inputs, Steering, View

VARIANTS = ("question", "normal", "system")


class Icd(Steering):
    """Instruction contrastive decoding: (1 + a) z - a z_disturbed, cut to plausible tokens."""

    name = "icd"
    refills = True

    def __init__(self, alpha: float, beta: float, disturbance: str, variant: str):
        """`alpha`: strength. `beta`: least share of the most likely token's probability. `disturbance`: the role
        sentence. `variant`, where it stands: question (before the question), normal (in its place, for models whose
        connector reads the question, Q-Former; other models keep it) or system (instead of the system message).
        """
        check_share("method.icd.beta", beta)
        if variant not in VARIANTS:
            raise UsageError(f"method.icd.variant={variant} is unknown: choose {', '.join(VARIANTS)}")
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
        if self.variant == "system":
            return self._system(sample, view, former)
        alone = former and self.variant == "normal"
        disturbed = view.ask(self, sample, text=lambda q: self.disturbance if alone else f"{self.disturbance} {q}")
        if not former:
            return disturbed
        # The language model's own prompt stays clean: only the visual queries are disturbed.
        return sample.change(**{k: v for k, v in disturbed.tensors.items() if k.startswith("qformer_")})

    def _system(self, sample: Inputs, view: View, former: bool) -> Inputs:
        """The official LLaVA sampler's: the disturbance stands where the system message stood."""
        if former:
            raise UsageError(
                "method.icd.variant=system does not reach a Q-Former, which reads only the question: choose question "
                "or normal"
            )
        disturbed = view.ask(self, sample, system=self.disturbance)
        if torch.equal(disturbed.tensors["input_ids"], sample.tensors["input_ids"]):
            raise UsageError(
                "method.icd.variant=system changes nothing: this model's chat template drops the system message, or "
                "the disturbance is the system message; choose method.icd.variant=question"
            )
        return disturbed

    def logits(self, z: Tensor, batch: Batch) -> Tensor | None:
        other = batch.stream(self)
        if other is None:
            return plausible(z, z, self.beta) if self.beta and not self.alpha else None
        return plausible((1 + self.alpha) * z - self.alpha * other, z, self.beta)

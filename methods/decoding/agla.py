"""AGLA: add the logits for a picture that keeps only what the question is about (arXiv 2406.12718)."""

from __future__ import annotations

import io

from torch import Tensor

from harness.core.errors import UsageError
from harness.core.picture import Picture
from harness.methods._shared.contrast import check_share, plausible
from harness.methods.decoding.matching import Matcher, masked
from harness.steering import Batch, Inputs, Steering, View


class Agla(Steering):
    """Assembly of global and local attention: z + a z_local, cut to plausible tokens."""

    name = "agla"
    refills = True

    def __init__(self, alpha: float, beta: float, matcher: str | None, block: int, form: str = "paper"):
        """`alpha`: weight of the masked picture's logits. `beta`: least share of the most likely token's probability.
        `matcher`: path or hub name of a BLIP image-text matching model. `block`: its cross-attention layer. `form`:
        paper, or code, whose second stream sees the masked picture at the first token only.
        """
        check_share("method.agla.beta", beta)
        if form not in ("code", "paper"):
            raise UsageError(f"method.agla.form={form} is unknown: choose code or paper")
        if alpha and not matcher:
            raise UsageError(
                "method=agla needs an image-text matching model: add method.agla.matcher= and the hub name or folder "
                "of a BLIP retrieval checkpoint, for example Salesforce/blip-itm-large-coco"
            )
        self.alpha, self.beta, self.matcher, self.block, self.form = alpha, beta, matcher, block, form
        self._model: Matcher | None = None

    @property
    def contrasts(self) -> bool:
        return bool(self.alpha)

    def contrast(self, sample: Inputs, view: View) -> Inputs | None:
        if not sample.sees:
            return None
        if self._model is None:
            self._model = Matcher.load(str(self.matcher), self.block)
        model, question = self._model, _words(sample)
        return view.ask(self, sample, picture=lambda p: _masked(p, model, question))

    def logits(self, z: Tensor, batch: Batch) -> Tensor | None:
        local = batch.stream(self)
        if local is None:
            return plausible(z, z, self.beta) if self.beta and not self.alpha else None
        if self.form == "code" and batch.step:
            local = z  # the released sampler continues the cache of the whole picture in both streams
        return plausible(z + self.alpha * local, z, self.beta)


def _words(sample: Inputs) -> str:
    """The question, as the matcher reads it."""
    messages = sample.request.messages if sample.request else ()
    return next((p for m in reversed(messages) for p in m.content if isinstance(p, str)), "")


def _masked(picture: Picture, matcher: Matcher, question: str) -> Picture:
    relevance, similarity = matcher.relevance(picture.load(), question)
    out = io.BytesIO()
    masked(picture.load(), relevance, similarity).save(out, "PNG")
    return Picture(out.getvalue())

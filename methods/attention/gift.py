"""GIFT: attend more to what the question's content words made the model look at (arXiv 2510.22067)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.methods._shared.patches import right_aligned, spread
from harness.methods._shared.words import content_words, last_of_each
from harness.steering import Batch, Inputs, Steering, View
from harness.steering.forward import forward


class Gift(Steering):
    """Gaze-shift guided cross-modal fusion enhancement, on the last row."""

    name = "gift"
    reads_question = True
    refills = ("_weights",)

    def __init__(self, alpha: float, beta: float, saliency: int, start: int, end: int, tagger: str, form: str = "code"):
        """`alpha`: w = exp(alpha S). `beta`: factor of the question's share. `saliency`: layer of the gaze shifts,
        `start`, `end`: enhanced layers [start, end], all of 32. `tagger`: rule or spacy, which words carry content.
        `form`: code, where only the last occurrence of a repeated word counts, or paper, where each does.
        """
        if form not in ("code", "paper"):
            raise UsageError(f"method.gift.form={form} is unknown: choose code or paper")
        if tagger not in ("rule", "spacy"):
            raise UsageError(f"method.gift.tagger={tagger} is unknown: choose rule or spacy")
        if not (0 <= saliency < 32 and 0 <= start <= end < 32):
            raise UsageError(
                f"method.gift.saliency={saliency}, start={start} and end={end} must be layers 0..31 of 32, start not "
                "above end"
            )
        self.alpha, self.beta, self.tagger, self.form = alpha, beta, tagger, form
        self.saliency, self.start, self.end = saliency, start, end
        self._weights: Tensor | None = None

    def layers(self, view: View) -> Sequence[int]:
        first, last = (min(view.scaled(x), view.depth - 1) for x in (self.start, self.end))
        return range(first, last + 1) if self.alpha else ()

    def prepare(self, batch: Batch) -> None:
        """w [n, N] per image token, from one more prefill that reads the gaze shifts of one layer."""
        self._weights = None
        seen = [i for i, s in enumerate(batch.samples) if s.sees]
        if not self.alpha or not seen:
            return
        samples = [replace(batch.samples[i], shared=None) for i in seen]
        gaze = Gaze(
            min(batch.view.scaled(self.saliency), batch.view.depth - 1), [self._words(s, batch.view) for s in samples]
        )
        pictures = [m for m in batch.methods if m.has("picture")]
        forward(Batch(batch.view, [*pictures, gaze], samples))
        maps = [(self.alpha * s).exp() for s in gaze.maps]
        rows = [torch.ones(0, device=batch.view.device)] * len(batch.samples)
        for i, weights in zip(seen, maps, strict=True):
            rows[i] = weights.to(batch.view.device)
        self._weights = batch.tile(self, right_aligned(rows))

    def _words(self, sample: Inputs, view: View) -> list[int]:
        """Positions of the question's content words; all of the question where there is none."""
        ids = sample.tensors["input_ids"][0]
        after = int((ids == view.image_token_id).nonzero()[-1]) + 1
        start, end = sample.question or (after, len(ids))
        pieces = view.pieces(ids[start:end].tolist())
        found = content_words(pieces, self.tagger)
        if self.form == "code":
            found = last_of_each(pieces, found)
        return [start + i for i in found] or list(range(start, end))

    def attention_weights(self, l: int, w: Tensor, batch: Batch) -> Tensor | None:
        if self._weights is None:
            return None
        return enhance(w, batch.image(self), batch.question(self), self._weights.to(w.device), self.beta)


class Gaze(Steering):
    """Reads the saliency map S [N] of each row from one layer's attention, and changes nothing."""

    name = "gaze"
    attention_rows = "all"

    def __init__(self, layer: int, words: Sequence[Sequence[int]]):
        self.layer, self.words, self.maps = layer, words, list[Tensor]()

    def layers(self, view: View) -> Sequence[int]:
        return (self.layer,)

    def attention_weights(self, l: int, w: Tensor, batch: Batch) -> Tensor | None:
        image, prompt = batch.image(self), batch.prompt(self)
        for i, words in enumerate(self.words):
            padding = w.shape[-1] - int(prompt[i].sum())
            self.maps.append(saliency(w[i].float()[:, :, image[i]], [padding + p for p in words]))
        return None


def saliency(attention: Tensor, rows: Sequence[int]) -> Tensor:
    """S [N] in [0, 1] of attention [H, t, N] to image tokens: positive increments at these rows, mean over the H/2
    heads with the most; clamped to mean +- 3 std; zeros where nothing stands out."""
    at = torch.tensor([r for r in rows if r > 0], device=attention.device)
    shift = (attention[:, at] - attention[:, at - 1]).clamp(min=0)
    heads = shift.sum((1, 2)).topk(max(1, len(shift) // 2)).indices
    s = shift[heads].mean((0, 1))
    if len(s) > 1:
        s = s.clamp(s.mean() - 3 * s.std(), s.mean() + 3 * s.std())
    span = s.max() - s.min()
    return (s - s.min()) / span if span > 0 else torch.zeros_like(s)


def enhance(w: Tensor, image: Tensor, question: Tensor, weights: Tensor, beta: float) -> Tensor:
    """Rows w [b, H, 1, k] with image columns [b, k] scaled by weights [b, N] in the H/2 heads that look at the picture
    most, question columns by the same ratio in the H/2 heads that look there most; rows sum to 1 again."""
    factor = spread(weights, image, 1.0)[:, None, None].to(w.dtype)
    seen = image[:, None, None].to(w.dtype)
    asked = question[:, None, None].to(w.dtype)
    watching = _upper_half((w * seen).sum((-1, -2)))[:, :, None, None]
    new = torch.where(watching, w * factor, w)
    before, after = ((x * seen * watching).sum((1, 2, 3), keepdim=True) for x in (w, new))
    ratio = torch.where(before > 0, after / before.clamp(min=1e-12), 1.0)
    reading = _upper_half((new * asked).sum((-1, -2)))[:, :, None, None]
    new = torch.where(reading & (asked > 0), beta * ratio * new, new)
    return torch.where(seen.any(-1, keepdim=True), new / new.sum(-1, keepdim=True), w)


def _upper_half(mass: Tensor) -> Tensor:
    """Which heads [b, H] are among the H/2 largest."""
    top = mass.topk(max(1, mass.shape[1] // 2), -1).indices
    return torch.zeros_like(mass, dtype=torch.bool).scatter(1, top, True)

"""VAR: move attention from sink tokens to other image tokens, in heads that look at the picture (arXiv 2503.03321)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.steering import Batch, Inputs, Steering, View

TAU, WIDTH = 20.0, 4096
"""The authors' threshold of |x| / RMS, and the hidden width of the smaller model that it was chosen for."""
ORDINARY, BEHIND = 48, 8
"""Tokens, spread over the vocabulary, that tell how large ordinary values are; how far from the start they stand, as
the first few tokens of a text can be sinks themselves."""

EPSILON = 1e-6
"""What the released code adds to the attention of each image token where it divides by their sum."""


class Var(Steering):
    """Visual attention redistribution."""

    name = "var"
    attention_rows = "all"
    prefix = "with"  # rows after the picture are edited, by sinks that are found on the way
    refills = by_column = ("_sinks",)
    conflicts = ("flowcut",)  # sinks are what pruning drops

    def __init__(self, p: float, rho: float, tau: float | None, share: float, dims: list[int] | None, form: str):
        """`p`: fraction of the sinks' attention; the code keeps it, the paper moves it. `rho`: an image-centric head
        spends at least this part of its image attention outside sinks (code: at most this part on them). `tau`: what a
        sink exceeds; null: see `thresholds`. `share`: least attention to the picture. `dims`: sink dimensions, null to
        find them. `form`: code or paper.
        """
        if form not in ("code", "paper"):
            raise UsageError(f"method.var.form={form} is unknown: choose code or paper")
        if not 0 <= p <= 1:
            raise UsageError(f"method.var.p={p} must lie in [0, 1]")
        self.q = 1 - p if form == "code" else p
        self.least = 1 - rho if form == "code" else rho
        self.tau, self.share, self.dims, self.form = tau, share, dims, form
        self._sinks: dict[int, Tensor] = {}
        self._shared: dict[int, Tensor] = {}
        self._found: tuple[int, list[int], list[float]] | None = None

    def layers(self, view: View) -> Sequence[int]:
        if not self.q:
            return ()
        if view.needs_picture:
            raise UsageError(f"method={self.name} is not meant for resampled image tokens: {type(view.model).__name__}")
        # The state that enters layer l is the output of layer l - 1; the paper leaves the last layer alone.
        return range(1, view.depth if self.form == "code" else view.depth - 1)

    def prepare(self, batch: Batch) -> None:
        self._shared, self._sinks = self._sinks, {}  # what the last pass found, in case it read the shared prefixes
        if self.q and (self._found is None or self._found[0] != id(batch.view.model)):
            dims = self.dims or sink_dims(batch, least(batch.view) if self.tau is None else self.tau)
            taus = [self.tau or 0.0] * batch.view.depth
            if dims and self.tau is None:
                taus = thresholds(batch, dims)
            self._found = (id(batch.view.model), dims, taus)

    def residual(self, l: int, h: Tensor, batch: Batch) -> Tensor | None:
        if batch.prefill and self._found and self._found[1]:
            _, dims, taus = self._found
            found = sink_value(h, dims) > taus[l]
            if max(batch.cuts) > 0:  # this pass continues the prefixes, one row each
                head = self._shared[l + 1].to(h.device)
                found = torch.cat([batch.tile(self, head[prefixes(batch)]), found], 1)
            self._sinks[l + 1] = found
        return None

    def attention_weights(self, l: int, w: Tensor, batch: Batch) -> Tensor | None:
        if l < 2 or l not in self._sinks:
            return None
        image, columns = batch.image(self), w.shape[-1]
        sinks = torch.nn.functional.pad(self._sinks[l].to(w.device), (0, batch.total - self._sinks[l].shape[1]))
        sinks = sinks[:, batch.total - columns :] & batch.prompt(self)  # a sliding window keeps the last columns only
        behind = torch.ones(w.shape[0], w.shape[2], dtype=torch.bool, device=w.device)
        if batch.prefill:  # text rows only: those after the picture
            last = (image.long() * torch.arange(1, columns + 1, device=w.device)).amax(-1, keepdim=True)
            behind = torch.arange(columns - w.shape[2], columns, device=w.device) >= last
        slack = EPSILON if self.form == "code" else 0.0
        return redistribute(w, image, sinks, behind, self.q, self.least, self.share, slack)


def prefixes(batch: Batch) -> list[int]:
    """Which of the distinct shared prefixes, in order of appearance, each sample continues."""
    keys = [s.shared[0] for s in batch.samples if s.shared]
    order = list(dict.fromkeys(keys))
    return [order.index(k) for k in keys]


def sink_value(h: Tensor, dims: Sequence[int]) -> Tensor:
    """phi [b, t] of states h [b, t, d]: the largest |h_k| / RMS(h) over the sink dimensions k."""
    h = h.float()
    rms = h.square().mean(-1).add(1e-6).sqrt()
    return h[..., list(dims)].abs().amax(-1) / rms


def sink_dims(batch: Batch, threshold: float) -> list[int]:
    """Hidden dimensions in which the first token of the prompt is extreme, in any layer from 2 on. It sees only itself,
    so one token tells."""
    states = _states(batch)[0, 1:-1]
    extreme = states.abs() / states.square().mean(-1, keepdim=True).add(1e-6).sqrt() > threshold
    return extreme.any(0).nonzero()[:, 0].tolist()


def least(view: View) -> float:
    """The authors' tau; below their width smaller by the square root, as the largest possible |x| / RMS is."""
    return TAU * min(1.0, view.head.weight.shape[-1] / WIDTH) ** 0.5


def thresholds(batch: Batch, dims: Sequence[int]) -> list[float]:
    """tau for the output of each layer: the authors' from their width on; below it `least`, or more where ordinary
    tokens come close to it: then midway between them and the first token.

    Looked up once per model, in no sample: ordinary is the median of tokens that are spread over the vocabulary, each
    after the first token and a few others.
    """
    view, floor = batch.view, least(batch.view)
    width = view.head.weight.shape[-1]
    if width >= WIDTH:
        return [floor] * view.depth
    size = view.head.weight.shape[0]  # special tokens stand at either end of a vocabulary
    spread = torch.linspace(size // 8, size // 2, ORDINARY).long()
    others = torch.stack([spread.roll(n)[:BEHIND] for n in range(ORDINARY)])
    first = sink_value(_states(batch)[0, 1:-1], dims).max()
    ordinary = sink_value(_states(batch, others), dims).median(0).values
    return midway(first, ordinary, width).clamp(min=floor).tolist()


def midway(a: Tensor, b: Tensor, width: int) -> Tensor:
    """The |x_k| / RMS at which |x_k| / |the rest of x| is the geometric mean of those at a and b.

    |x_k| / RMS itself can reach no more than sqrt(width), where all sinks of a narrow model crowd together.
    """

    def beside_rest(phi: Tensor) -> Tensor:
        return phi / (width - phi.square()).clamp(min=1e-4 * width).sqrt()

    middle = (beside_rest(a) * beside_rest(b)).sqrt()
    return middle * (width / (1 + middle.square())).sqrt()


def _states(batch: Batch, others: Tensor | None = None) -> Tensor:
    """Outputs [n, L, d] of the last of other tokens [n, t], which follow the prompt's first token; of that one alone
    where there are none."""
    first = batch.samples[0].tensors["input_ids"][:, :1]
    rows = first if others is None else torch.cat([first.expand(len(others), 1), others.to(first)], 1)
    inputs = [Inputs({"input_ids": r[None], "attention_mask": torch.ones_like(r[None])}) for r in rows]
    return batch.peek(inputs).float()


def redistribute(
    w: Tensor, image: Tensor, sinks: Tensor, rows: Tensor, q: float, least: float, share: float, epsilon: float = 0.0
) -> Tensor | None:
    """Attention w [b, H, R, k] with a fraction q of the mass on all sinks moved to image tokens that are none.

    Only where `rows` [b, R] allows, a head spends `share` on the picture, and at most 1 - `least` of that on sinks;
    samples without a sink in the picture [b, k] are left alone. `epsilon` counts as attention to each image token in
    the sum that the sinks' part is compared with. Row sums stay.
    """
    visual = (image & sinks).any(-1)
    if not visual.any():
        return None
    image, sink = image[:, None, None].to(w.dtype), sinks[:, None, None].to(w.dtype)
    other = image * (1 - sink)
    seen, useful = (w * image).sum(-1, keepdim=True), (w * other).sum(-1, keepdim=True)
    wasted = (w * image * sink).sum(-1, keepdim=True)
    centric = (seen >= share) & (wasted <= (1 - least) * ((w + epsilon) * image).sum(-1, keepdim=True)) & (useful > 0)
    centric &= (rows & visual[:, None])[:, None, :, None]
    moved = q * (w * sink).sum(-1, keepdim=True)
    new = w * (1 - q * sink) + moved * w * other / useful.clamp(min=1e-12)
    return torch.where(centric, new, w)

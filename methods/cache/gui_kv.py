"""GUI-KV: SnapKV that knows which patches of screenshots are salient or redundant (arXiv 2510.00536)."""

from __future__ import annotations

import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.methods._shared.eviction import Entries
from harness.methods.cache.snapkv import SnapKV
from harness.steering import Batch

ROUNDING = 1e-5
STATES = ("normed", "residual")
FORMS = {"release": (2.0, 3.5), "paper": (0.5, 0.1)}
"""alpha and temperature of the released scripts, and those quoted for the paper's equation."""


class GuiKV(SnapKV):
    """The window's attention, plus the norm of the states of the last screenshot's patches; older patches that its keys
    explain count for nothing."""

    name = "gui_kv"

    def __init__(
        self,
        budget: float | None,
        window: int,
        kernel: int,
        alpha: float | None,
        temperature: float | None,
        form: str,
        rank: int,
        basis: str,
        states: str,
        cache: str,
    ):
        """`budget`, `window`, `kernel`: see `SnapKV`. `alpha`: attention that saliency gives out, in all.
        `temperature`: of its softmax; both by `form` (`FORMS`) where they are null. `rank`: dimensions of the last
        screenshot's keys. `basis`: first_r (as released: the span of its first keys), svd or pivoted. `states`: whose
        norms are saliency, normed (as released: what the attention block reads) or residual (the layer's input, in
        front of the norm).
        """
        if basis not in BASES:
            raise UsageError(f"method.{self.name}.basis={basis} is unknown: choose {', '.join(BASES)}")
        if states not in STATES:
            raise UsageError(f"method.{self.name}.states={states} is unknown: choose {' or '.join(STATES)}")
        if form not in FORMS:
            raise UsageError(f"method.{self.name}.form={form} is unknown: choose {' or '.join(FORMS)}")
        alpha, temperature = (b if a is None else a for a, b in zip((alpha, temperature), FORMS[form], strict=True))
        if temperature <= 0 or rank < 1:
            raise UsageError(f"method.{self.name} needs temperature above 0 and rank of at least 1")
        super().__init__(budget, window, kernel, cache)
        self.alpha, self.temperature, self.rank, self.basis = alpha, temperature, rank, basis
        self.states = states

    def _begin(self) -> None:
        super()._begin()
        self._norms: dict[int, Tensor] = {}

    def _width(self, entries: Entries) -> Tensor:
        return (entries.budget - 2).clamp(1, self.window)

    def layer_input(self, l: int, x: Tensor, batch: Batch) -> Tensor | None:
        if batch.prefill and self.states == "residual":
            self._norms[l] = x.float().norm(dim=-1)
        return None

    def attention_input(self, l: int, x: Tensor, batch: Batch) -> Tensor | None:
        if batch.prefill and self.states == "normed":
            self._norms[l] = x.float().norm(dim=-1)
        return None

    def observe(self, l: int, w: Tensor, entries: Entries, batch: Batch) -> None:
        super().observe(l, w, entries, batch)
        if not batch.prefill:
            return
        assert batch.keys is not None
        scores, image = self._seen[l], batch.image(self)
        for i, patches in enumerate(image):
            if not patches.any():
                continue
            last = last_run(patches)
            scores[i, :, last] += self.alpha * saliency(self._norms[l][i, last], self.temperature)
            older = (patches & ~last)[-batch.keys.shape[2] :]
            if older.any():
                drop = int((1 - float(entries.budget[i] / entries.length[i])) * int(older.sum()))
                rho = residuals(batch.keys[i].float(), older, last, self.rank, self.basis)
                least = rho.argsort(dim=-1, stable=True)[:, :drop]
                columns = older.nonzero()[:, 0][least]
                scores[i].scatter_(-1, columns, 0.0)


def last_run(image: Tensor) -> Tensor:
    """The last run of neighbours in a mask [k]."""
    end = int(image.nonzero()[-1])
    gaps = (~image[:end]).nonzero()
    start = int(gaps[-1]) + 1 if len(gaps) else 0
    run = torch.zeros_like(image)
    run[start : end + 1] = True
    return run


def saliency(norms: Tensor, temperature: float) -> Tensor:
    """Softmax over the standardised norms [N] of one picture's states. Norms that are equal but for rounding (after an
    RMSNorm whose weights are all alike) say nothing."""
    spread = norms.std() if len(norms) > 1 else norms.new_zeros(())
    flat = spread <= ROUNDING * norms.mean()
    z = torch.zeros_like(norms) if flat else (norms - norms.mean()) / (spread + 1e-8)
    return (z / temperature).softmax(-1)


def residuals(keys: Tensor, older: Tensor, last: Tensor, rank: int, basis: str) -> Tensor:
    """What keys [Hk, k, D] of `older` patches have outside the span of the `last` picture's [Hk, M]."""
    own, base = keys[:, older], BASES[basis](keys[:, last].transpose(1, 2), min(rank, int(last.sum()), keys.shape[-1]))
    return (own - own @ base @ base.transpose(1, 2)).norm(dim=-1)


def _first(x: Tensor, rank: int) -> Tensor:
    """Orthonormal basis [Hk, D, rank] of the first columns of x [Hk, D, N]: QR without pivoting."""
    return torch.linalg.qr(x, mode="reduced").Q[..., :rank]


def _svd(x: Tensor, rank: int) -> Tensor:
    return torch.linalg.svd(x, full_matrices=False).U[..., :rank]


def _pivoted(x: Tensor, rank: int) -> Tensor:
    """Column after column, each time the one with the largest residual."""
    left, found = x.clone(), []
    for _ in range(rank):
        norms = left.norm(dim=1)
        chosen = left.gather(2, norms.argmax(-1)[:, None, None].expand(-1, x.shape[1], 1))
        unit = chosen / chosen.norm(dim=1, keepdim=True).clamp(min=1e-12)
        left = left - unit @ (unit.transpose(1, 2) @ left)
        found.append(unit)
    return torch.cat(found, -1)


BASES = {"first_r": _first, "svd": _svd, "pivoted": _pivoted}

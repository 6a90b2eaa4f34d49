"""FreeSwim's inward windows for pictures larger than a tower was trained on (arXiv 2511.14712); the use is ours."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.core.errors import UsageError
from harness.core.windows import neighborhood
from harness.methods._shared.contrast import check_share
from harness.methods._shared.tiles import cut, joined, tiled
from harness.methods._shared.towers import OF, ByPosition
from harness.steering import Batch, Inputs, View
from harness.steering.places import Places
from harness.steering.tower import TowerView, tower_of
from harness.steering.visible import Visible

WINDOWS = ("inward", "cut", "full")


class InwardWindow(ByPosition):
    """The tower reads the picture `factor` times as large; each patch sees as much of it as in training."""

    name = "inward_window"
    conflicts = ("paint", "prune")  # they count the patches of the tower's own size

    def __init__(self, factor: float, window: str, entropy: bool, blend: float):
        """`factor`: size of the picture beside the tower's own, 1 for none. `window`: inward (shifted at the borders),
        cut, or full (plain interpolation). `entropy`: whether scores are scaled for the longer sequence. `blend`:
        share of the class token that comes from a pass at the tower's own size.
        """
        super().__init__(0, OF)
        if not 1 <= factor <= 4:
            raise UsageError(f"method.inward_window.factor={factor} must lie in 1..4")
        if window not in WINDOWS:
            raise UsageError(f"method.inward_window.window={window} is unknown: choose {', '.join(WINDOWS)}")
        check_share("method.inward_window.blend", blend)
        self.factor, self.window, self.entropy, self.blend = factor, window, entropy, blend
        self._whole: Sequence[Tensor] = ()

    @property
    def acts(self) -> bool:
        return self.factor > 1

    def tower_layers(self, view: View) -> Sequence[int]:
        found = super().tower_layers(view)
        if found and view.model.config.model_type not in ("llava", "vipllava", "gemma3"):
            raise UsageError(
                f"method={self.name} enlarges pictures that a tower reads at one size, as in LLaVA-1.5 and Gemma 3: "
                f"{type(view.model).__name__} reads crops or any size already"
            )
        if found and self.blend and not tower_of(view, self.name).before:
            raise UsageError(
                f"method.{self.name}.blend={self.blend} needs a class token, which this tower lacks: give 0"
            )
        return found

    def rewrite(self, sample: Inputs, view: View) -> Inputs | None:
        """The sample with larger pixels."""
        if not self.acts or not sample.sees:
            return None
        if sample.request is None or view.enlarged is None:
            raise UsageError(f"method={self.name} enlarges the picture, but this prompt is known as pixels only")
        pixels = view.enlarged(sample.request, self._exact(view))
        return sample.change(pixel_values=pixels)

    def _exact(self, view: View) -> float:
        """The factor, so that the side of the grid is a whole number of patches."""
        side = tower_of(view, self.name).side[0]
        return round(self.factor * side) / side

    def pattern(self, places: Places, tower: TowerView, device: torch.device) -> Visible | None:
        if self.window == "full":
            return None
        (grid,) = places.grids
        rules = []
        for n, side in zip(grid.shape, tower.side, strict=True):
            reach = side // 2
            rules.append(cut(n, reach) if self.window == "cut" else neighborhood(n, min(2 * reach + 1, n)))
        return joined(places, [tiled(rules, grid)], device)

    def tower_qkv(self, l: int, q: Tensor, k: Tensor, v: Tensor, batch: Batch) -> tuple[Tensor, Tensor, Tensor] | None:
        if not self.entropy:
            return None
        tower = tower_of(batch.view, self.name)
        trained = tower.side[0] * tower.side[1] + tower.before
        return q * math.sqrt(math.log(q.shape[2]) / math.log(trained)), k, v

    def tower_residual(self, l: int, h: Tensor, batch: Batch) -> Tensor | None:
        if not self.blend:
            return None
        tower = tower_of(batch.view, self.name)
        if l == 0:
            assert batch.pixels is not None
            size = [n * p for n, p in zip(tower.side, tower.patch, strict=True)]
            own = F.interpolate(batch.pixels.float(), size=size, mode="bicubic", antialias=True)
            self._whole = batch.aside(own.to(batch.pixels.dtype))
        whole = self._whole[l][:, : tower.before]
        return torch.cat([torch.lerp(h[:, : tower.before], whole, self.blend), h[:, tower.before :]], 1)

    def tower_output(self, h: Tensor, batch: Batch) -> Tensor | None:
        """As many patches as at the tower's own size: means over the larger grid."""
        places, tower = batch.places, tower_of(batch.view, self.name)
        assert places is not None
        (grid,) = places.grids
        if tuple(grid.shape) == tower.side:
            return None
        patches = h[:, grid.flatten()].transpose(1, 2).unflatten(2, grid.shape)
        pooled = F.adaptive_avg_pool2d(patches, tower.side).flatten(2).transpose(1, 2)
        return torch.cat([h[:, places.others], pooled], 1)

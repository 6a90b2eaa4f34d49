"""What methods share that act in the vision tower: the layers, and what they cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from weakref import WeakKeyDictionary

import torch

from harness.core.errors import UsageError
from harness.steering import Batch, Steering, View
from harness.steering.places import Places
from harness.steering.tower import TowerView, tower_of
from harness.steering.visible import Visible

OF = 24
"""Layers of the tower for which layer numbers are given (CLIP-L); others scale."""


class InTower(Steering):
    """Edits the vision tower. Reports what its queries see and what the tower computes."""

    prefix = "with"  # pictures are encoded under the method; what follows is stock
    refills = True
    conflicts: Sequence[str] = ("paint",)  # it reads the attention of a tower without the method

    def __init__(self, start: int, end: int):
        """`start`, `end`: first layer that is edited, and the first after them, of 24."""
        if not 0 <= start < end <= OF:
            raise UsageError(f"method.{self.name}: start={start}, end={end} must be 0 <= start < end <= {OF}")
        self.start, self.end = start, end

    @property
    def acts(self) -> bool:
        """Whether the method, with the values it has, changes anything."""
        return True

    def layers(self, view: View) -> Sequence[int]:
        return ()

    def tower_layers(self, view: View) -> Sequence[int]:
        if not self.acts or view.image_token_id is None:
            return ()
        tower = tower_of(view, self.name)
        return range(tower.scaled(self.start, OF), max(tower.scaled(self.start, OF) + 1, tower.scaled(self.end, OF)))

    def measured(self, batch: Batch, passes: Sequence[int]) -> Mapping[str, Sequence[float | None]]:
        if not batch.looks:
            return {}
        return {
            "visible_keys": [look and look.keys for look in batch.looks],
            "visible_share": [look and look.keys / look.dense for look in batch.looks],
            "tower_gflops": [look and look.gflops for look in batch.looks],
        }


class ByPosition(InTower):
    """A pattern that positions alone decide: it is made once for each grid of positions."""

    def __init__(self, start: int, end: int):
        super().__init__(start, end)
        self._made: WeakKeyDictionary[Places, Visible | None] = WeakKeyDictionary()

    def tower_visible(self, l: int, q: torch.Tensor, k: torch.Tensor, batch: Batch) -> Visible | None:
        places = batch.places
        assert places is not None
        if places not in self._made:
            self._made[places] = self.pattern(places, tower_of(batch.view, self.name), q.device)
        return self._made[places]

    def pattern(self, places: Places, tower: TowerView, device: torch.device) -> Visible | None:
        """None: every patch sees its whole picture, and what else the sequence holds."""
        raise NotImplementedError

"""What methods share that leave the language model fewer visual tokens of a CLIP tower."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.core.errors import UsageError
from harness.steering import Batch, Inputs, Steering, View
from harness.steering.vision import Tower


class Pruning(Steering):
    """Keeps `keep` of `of` visual tokens. Everything after the tower sees the shorter picture."""

    prefix = "with"  # the picture is encoded under the method; what follows is stock
    refills = True

    def __init__(self, keep: int, of: int):
        """`keep`: visual tokens left, of the `of` that the paper's model has; other numbers scale."""
        if not 0 < keep <= of:
            raise UsageError(f"method.{self.name}.keep={keep} must lie in 1..{of} (method.{self.name}.of)")
        self.share = keep / of

    def layers(self, view: View) -> Sequence[int]:
        if self.share < 1 and view.image_token_id is not None:
            Tower(view, self.name)
        return ()

    def rewrite(self, sample: Inputs, view: View) -> Inputs | None:
        """The prompt with a shorter run of placeholders."""
        if self.share == 1 or not sample.sees:
            return None
        pictures = sample.tensors["pixel_values"].shape[0]
        image = sample.tensors["input_ids"][0] == view.image_token_id
        each = int(image.sum()) // pictures
        within = (image.long().cumsum(0) - 1) % each
        return sample.kept(~image | (within < self.target(each)))

    def target(self, patches: int) -> int:
        return max(1, round(patches * self.share))

    def measured(self, batch: Batch, passes: Sequence[int]) -> Mapping[str, Sequence[float | None]]:
        if self.share == 1 or not any(s.sees for s in batch.samples):
            return {}
        patches = int(Tower(batch.view, self.name).inner.embeddings.num_patches)
        each = [s.tensors["pixel_values"].shape[0] * patches if s.sees else 0 for s in batch.samples]
        left = [int((s.tensors["input_ids"] == batch.view.image_token_id).sum()) for s in batch.samples]
        return {"visual_share": [n / of if of else None for n, of in zip(left, each, strict=True)]}

"""FlowCut in two stages, for LLaVA-NeXT and Qwen2-VL: in the vision tower, then after the decoder's layer 1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from harness.core.errors import UsageError
from harness.methods.pruning.flowcut import remaining, scores
from harness.steering import Batch, Inputs, Steering, View
from harness.steering.tower import tower_of
from harness.steering.visible import Visible
from harness.steering.vision import Layer

FAMILIES = ("llava_next", "qwen2_vl")
SECOND = 1
"""The decoder's layer whose attention makes the second choice, as released."""


@dataclass
class Crop:
    """What is left of one crop or picture: `units` [N, m] are patches, or the groups that are merged, as places."""

    units: Tensor
    target: int
    kept: Tensor
    score: Tensor | None = None


class FlowCutStages(Steering):
    """Drops by hiding: what is dropped is seen by nothing any more, and positions stay."""

    name = "flowcut_stages"
    attention_rows = "all"
    conflicts = ("flowcut", "prune", "paint", "inward_window", "var")

    def __init__(self, keep: int, of: int):
        """`keep`: visual tokens left, of the `of` that the paper's model has; other numbers scale."""
        if not 0 < keep <= of:
            raise UsageError(f"method.{self.name}.keep={keep} must lie in 1..{of} (method.{self.name}.of)")
        self.share = keep / of
        self.prefix = "plain" if self.share == 1 else "none"  # the last token of the question chooses
        self._begin()

    def _begin(self) -> None:
        self._calls: list[list[Crop]] = []
        self._at = (-1, 0)
        self._hidden: dict[int, Tensor] = {}
        self._left: list[float | None] = []
        self._values: Tensor | None = None

    def prepare(self, batch: Batch) -> None:
        self._begin()

    def layers(self, view: View) -> Sequence[int]:
        return range(view.depth) if self.tower_layers(view) else ()

    def tower_layers(self, view: View) -> Sequence[int]:
        if self.share == 1 or view.image_token_id is None:
            return ()
        if view.model.config.model_type not in FAMILIES:
            raise UsageError(
                f"method={self.name} is FlowCut for LLaVA-NeXT and Qwen2-VL, which {type(view.model).__name__} is not: "
                "method=flowcut is for LLaVA-1.5"
            )
        return range(tower_of(view, self.name).depth)

    # -- the vision tower

    def tower_qkv(self, l: int, q: Tensor, k: Tensor, v: Tensor, batch: Batch) -> None:
        """Which part of the sequence this is: each picture of a packed one calls by itself, layer by layer."""
        before, number = self._at
        if l == 0 and before != 0:
            self._begin()
        self._at = (l, number + 1 if l == before else 0)
        if l == 0:
            self._calls.append(self._crops(len(q), batch))
        self._values = v

    def tower_visible(self, l: int, q: Tensor, k: Tensor, batch: Batch) -> Visible | None:
        crops = self._calls[self._at[1]]
        places = batch.places
        assert places is not None and self._values is not None
        seen = None
        if any(len(c.kept) < len(c.units) for c in crops):
            rows = [torch.cat([places.others, c.units[c.kept].flatten()]) for c in crops]
            keys = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)[:, None].to(q.device)
            every = torch.arange(places.length, device=q.device)[None]
            seen = Visible(places.length, every, keys, None, every[0, :0])
        last = self._last(batch.view)
        for row, crop in enumerate(crops):
            self._cut(crop, l, last - l, q[row : row + 1], k[row : row + 1], self._values[row : row + 1], places.others)
        return seen

    def _last(self, view: View) -> int:
        """The layer that cuts to the target (21 of the 23 that LLaVA reads)."""
        depth, at = tower_of(view, self.name).depth, getattr(view.model.config, "vision_feature_layer", -1)
        used = depth + 1 + at if at < 0 else at
        return max(0, used - 2)

    def _crops(self, rows: int, batch: Batch) -> list[Crop]:
        """Of one call of the first layer: all of a picture's patches, and how many shall be left."""
        tower, places = tower_of(batch.view, self.name), batch.places
        assert places is not None
        if tower.packed:
            units = torch.arange(places.length).view(-1, tower.module.spatial_merge_size**2)
            target = min(len(units), 2 * max(1, round(self.share * len(units))))
            return [Crop(units, target, torch.arange(len(units)))]
        units = places.grids[0].flatten()[:, None]
        targets = []
        for one in batch.inputs:
            half = round(self.share * int((one.tensors["input_ids"] == batch.view.image_token_id).sum()) / 2)
            targets += [min(len(units), max(1, half))] * tower.share(one)
        return [Crop(units, targets[row], torch.arange(len(units))) for row in range(rows)]

    def _cut(self, crop: Crop, l: int, rem: int, q: Tensor, k: Tensor, v: Tensor, others: Tensor) -> None:
        """One row: scores of what is left, and fewer of it after every second layer."""
        tokens, count = crop.units[crop.kept].flatten().to(q.device), len(crop.kept)
        if rem < 0 or count <= crop.target:
            return
        if len(others):
            first = torch.cat([others.to(q.device)[:1], tokens])
            weights = (q[:, :, :1] @ k[:, :, first].transpose(2, 3) * q.shape[-1] ** -0.5).softmax(-1)
            found, entropy = scores(Layer(l, weights, v[:, :, first]))
        else:
            found, entropy = global_scores(q[:, :, tokens], k[:, :, tokens], v[:, :, tokens], crop.units.shape[1])
        found = found[0].cpu()
        crop.score = found if crop.score is None else 0.5 * crop.score + 0.5 * found
        if rem % 2 == 0:
            chosen = crop.score.topk(remaining(count, crop.target, rem, entropy)).indices.sort().values
            crop.kept, crop.score = crop.kept[chosen], crop.score[chosen]

    # -- the language model

    def attention_logits(self, l: int, a: Tensor, batch: Batch) -> Tensor | None:
        if batch.prefill and l == 0:
            self._hidden[0] = self._first(batch).to(a.device)
        hidden = self._hidden.get(int(l > SECOND))
        if hidden is None or not hidden.any():
            return None
        hidden = F.pad(hidden, (0, a.shape[-1] - hidden.shape[-1]))
        return a.masked_fill(hidden[:, None, None], torch.finfo(a.dtype).min)

    def attention_weights(self, l: int, w: Tensor, batch: Batch) -> Tensor | None:
        """After layer 1 of the prompt: as many visual tokens as shall be left, by what its last token reads."""
        if l != SECOND or not batch.prefill:
            return None
        first, values = self._hidden[0], batch.values
        assert values is not None
        image, second = batch.image(self), first.clone()
        self._left = []
        for row in range(len(w)):
            there = (image[row] & ~first[row]).nonzero().flatten()
            count = int(image[row].sum())
            target = max(1, round(self.share * count)) if count else 0
            if len(there) > target:
                relation = w[row, :, -1][:, there].float()
                relation = (relation / relation.sum(-1, keepdim=True)).mean(0)
                own = values[row].float()
                semantic = (own[:, there] @ own[:, -1:].transpose(1, 2) * own.shape[-1] ** -0.5)[..., 0]
                score = (relation + semantic.softmax(-1).mean(0)) * own[:, there].mean(0).abs().sum(-1)
                second[row, there] = True
                second[row, there[score.topk(target).indices]] = False
            self._left.append(int((image[row] & ~second[row]).sum()) / count if count else None)
        self._hidden[1] = second
        return None

    def _first(self, batch: Batch) -> Tensor:
        """Columns [b, k] of image tokens that the tower has dropped."""
        image, hidden = batch.image(self), torch.zeros_like(batch.image(self))
        if not self._calls:
            return hidden
        crops = iter([crop for call in self._calls for crop in call])
        for number, sample in enumerate(batch.samples):
            stays = self._stays(sample, crops, batch.view)
            for row in range(number * batch.beams, (number + 1) * batch.beams) if len(stays) else ():
                hidden[row, image[row].nonzero().flatten()] = ~stays.to(hidden.device)
        return hidden

    def _stays(self, sample: Inputs, crops: Iterator[Crop], view: View) -> Tensor:
        """Of each image token of a sample, whether it stays."""
        tower, marks = tower_of(view, self.name), []
        count = len(sample.tensors["image_grid_thw"]) if tower.packed and sample.sees else tower.share(sample)
        for _ in range(count):
            crop = next(crops)
            mark = torch.zeros(len(crop.units), dtype=torch.bool)
            mark[crop.kept] = True
            marks.append(mark)
        if tower.packed or not marks:
            return torch.cat(marks) if marks else torch.zeros(0, dtype=torch.bool)
        if len(sample.tensors["image_sizes"]) > 1:
            raise UsageError(f"method={self.name} takes one picture per question on LLaVA-NeXT")
        numbers = torch.arange(1.0, 1 + sum(map(len, marks))).view(len(marks), -1, 1)
        inner = view.model.base_model
        packed, _ = inner.pack_image_features(  # the model's own order, of the patches' numbers; 0 for line breaks
            [numbers],
            sample.tensors["image_sizes"],
            vision_feature_select_strategy=view.model.config.vision_feature_select_strategy,
            image_newline=torch.zeros(1),
        )
        return torch.cat([torch.ones(1, dtype=torch.bool), *marks])[packed[0][:, 0].long()]

    def measured(self, batch: Batch, passes: Sequence[int]) -> Mapping[str, Sequence[float | None]]:
        return {"visual_share": self._left[:: batch.beams]} if self._left else {}


def global_scores(q: Tensor, k: Tensor, v: Tensor, size: int) -> tuple[Tensor, float]:
    """Importance [1, n / size] of groups of `size` patches and the entropy, where there is no class token.

    A mean query over the patches [1, H, n, D] stands for it: relation times density, no semantic part.
    """
    weights = (q.mean(2, keepdim=True) @ k.transpose(2, 3) * q.shape[-1] ** -0.5).float().softmax(-1)
    relation = weights[:, :, 0].mean(1)
    density = v.float().mean(1).abs().sum(-1)
    groups = relation.unflatten(-1, (-1, size)).sum(-1)
    entropy = -(groups * groups.clamp(min=1e-12).log()).sum(-1)
    return (relation * density).unflatten(-1, (-1, size)).mean(-1), float(entropy[0])

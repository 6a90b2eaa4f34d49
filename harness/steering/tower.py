"""The vision tower of a stock model as methods see it: its layers, and where its tokens lie on the pictures."""

from __future__ import annotations

from functools import cached_property
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from harness.core.errors import UsageError
from harness.steering import compat
from harness.steering.guard import broken
from harness.steering.inputs import Inputs
from harness.steering.places import Places, merged, single
from harness.steering.view import STEERED, View

BATCHED = {
    "clip_vision_model": 1,
    "siglip_vision_model": 0,
    "internvl_vision": 1,
    "idefics3_vision": 0,
    "instructblip_vision_model": 1,
}
"""Kinds of towers that read each crop as a row of a batch, and their class tokens, which come first."""
PACKED = ("qwen2_vl", "qwen2_5_vl", "qwen3_vl")
"""Kinds of towers that read all pictures as one sequence, in blocks that are merged."""
KEPT = 64
"""Sizes whose places are kept."""
_VIEWS: WeakKeyDictionary[View, TowerView] = WeakKeyDictionary()


def tower_of(view: View, method: str) -> TowerView:
    """The view's tower. Raises UsageError, naming the method, where steering does not know the family."""
    if view not in _VIEWS:
        module = view.model.get_encoder(modality="image")
        kind = getattr(getattr(module, "config", None), "model_type", "").removesuffix("_vision_tower")
        known = kind in BATCHED or kind.removesuffix("_vision") in PACKED
        if module is view.model or module is view.model.base_model or not known:
            raise UsageError(
                f"method={method} acts in the vision tower, and steering knows those of CLIP, SigLIP, InternVL, "
                f"Idefics3, InstructBLIP and Qwen's models: {type(view.model).__name__} has no such tower"
            )
        _VIEWS[view] = TowerView(module, kind, view.image_token_id)
    return _VIEWS[view]


class TowerView:
    """The parts of one tower."""

    def __init__(self, module: Any, kind: str, image_token_id: int | None):
        self.module, self.kind, self.image_token_id = module, kind, image_token_id
        self.packed = kind not in BATCHED
        self.before = BATCHED.get(kind, 0)
        """Class tokens before the patches."""
        self._kept: dict[Any, Places] = {}

    @cached_property
    def layers(self) -> nn.ModuleList:
        parent = getattr(self.module, "encoder", self.module)
        for name in ("layers", "layer", "blocks"):
            if isinstance(found := getattr(parent, name, None), nn.ModuleList):
                return found
        raise broken(f"the layers of {type(self.module).__name__} are not where steering looks")

    @property
    def depth(self) -> int:
        return len(self.layers)

    def scaled(self, layer: int, of: int = 24) -> int:
        """A layer number of a tower of `of` layers in this one."""
        return round(layer * self.depth / of)

    def attention(self, l: int) -> nn.Module:
        """The module that calls the attention function."""
        for name in ("self_attn", "attention", "attn"):
            if isinstance(found := getattr(self.layers[l], name, None), nn.Module):
                return found
        raise broken(f"layer {l} of {type(self.module).__name__} has no attention where steering looks")

    @property
    def implementation(self) -> str:
        """Name of the tower's attention implementation."""
        return self.module.config._attn_implementation

    def require(self, method: str) -> None:
        """Raises UsageError where the attention of the tower cannot be exchanged."""
        if self.implementation not in ("sdpa", STEERED):
            raise UsageError(f"method={method} edits the vision tower's attention, which needs model.attention=sdpa")

    def read_at(self, view: View) -> str:
        """Which output of the tower the connector reads: a hidden state by its number, `last`; "" where it reads what
        is merged, or several layers."""
        at = getattr(view.model.config, "vision_feature_layer", None)
        if self.packed or isinstance(at, list):
            return ""
        return "last" if at is None or (at == -1 and self.kind == "internvl_vision") else str(at)

    @property
    def patch(self) -> tuple[int, int]:
        """Height and width of a patch, in pixels."""
        size = self.module.config.patch_size
        return (size, size) if isinstance(size, int) else (size[0], size[1])

    @property
    def side(self) -> tuple[int, int]:
        """Height and width of the grid that the tower was made for, in patches."""
        size = self.module.config.image_size
        height, width = (size, size) if isinstance(size, int) else size
        return height // self.patch[0], width // self.patch[1]

    @cached_property
    def weights(self) -> int:
        """Weights of the linear maps of one layer."""
        return sum(p.numel() for p in self.layers[0].parameters() if p.dim() == 2)

    def places(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Places:
        """Of the sequence (or of each row of the batch) in a call of the tower. Raises UsageError for crops with
        padding, and BrokenPromise where the call is not what steering knows."""
        if self.packed:
            grid = kwargs.get("grid_thw", args[1] if len(args) > 1 else None)
            if grid is None:
                raise broken("the vision tower is called without grid_thw")
            key: Any = tuple((t, h, w) for t, h, w in grid.tolist())
        else:
            pixels = kwargs.get("pixel_values", args[0] if args else None)
            if pixels is None:
                raise broken("the vision tower is called without pixel_values")
            mask = kwargs.get("patch_attention_mask")
            if mask is not None and not bool(mask.all()):
                raise UsageError("a method that acts in the vision tower needs crops without padding")
            key, grid = (pixels.shape[-2] // self.patch[0], pixels.shape[-1] // self.patch[1]), None
        if key not in self._kept:
            if len(self._kept) >= KEPT:
                self._kept.pop(next(iter(self._kept)))
            self._kept[key] = self._merged(key, grid) if grid is not None else single(key[0], key[1], self.before)
        return self._kept[key]

    def _merged(self, frames: Any, grid: Tensor) -> Places:
        return merged(frames, self.module.spatial_merge_size, compat.window_order(self.module, grid))

    def share(self, sample: Inputs) -> int:
        """What of a call is the sample's: tokens of a packed sequence, else rows of the batch."""
        if not sample.sees:
            return 0
        if self.packed:
            return int(sample.tensors["image_grid_thw"].prod(-1).sum())
        pixels = sample.tensors["pixel_values"]
        crops = pixels.reshape(-1, *pixels.shape[-3:])
        return len(crops) if pixels.dim() == 4 else int((crops != 0).flatten(1).any(-1).sum())  # the rest is padding


def residual(output: Any) -> Tensor:
    """States [b, n, d] in what a layer of a tower returns."""
    x = output if torch.is_tensor(output) else output[0]
    return x if x.dim() == 3 else x[None]

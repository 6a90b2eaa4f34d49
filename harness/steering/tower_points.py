"""Attaches a batch's methods to the vision tower: who sees whom, and the states between its layers.

The tower's attention is exchanged as the decoder's is (`harness.steering.attention`), so that no model file is copied.
Where no point changes anything the result is the stock kernel's, bit for bit.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from harness.steering.batch import Batch
from harness.steering.guard import broken
from harness.steering.method import Steering
from harness.steering.places import TOWER, Places
from harness.steering.returned import returned
from harness.steering.tower import TowerView, residual, tower_of
from harness.steering.visible import Look, Visible

NAME = "harness_tower"
"""Name of the attention that the tower has while methods edit it."""
_EDITS: dict[nn.Module, tuple[Pass, int, Sequence[Steering]]] = {}
"""Attention block of a tower -> the pass, its layer, and who edits it, while a run is attached."""


class Pass:
    """The calls of the tower in one batch."""

    def __init__(self, batch: Batch, tower: TowerView):
        self.batch, self.tower = batch, tower
        self.places: Places | None = None
        self.rows = self.calls = 0
        self.aside = False
        """Whether the tower is called for a plain pass."""
        self._done: dict[int, int] = {}
        self._keys: list[Tensor] = []
        self._dense: list[Tensor] = []
        self._width = self._plain = 0

    def enter(self, places: Places, rows: int) -> None:
        self.places, self.rows, self._done = places, rows, {}
        self.calls += 1
        self._keys.append(torch.zeros(rows, places.length))
        self._dense.append(torch.zeros(rows, places.length))

    def plain(self, pixels: Tensor) -> Sequence[Tensor]:
        """States of all layers, the embeddings left out, in a pass that no method sees."""
        self.aside = True
        try:
            found = self.tower.module(pixels, output_hidden_states=True, return_dict=True).hidden_states[1:]
        finally:
            self.aside = False
        self._plain += found[0].shape[1]
        return found

    def leave(self) -> None:
        """Raises BrokenPromise unless each layer's attention has read the whole sequence."""
        for l in range(self.tower.depth):
            if self.places is None or self._done.get(l, 0) != self.places.length:
                raise broken(f"attention of layer {l} of the vision tower did not read the whole sequence")

    def attend(
        self, l: int, methods: Sequence[Steering], q: Tensor, k: Tensor, v: Tensor, scale: float, stock: Callable
    ) -> Tensor:
        """Attention of one layer to one part of the sequence; `stock(q, k, v)` and the result are [b, n, H, D]."""
        if self.places is None or len(q) != self.rows:
            raise broken(f"attention of layer {l} of the vision tower got {len(q)} rows of {self.rows}")
        start, n = self._done.get(l, 0), q.shape[2]
        self._done[l], self._width = start + n, q.shape[1] * q.shape[3]
        part = self.batch.places = self.places.cut(start, start + n)
        visible: list[Visible] = []
        for method in methods if part is not None else ():
            if method.has("tower_qkv"):
                made = method.tower_qkv(l, q, k, v, self.batch)
                if made is not None:
                    q, k, v = (returned(method, "tower_qkv", x, like) for x, like in zip(made, (q, k, v), strict=True))
            if method.has("tower_visible") and (found := method.tower_visible(l, q, k, self.batch)) is not None:
                visible.append(found)
        edits = [m for m in methods if m.has("tower_logits", "tower_weights")] if part is not None else []
        self._count(start, n, visible)
        out = self._explicit(l, edits, q, k, v, scale, visible) if edits or len(visible) > 1 else None
        if out is None and not visible:
            return stock(q, k, v)
        if out is None:
            out = visible[0].attend(q, k, v, scale)
        return out.transpose(1, 2).contiguous()

    def _explicit(
        self, l: int, methods: Sequence[Steering], q: Tensor, k: Tensor, v: Tensor, scale: float, seen: list[Visible]
    ) -> Tensor | None:
        """With scores that methods see; None where none of them changes anything and one pattern at most is left."""
        scores, edited = q @ k.transpose(2, 3) * scale, len(seen) > 1
        for method in methods:
            if method.has("tower_logits") and (new := method.tower_logits(l, scores, self.batch)) is not None:
                scores, edited = returned(method, "tower_logits", new, scores), True
        if seen:
            mask = reduce(torch.logical_and, (s.mask for s in seen))
            scores = scores.masked_fill(~mask[:, None], torch.finfo(scores.dtype).min)
        weights = F.softmax(scores, dim=-1, dtype=torch.float32).to(q.dtype)
        for method in methods:
            if method.has("tower_weights") and (new := method.tower_weights(l, weights, self.batch)) is not None:
                weights, edited = returned(method, "tower_weights", new, weights), True
        return weights @ v if edited else None

    def _count(self, start: int, n: int, visible: list[Visible]) -> None:
        count = torch.full((1, n), float(n))
        if len(visible) == 1:
            count = visible[0].count
        elif visible:
            count = reduce(torch.logical_and, (s.mask for s in visible)).sum(-1)
        self._keys[-1][:, start : start + n] += count.cpu()
        self._dense[-1][:, start : start + n] += n

    def looks(self) -> list[Look | None]:
        """Of each of the batch's samples; None for one without a picture."""
        keys, dense = (torch.cat([x.flatten(0, 1) for x in sums]) for sums in (self._keys, self._dense))
        each = 1 if self.tower.packed else self._keys[0].shape[1]  # tokens of a share
        shares = [self.tower.share(s) * each for s in self.batch.inputs]
        if sum(shares) != len(keys):
            raise broken(f"the vision tower read {len(keys)} tokens where the pictures have {sum(shares)}")
        found: list[Look | None] = []
        parts = zip(keys.split(shares), dense.split(shares), strict=True)
        for own, whole in list(parts)[: len(self.batch.samples)]:
            depth, tokens, aside = self.tower.depth, len(own), self._plain * (len(own) // each)
            seen_in_all = float(own.double().sum()) + depth * aside * self._plain
            work = 2 * self.tower.weights * depth * (tokens + aside) + 4 * self._width * seen_in_all
            seen, all_ = (float(x.double().mean()) / depth for x in (own, whole))
            found.append(Look(seen, all_, work / 1e9) if tokens else None)
        return found


def attach(batch: Batch, methods: Sequence[Steering], stack: contextlib.ExitStack) -> Pass | None:
    """Hook the tower for the methods that act in it; None where none does."""
    acting = [m for m in methods if m.has(*TOWER) and m.tower_layers(batch.view)]
    if not acting or not batch.shows:
        return None
    tower = tower_of(batch.view, acting[0].name)
    run, before = Pass(batch, tower), tower.implementation
    batch.aside = run.plain
    keep = lambda handle: stack.callback(handle.remove)  # noqa: E731
    for l in range(tower.depth):
        here = [m for m in acting if l in m.tower_layers(batch.view)]
        _EDITS[tower.attention(l)] = (run, l, here)
        stack.callback(_EDITS.pop, tower.attention(l), None)
        if edits := [m for m in here if m.has("tower_residual")]:
            keep(tower.layers[l].register_forward_hook(_states(run, l, edits), prepend=True))
    keep(tower.module.register_forward_pre_hook(_enter(run), with_kwargs=True))
    keep(tower.module.register_forward_hook(_leave(run, [m for m in acting if m.has("tower_output")])))
    stack.callback(tower.module.set_attn_implementation, before)
    tower.module.set_attn_implementation(NAME)
    if tower.implementation != NAME:
        raise broken("the vision tower's attention could not be exchanged")
    return run


def _enter(run: Pass) -> Callable[..., Any]:
    """Pre-hook on the tower: where its tokens lie; a picture of another size gets its positions interpolated."""
    tower = run.tower
    resizes = "interpolate_pos_encoding" in inspect.signature(tower.module.forward).parameters

    def hook(_module: Any, args: Any, kwargs: Any) -> Any:
        if run.aside:
            return None
        places = tower.places(args, kwargs)
        pixels = run.batch.pixels = kwargs.get("pixel_values", args[0] if args else kwargs.get("hidden_states"))
        run.enter(places, 1 if tower.packed or pixels is None else len(pixels))
        if resizes and places.sizes[0] != tower.side:
            return args, {**kwargs, "interpolate_pos_encoding": True}
        return None

    return hook


def _states(run: Pass, l: int, methods: Sequence[Steering]) -> Callable[..., Any]:
    """Forward hook on a layer, before those by which transformers records hidden states."""

    def hook(_module: Any, _args: Any, output: Any) -> Any:
        if run.aside:
            return None
        x, edited = residual(output), False
        if run.places is None or x.shape[:2] != (run.rows, run.places.length):
            raise broken(f"layer {l} of the vision tower gave states of shape {tuple(x.shape)}")
        run.batch.places = run.places
        for method in methods:
            if (new := method.tower_residual(l, x, run.batch)) is not None:
                x, edited = returned(method, "tower_residual", new, x), True
        if not edited:
            return None
        plain = output if torch.is_tensor(output) else output[0]
        x = x.reshape(*plain.shape[:-2], *x.shape[-2:])
        return x if torch.is_tensor(output) else (x, *output[1:])

    return hook


def _leave(run: Pass, methods: Sequence[Steering]) -> Callable[..., Any]:
    def hook(_module: Any, _args: Any, output: Any) -> None:
        if run.aside:
            return
        run.leave()
        at = run.tower.read_at(run.batch.view)
        run.batch.places = run.places
        for method in methods:
            recorded: list[Tensor] = list(getattr(output, "hidden_states", None) or ())
            if at != "last" and not recorded:
                raise broken("the vision tower does not return its hidden_states")
            states = output.last_hidden_state if at == "last" else recorded[int(at)]
            if (new := method.tower_output(states, run.batch)) is None:
                continue
            if at == "last":
                output.last_hidden_state = returned(method, "tower_output", new, states, free=1)
            else:
                recorded[int(at)] = returned(method, "tower_output", new, states, free=1)
                output.hidden_states = tuple(recorded)

    return hook


def tower_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[Tensor, Tensor | None]:
    """Attention of query [b, H, n, D] over key and value of the same shape; output [b, n, H, D]."""

    def stock(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return sdpa_attention_forward(module, q, k, v, attention_mask, scaling=scaling, **kwargs)[0]

    if module not in _EDITS or _EDITS[module][0].aside:
        return stock(query, key, value), None
    if attention_mask is not None:
        raise broken("the vision tower masks keys by itself")
    run, layer, methods = _EDITS[module]
    scale = scaling if scaling is not None else query.shape[-1] ** -0.5
    return run.attend(layer, methods, query, key, value, scale, stock), None


AttentionInterface.register(NAME, tower_attention)
AttentionMaskInterface.register(NAME, sdpa_mask)

"""Attaches a run's methods to a model and takes every trace of them away again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from harness.steering import attention
from harness.steering.anatomy import STEERED, View
from harness.steering.compat import cache_in
from harness.steering.method import ATTENTION, Steering
from harness.steering.run import Run


@contextlib.contextmanager
def attached(run: Run) -> Iterator[None]:
    """While open, the run's methods edit the model. Restores the model on exit, also after an exception."""
    view, methods = run.view, run.methods
    if not methods:
        yield
        return
    view.require(methods)
    watched, before = [], view.implementation
    with contextlib.ExitStack() as stack:
        keep = lambda handle: stack.callback(handle.remove)  # noqa: E731
        keep(view.decoder.register_forward_pre_hook(_count(run), with_kwargs=True))
        for l in range(view.depth):
            layer, here = view.layers[l], [m for m in methods if l in m.layers(view)]
            for point, part in (("attention_output", view.attention_output), ("mlp", view.mlp), ("residual", None)):
                if edits := [_edit(run, m, point, l) for m in here if m.has(point)]:
                    module = part(l) if part else layer
                    keep(module.register_forward_hook(_after(edits)))
            if edits := [_edit(run, m, "heads", l) for m in here if m.has("heads")]:
                keep(view.projection(l).register_forward_pre_hook(_before(edits, view.n_heads)))
            if any(l in m.reads(view) for m in methods):
                keep(layer.register_forward_hook(_read(run, l)))
            if l == 0 and any(-1 in m.reads(view) for m in methods):
                keep(layer.register_forward_pre_hook(_read_embeddings(run), with_kwargs=True))
            if edits := [m for m in here if m.has(*ATTENTION)]:
                watched.append(view.attention(l))
                stack.callback(attention.unwatch, watched[-1])
                attention.watch(run, watched[-1], l, edits)
        if pictures := [m for m in methods if m.has("picture")]:
            tower = getattr(view.model.base_model, "vision_tower", None)
            if tower is not None:
                keep(tower.register_forward_hook(_pictures(pictures, view), with_kwargs=True))
        if watched:
            stack.callback(view.decoder.set_attn_implementation, before)
            view.decoder.set_attn_implementation(STEERED)
        yield


Edit = Callable[[Tensor], Tensor | None]


def _edit(run: Run, method: Steering, point: str, l: int) -> Edit:
    """The method's point as a function of all rows, of which it sees its own."""
    call, own = getattr(method, point), run.rows(method.scope)

    def edit(x: Tensor) -> Tensor | None:
        mine = x[own]
        new = call(l, mine, run)
        if new is None:
            return None
        new = new.to(x.dtype)
        return new if len(mine) == len(x) else torch.cat([new, x[len(mine) :]])

    return edit


def _chain(x: Tensor, edits: list[Edit]) -> Tensor:
    for edit in edits:
        new = edit(x)
        x = x if new is None else new
    return x


def _after(edits: list[Edit]) -> Callable[..., Any]:
    """Forward hook on a module that returns a tensor, or a tuple that begins with one."""

    def hook(_module: Any, _args: Any, output: Any) -> Any:
        if torch.is_tensor(output):
            return _chain(output, edits)
        return (_chain(output[0], edits), *output[1:])

    return hook


def _before(edits: list[Edit], n_heads: int) -> Callable[..., Any]:
    """Forward pre-hook on the output projection, whose input holds the heads side by side."""

    def hook(_module: Any, args: Any) -> Any:
        x = args[0].unflatten(-1, (n_heads, -1))
        new = _chain(x, edits)
        return None if new is x else (new.flatten(-2), *args[1:])

    return hook


def _read(run: Run, l: int) -> Callable[..., None]:
    def hook(_module: Any, _args: Any, output: Any) -> None:
        run.hidden[l] = (output if torch.is_tensor(output) else output[0])[:, -1]

    return hook


def _pictures(methods: Sequence[Steering], view: View) -> Callable[..., None]:
    """Hook on the vision tower: puts the method's states in the place of those that the connector reads."""

    def hook(_module: Any, args: Any, kwargs: Any, output: Any) -> None:
        pixels = args[0] if args else kwargs["pixel_values"]
        for method in methods:
            states = method.picture(pixels, view)
            if states is not None:
                layers = list(output.hidden_states)
                layers[view.model.config.vision_feature_layer] = states
                output.hidden_states = tuple(layers)

    return hook


def _read_embeddings(run: Run) -> Callable[..., None]:
    def hook(_module: Any, args: Any, kwargs: Any) -> None:
        run.hidden[-1] = (args[0] if args else kwargs["hidden_states"])[:, -1]

    return hook


def _count(run: Run) -> Callable[..., None]:
    """Pre-hook on the decoder: how long this pass is, and the sequence so far."""

    def hook(_module: Any, args: Any, kwargs: Any) -> None:
        x = kwargs.get("inputs_embeds")
        x = x if x is not None else kwargs.get("input_ids", args[0] if args else None)
        past = cache_in(kwargs)
        run.query = x.shape[1]
        run.total = run.query + (past.get_seq_length() if past is not None else 0)

    return hook

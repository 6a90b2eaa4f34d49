"""Attaches a batch's methods to a model and takes every trace of them away again."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from harness.steering import attention, tower_points
from harness.steering.batch import Batch
from harness.steering.compat import cache_in
from harness.steering.guard import Guard, Point, broken
from harness.steering.method import ATTENTION, Steering
from harness.steering.requirements import require
from harness.steering.returned import returned
from harness.steering.view import STEERED, View


@contextlib.contextmanager
def attached(batch: Batch) -> Iterator[None]:
    """While open, the run's methods edit the model. Restores the model on exit, also after an exception.

    Raises BrokenPromise at the end where transformers did not do what this relies on (`harness.steering.guard`).
    """
    view, methods, guard = batch.view, batch.methods, batch.guard
    if not methods:
        yield
        return
    require(view, methods)
    watched, before = [], view.implementation
    with contextlib.ExitStack() as stack:
        keep = lambda handle: stack.callback(handle.remove)  # noqa: E731
        keep(view.decoder.register_forward_pre_hook(_count(batch), with_kwargs=True))
        for l in range(view.depth):
            layer, here = view.layers[l], [m for m in methods if l in m.layers(view)]
            for point, part in (("attention_output", view.attention_output), ("mlp", view.mlp), ("residual", None)):
                if point == "mlp" and not view.has_mlp(l):
                    continue
                if edits := [_edit(batch, m, point, l) for m in here if m.has(point)]:
                    module = part(l) if part else layer
                    keep(module.register_forward_hook(_after(guard, guard.point(f"{point} of layer {l}"), edits)))
            if edits := [_edit(batch, m, "heads", l) for m in here if m.has("heads")]:
                seen = guard.point(f"heads of layer {l}")
                keep(view.projection(l).register_forward_pre_hook(_before(guard, seen, edits, view.n_heads)))
            for point, module in (("layer_input", lambda _, layer=layer: layer), ("attention_input", view.attention)):
                if edits := [_edit(batch, m, point, l) for m in here if m.has(point)]:
                    hook = _entering(guard, guard.point(f"{point} of layer {l}"), edits)
                    keep(module(l).register_forward_pre_hook(hook, with_kwargs=True))
            if any(l in m.reads(view) for m in methods):
                keep(layer.register_forward_hook(_read(batch, guard.point(f"output of layer {l}"), l)))
            if l == 0 and any(-1 in m.reads(view) for m in methods):
                seen = guard.point("input of layer 0")
                keep(layer.register_forward_pre_hook(_read_embeddings(batch, seen), with_kwargs=True))
            if edits := [m for m in here if m.has(*ATTENTION)]:
                watched.append(view.attention(l))
                stack.callback(attention.unwatch, watched[-1])
                attention.watch(batch, watched[-1], l, edits, guard.point(f"attention of layer {l}"))
        looking = tower_points.attach(batch, methods, stack)
        pictures = [m for m in methods if m.has("picture")]
        shown = _show(batch, pictures, keep) if pictures else None
        if watched:
            stack.callback(view.decoder.set_attn_implementation, before)
            view.decoder.set_attn_implementation(STEERED)
            if view.implementation != STEERED:
                raise broken("the decoder's attention could not be exchanged")
        yield
        guard.settle()
        if looking:
            if not looking.calls:
                raise broken("the vision tower was not called for pictures")
            batch.looks = looking.looks()
        if shown and batch.shows and not shown.fired:
            raise broken("the hook on the vision tower never fired")


def _show(batch: Batch, methods: Sequence[Steering], keep: Callable[[Any], Any]) -> Point | None:
    """Hook the vision tower, which is called for the pictures of a batch; None where the model has none of that name
    (methods refuse such a model themselves)."""
    tower = getattr(batch.view.model.base_model, "vision_tower", None)
    if tower is None:
        return None
    point = Point("output of the vision tower")
    keep(tower.register_forward_hook(_pictures(point, methods, batch.view), with_kwargs=True))
    return point


Edit = Callable[[Tensor], Tensor | None]


def _edit(batch: Batch, method: Steering, point: str, l: int) -> Edit:
    """The method's point as a function of all rows, of which it sees its own."""
    call, own = getattr(method, point), batch.rows(method.scope)

    def edit(x: Tensor) -> Tensor | None:
        mine = x[own]
        new = call(l, mine, batch)
        if new is None:
            return None
        new = returned(method, point, new, mine)
        return new if len(mine) == len(x) else torch.cat([new, x[len(mine) :]])

    return edit


def _chain(x: Tensor, edits: list[Edit]) -> Tensor:
    for edit in edits:
        new = edit(x)
        x = x if new is None else new
    return x


def _after(guard: Guard, point: Point, edits: list[Edit]) -> Callable[..., Any]:
    """Forward hook on a module that returns a tensor, or a tuple that begins with one."""

    def hook(_module: Any, _args: Any, output: Any) -> Any:
        x = output if torch.is_tensor(output) else output[0]
        guard.saw(point, x)
        x = _chain(x, edits)
        return x if torch.is_tensor(output) else (x, *output[1:])

    return hook


def _before(guard: Guard, point: Point, edits: list[Edit], n_heads: int) -> Callable[..., Any]:
    """Forward pre-hook on the output projection, whose input holds the heads side by side."""

    def hook(_module: Any, args: Any) -> Any:
        guard.saw(point, args[0])
        x = args[0].unflatten(-1, (n_heads, -1))
        new = _chain(x, edits)
        return None if new is x else (new.flatten(-2), *args[1:])

    return hook


def _entering(guard: Guard, point: Point, edits: list[Edit]) -> Callable[..., Any]:
    """Forward pre-hook on a layer or its attention block, which are called with their states by place or by name."""

    def hook(_module: Any, args: Any, kwargs: Any) -> Any:
        x = args[0] if args else kwargs.get("hidden_states")
        if x is None:
            raise broken(f"{point.name}: called without hidden_states")
        guard.saw(point, x)
        new = _chain(x, edits)
        return ((new, *args[1:]), kwargs) if args else (args, {**kwargs, "hidden_states": new})

    return hook


def _read(batch: Batch, point: Point, l: int) -> Callable[..., None]:
    def hook(_module: Any, _args: Any, output: Any) -> None:
        x = output if torch.is_tensor(output) else output[0]
        batch.guard.saw(point, x)
        batch.hidden[l] = x[:, -1]

    return hook


def _pictures(point: Point, methods: Sequence[Steering], view: View) -> Callable[..., None]:
    """Hook on the vision tower: puts the method's states in the place of those that the connector reads."""

    def hook(_module: Any, args: Any, kwargs: Any, output: Any) -> None:
        pixels = args[0] if args else kwargs.get("pixel_values")
        if pixels is None:
            raise broken("the vision tower is called without pixel_values")
        point.fired += 1
        for method in methods:
            states = method.picture(pixels, view)
            if states is not None:
                if getattr(output, "hidden_states", None) is None:
                    raise broken("the vision tower does not return its hidden_states")
                layers = list(output.hidden_states)
                layers[view.model.config.vision_feature_layer] = states
                output.hidden_states = tuple(layers)

    return hook


def _read_embeddings(batch: Batch, point: Point) -> Callable[..., None]:
    def hook(_module: Any, args: Any, kwargs: Any) -> None:
        x = args[0] if args else kwargs.get("hidden_states")
        if x is None:
            raise broken("layer 0 is called without hidden_states")
        batch.guard.saw(point, x)
        batch.hidden[-1] = x[:, -1]

    return hook


def _count(batch: Batch) -> Callable[..., None]:
    """Pre-hook on the decoder: how long this pass is, and the sequence so far."""

    def hook(_module: Any, args: Any, kwargs: Any) -> None:
        x = kwargs.get("inputs_embeds")
        x = x if x is not None else kwargs.get("input_ids", args[0] if args else None)
        if x is None:
            raise broken("the decoder is called without input_ids and inputs_embeds")
        past = cache_in(kwargs)
        batch.query = x.shape[1]
        batch.total = batch.query + (past.get_seq_length() if past is not None else 0)
        batch.guard.enter(len(x), batch.query, batch.total)

    return hook

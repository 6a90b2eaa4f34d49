"""Passes that begin midway: where many of them differ from some layer on only, the layers before it are computed once.

A pass that begins midway reads whole prompts and ends with them: the layers that are passed over leave nothing in the
cache, from which a token could be decoded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from torch import Tensor

from harness.steering.guard import broken
from harness.steering.view import View


@contextlib.contextmanager
def kept(view: View, l: int) -> Iterator[list[Any]]:
    """While open, what layer l returns in each pass is kept in the list."""
    outputs: list[Any] = []
    handle = view.layers[l].register_forward_hook(lambda _module, _args, output: outputs.append(output))
    try:
        yield outputs
    finally:
        handle.remove()


@contextlib.contextmanager
def following(view: View, l: int, output: Any) -> Iterator[None]:
    """While open, a pass over the same rows begins behind layer l.

    Args:
        output: What layer l returned (`kept`): states [rows, t, d], or a tuple that begins with them.

    Raises BrokenPromise where a pass has other rows, or a layer is called without its states.
    """
    tuples = isinstance(output, tuple)
    states: Tensor = output[0] if tuples else output

    def passed(x: Tensor) -> Any:
        return (x,) if tuples else x

    def instead(x: Tensor) -> Any:
        if x.shape != states.shape:
            raise broken(f"layer {l} got states of shape {tuple(x.shape)} where {tuple(states.shape)} were kept")
        return output

    with contextlib.ExitStack() as stack:
        for number in range(l + 1):
            stack.enter_context(_replaced(view.layers[number], instead if number == l else passed))
        yield


@contextlib.contextmanager
def _replaced(layer: Any, by: Any) -> Iterator[None]:
    """While open, a layer returns what `by` makes of its states."""
    own = vars(layer).get("forward")

    def forward(*args: Any, **kwargs: Any) -> Any:
        x = args[0] if args else kwargs.get("hidden_states")
        if x is None:
            raise broken("a layer was called without hidden_states")
        return by(x)

    layer.forward = forward
    try:
        yield
    finally:
        if own is None:
            del layer.forward
        else:
            layer.forward = own

"""What methods need of a model, checked before they are attached."""

from __future__ import annotations

from collections.abc import Sequence

from harness.core.errors import UsageError
from harness.steering.blocks import BLOCKS
from harness.steering.method import ATTENTION, Steering
from harness.steering.places import TOWER
from harness.steering.tower import tower_of
from harness.steering.view import STEERED, View


def require(view: View, methods: Sequence[Steering]) -> None:
    """Refuse methods that need parts which this model lacks. Raises UsageError."""
    for method in methods:
        for l in method.layers(view):
            if method.has("mlp") and method.kind != "probe":  # a probe looks at an MLP where there is one
                view.mlp(l)
            if method.has("attention_output", "attention_input", *ATTENTION):
                view.attention(l)
            if method.has("heads"):
                view.projection(l)
        if method.has(*ATTENTION):
            _require_attention(view, method)
        if method.drops:
            _require_dropping(view, method, methods)
        if method.has(*TOWER) and method.tower_layers(view):
            _require_tower(view, method, methods)


def _require_attention(view: View, method: Steering) -> None:
    name = type(view.model).__name__
    if getattr(view.decoder.config, "attn_logit_softcapping", None):
        raise UsageError(f"method={method.name} edits attention, but {name} caps its attention scores: not supported")
    if any(hasattr(view.attention(l), "sinks") for l in method.layers(view)):
        raise UsageError(f"method={method.name} edits attention, but {name} has attention sinks: not supported")
    if view.implementation not in ("sdpa", BLOCKS, STEERED):
        raise UsageError(f"method={method.name} edits attention, which needs model.attention=sdpa")


def _require_tower(view: View, method: Steering, methods: Sequence[Steering]) -> None:
    """Pictures that another method computes by itself would be computed without this one."""
    tower = tower_of(view, method.name)
    tower.require(method.name)
    if method.has("tower_output") and not tower.read_at(view):
        raise UsageError(
            f"method={method.name} needs a connector that reads one layer of the vision tower, as LLaVA's: "
            f"{type(view.model).__name__} has none"
        )
    if other := next((m for m in methods if m is not method and m.has("picture")), None):
        raise UsageError(
            f"method={method.name} acts in the vision tower, which method={other.name} walks through by itself: choose "
            "one of them"
        )


def _require_dropping(view: View, method: Steering, methods: Sequence[Steering]) -> None:
    """Positions of the cache are gone for all who look at them, and contrast streams would keep theirs."""
    other = next((m for m in methods if m is not method and (m.contrasts or m.has(*ATTENTION))), None)
    if other:
        raise UsageError(
            f"method.{method.name}.cache=evict cannot run beside method={other.name}, which reads attention or runs "
            f"another stream: give method.{method.name}.cache=mask"
        )
    if view.window is not None:
        raise UsageError(
            f"method.{method.name}.cache=evict: {type(view.model).__name__} drops entries by itself (sliding window): "
            f"give method.{method.name}.cache=mask"
        )

"""What a method's class declares, checked before a run: a slip here would make it act nowhere, or not as it says."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from harness.core.errors import UsageError, near
from harness.steering.method import ATTENTION, Steering
from harness.steering.places import TOWER
from harness.steering.view import View

POINTS = (
    *("residual", "mlp", "attention_output", "heads", *ATTENTION, "layer_input", "attention_input"),
    *("logits", "picked", "decode", "rewrite", "contrast", "picture", *TOWER),
)
"""Where a method can act."""
KNOWN = {"prefix": ("plain", "with", "none"), "scope": ("main", "all")}
FLAGS = ("batch", "sampling", "beams", "drops", "reads_question", "reads_marks", "reads_pair")
NAMES = ("by_column", "conflicts", "calibrated_by")


def declared(view: View, method: Steering) -> None:
    """Raises UsageError for what cannot be meant."""
    for name, known in KNOWN.items():
        if (value := getattr(method, name)) not in known:
            raise _wrong(method, name, value, f"choose one of {', '.join(known)}")
    for name in FLAGS:
        if not isinstance(value := getattr(method, name), int):  # OPERA's `beams` is its number of them
            raise _wrong(method, name, value, "give True or False")
    for name in NAMES:
        if not _is_names(value := getattr(method, name)):
            raise _wrong(method, name, value, f'give a tuple of names, such as ("{value or "name"}",)')
    if not isinstance(method.refills, bool) and not _is_names(method.refills):
        raise _wrong(method, "refills", method.refills, "give True, False or a tuple of names")
    rows: Any = method.attention_rows
    if rows != "all" and (type(rows) is not int or rows < 1):
        raise _wrong(method, "attention_rows", rows, 'give "all" or a number of rows from 1 on')
    if method.kind == "steering" and not method.has(*POINTS):
        raise UsageError(f"method={method.name} acts nowhere: {_unpointed(method)}")
    _layers(view, method, "layers", method.layers(view), 0)
    _layers(view, method, "reads", method.reads(view), -1)
    sees = method.has("picture") or (method.has(*TOWER) and method.tower_layers(view))
    if sees and method.prefix == "plain" and method.kind == "steering":
        raise UsageError(
            f'method={method.name} acts on pictures, and prefix = "plain" has shared ones encoded without it: declare '
            'prefix = "with"'
        )
    if method.drops and not (method.has("stays") and method.has(*ATTENTION) and method.prefix == "none"):
        raise UsageError(
            f"method={method.name} drops entries of the cache, for which it must override `stays` and one of "
            f'{" and ".join(ATTENTION)}, and declare prefix = "none"'
        )


def _wrong(method: Steering, name: str, value: Any, fix: str) -> UsageError:
    return UsageError(f"method={method.name} declares {name} = {value!r}: {fix}")


def _is_names(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(name, str) for name in value)


def _unpointed(method: Steering) -> str:
    own = {name for kind in type(method).__mro__ if kind not in Steering.__mro__ for name in vars(kind)}
    for name in sorted(own - set(dir(Steering))):
        if not name.startswith("_") and (found := near(name, POINTS, 0.75)):
            return f"`{name}` is no point that the model calls, {found}"
    return f"override one of the points {', '.join(POINTS[:6])} ... (docs/add-a-method.md lists them)"


def _layers(view: View, method: Steering, name: str, found: Any, first: int) -> None:
    layers = list(found) if isinstance(found, Iterable) else [found]
    if not isinstance(found, Iterable) or not all(type(l) is int for l in layers):
        raise UsageError(f"method={method.name}: `{name}` must return a list of layers, counted from 0, not {found!r}")
    if outside := [l for l in layers if not first <= l < view.depth]:
        raise UsageError(
            f"method={method.name}: `{name}` names layer {outside[0]}, and the decoder of this model has {view.depth}, "
            "counted from 0: choose from those"
        )

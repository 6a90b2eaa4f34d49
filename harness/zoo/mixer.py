"""What every mixer keeps to, and how one is found by its name."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from typing import Any

import torch
from torch import Tensor, nn

from harness.core.errors import UsageError, first_line, nearest

BUILT_IN = "harness.zoo.mixers"


class Mixer(nn.Module):
    """x [B, T, D] -> [B, T, D]; what comes out at position t depends on positions up to t alone.

    `__init__` takes the width D and options with defaults; `layer` (from 0) and `layers` are given to those that ask.
    """

    def forward(self, x: Tensor) -> Tensor:
        """All positions at once. Where only `step` is written, position by position."""
        return self.scan(x)

    def start(self, batch: int) -> Any:
        """The state before the first position: a tensor, or a tuple of them."""
        raise NotImplementedError(f"{type(self).__name__} has no recurrent form")

    def step(self, x: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One position x [B, D]: its output [B, D], and the state after it."""
        raise NotImplementedError(f"{type(self).__name__} has no recurrent form")

    def state_bytes(self, length: int) -> int:
        """Bytes of one sequence's state in float32 after `length` positions: what must be kept to read on."""
        with torch.no_grad():
            state = self.start(1)
            for _ in range(length):
                state = self.step(torch.zeros(1, self.width, dtype=next(self.parameters()).dtype), state)[1]
        return size(state)

    def penalty(self) -> Tensor | float:
        """What the last forward pass in training adds to the loss."""
        return 0.0

    def scan(self, x: Tensor) -> Tensor:
        """Position by position: what every parallel form must equal."""
        state, out = self.start(len(x)), []
        for t in range(x.shape[1]):
            y, state = self.step(x[:, t], state)
            out.append(y)
        return torch.stack(out, 1)

    @property
    def recurrent(self) -> bool:
        """Whether there is a recurrent form."""
        return type(self).step is not Mixer.step

    width: int


def size(state: Any) -> int:
    """Bytes of the tensors in a state, in float32."""
    if isinstance(state, Tensor):
        return 4 * state.numel()
    return sum(map(size, state)) if isinstance(state, tuple | list) else 0


def module_of(name: str) -> str:
    """The module that holds the mixer of that name: one of ours, or `name` itself on the path (`plugins=[DIR]`).

    Raises UsageError with the nearest names.
    """
    if name.isidentifier() and not name.startswith("_"):
        for module in (f"{BUILT_IN}.{name}", name):
            if importlib.util.find_spec(module) is not None:
                return module
    raise UsageError(f"unknown mixer: {name}: {nearest(name, known())}")


def known() -> list[str]:
    """Names of the mixers that come with harness."""
    from pathlib import Path

    return sorted(p.stem for p in (Path(__file__).parent / "mixers").glob("[a-z]*.py"))


def find(name: str) -> type[Mixer]:
    """The class of a mixer: the one subclass of Mixer that its module defines. Raises UsageError."""
    module = module_of(name)
    try:
        loaded = importlib.import_module(module)
    except Exception as e:  # a file of a user's own may raise anything
        raise UsageError(f"mixer {name}: {module} cannot be imported: {first_line(e)}") from e
    own = [c for c in vars(loaded).values() if isinstance(c, type) and issubclass(c, Mixer) and c.__module__ == module]
    if len(own) != 1:
        raise UsageError(f"mixer {name}: {module} defines {len(own)} subclasses of Mixer: it must define one")
    return own[0]


def make(name: str, width: int, options: dict[str, Any], layer: int, layers: int) -> Mixer:
    """A mixer for one block.

    Args:
        name: Of a file in `harness/zoo/mixers/`, or in a folder of `plugins=`.
        width: D.
        options: What its class takes beside the width.
        layer, layers: Which block it is for, from 0, and of how many.

    Raises:
        UsageError: the mixer does not take an option, or refuses a value.
    """
    cls = find(name)
    takes = inspect.signature(cls).parameters
    for key in options:
        if key not in takes or key in ("width", "layer", "layers"):
            own = [k for k in takes if k not in ("width", "layer", "layers")]
            raise UsageError(f"unknown option of mixer {name}: {key}: {nearest(key, own) if own else 'it has none'}")
    place = {k: v for k, v in {"layer": layer, "layers": layers}.items() if k in takes}
    try:
        mixer = cls(width, **options, **place)
    except (TypeError, ValueError) as e:
        raise UsageError(f"mixer {name} refuses its options: {first_line(e)}") from e
    mixer.width = width
    return mixer

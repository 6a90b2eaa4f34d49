"""Steps of decoding recorded as a CUDA graph: the decoder's pass over one token a row, replayed instead of launched.

A step of a small batch takes a GPU a few milliseconds, and Python tens of them to launch its kernels one by one. A
recording reads and writes tensors at fixed addresses: keys and values with a fixed number of columns, of which a mask
hides those that are not filled. It serves later batches of as many rows and columns.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

from harness.steering.compat import cache_in, with_cache
from harness.steering.roomy import RoomyLayer

if TYPE_CHECKING:
    from harness.steering.batch import Batch

COLUMNS = 256
"""Recordings hold a multiple of so many tokens, so that batches of like lengths share one."""
FIRST = 3
"""Steps of each batch that are launched as ever: short answers end there, and a recording takes as long as some ten."""
SHARE = 0.2
"""Of the free memory, what the keys and values of a recording may take."""
KEPT = 4
"""Recordings that are kept."""


class _Slots(DynamicLayer):
    """Keys and values [rows, heads, columns, size] at fixed addresses; a step writes into column `at` [1]."""

    keys: Any
    values: Any

    def __init__(self, keys: Tensor, values: Tensor, at: Tensor):
        super().__init__()
        self.keys, self.values, self.at, self.is_initialized = keys, values, at, True

    def update(self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any) -> tuple[Tensor, Tensor]:
        self.keys.index_copy_(2, self.at, key_states)
        self.values.index_copy_(2, self.at, value_states)
        return self.keys, self.values


class Recording:
    """One step for so many rows and columns. On a CPU it computes each step again, for tests."""

    def __init__(self, step: Callable[..., Any], given: dict[str, Any], layers: list[Any], columns: int):
        name, tokens = _tokens(given)
        self.columns, self.name = columns, name
        self.tokens, self.positions = tokens.clone(), given["position_ids"].clone()
        rows, device = len(tokens), tokens.device
        self.mask = torch.zeros(rows, 1, 1, columns, dtype=torch.bool, device=device)
        self.at = torch.zeros(1, dtype=torch.long, device=device)
        cache: Any = DynamicCache()
        cache.layer_class_to_replicate = None
        cache.layers = [_Slots(_wide(l.keys, columns), _wide(l.values, columns), self.at) for l in layers]
        self.slots: list[Any] = cache.layers
        fixed = {name: self.tokens, "position_ids": self.positions, "attention_mask": self.mask}
        fixed |= _other(given) | with_cache(cache)
        self._step = lambda: step(**fixed).last_hidden_state
        self._graph: Any = None
        self._out: Any = None

    def fits(self, name: str, tokens: Tensor, positions: Tensor, columns: int) -> bool:
        """Whether a batch of these tokens with so many columns can use it. Not one with fewer: in half precision the
        number of columns moves the last bits, and whether a longer batch came before must not."""
        same = tokens.shape == self.tokens.shape and tokens.dtype == self.tokens.dtype
        return name == self.name and same and positions.shape == self.positions.shape and columns == self.columns

    def adopt(self, layers: list[Any]) -> None:
        """Take over what a cache holds. What follows it is hidden, and finite."""
        for slot, layer in zip(self.slots, layers, strict=True):
            for mine, its in ((slot.keys, layer.keys), (slot.values, layer.values)):
                mine[:, :, : its.shape[2]] = its

    def play(self, tokens: Tensor, positions: Tensor, mask: Tensor | None, layers: list[Any]) -> Tensor:
        """States [rows, 1, d] of the next token, whose keys and values are then in the cache as well. `mask` [rows,
        columns filled, the new one included]: 0 where there is padding; None without any."""
        end = layers[0].keys.shape[2] + 1
        self.tokens.copy_(tokens)
        self.positions.copy_(positions)
        self.mask[:, 0, 0, :end] = True if mask is None else mask.bool()
        self.mask[:, :, :, end:] = False
        self.at.fill_(end - 1)
        out = self._replayed() if tokens.is_cuda else self._step()
        for slot, layer in zip(self.slots, layers, strict=True):
            layer.keys, layer.values = slot.keys[:, :, :end], slot.values[:, :, :end]
        return out

    def _replayed(self) -> Tensor:
        if self._graph is None:
            aside = torch.cuda.Stream()
            aside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(aside):
                self._step()  # libraries allocate what they need
            torch.cuda.current_stream().wait_stream(aside)
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph):
                self._out = self._step()
            self._graph = graph
        self._graph.replay()
        return self._out.clone()


class Recordings:
    """Those of one model."""

    def __init__(self, first: int = FIRST, everywhere: bool = False):
        self.first, self.everywhere, self.refused = first, everywhere, False
        """`everywhere`: on a CPU as well, where nothing is recorded."""
        self.made: list[Recording] = []
        self.played = 0
        """Steps that were replayed."""

    def serves(self, batch: Batch, cache: Any) -> bool:
        """Whether the batch's steps are the plain model's, with a cache that can be exchanged."""
        view = batch.view
        layers = cache.layers if isinstance(cache, DynamicCache) else []
        return (
            not self.refused
            and not batch.methods
            and batch.beams == 1
            and (self.everywhere or view.device.type == "cuda")
            and len(layers) > 0
            and all(type(layer) is RoomyLayer for layer in layers)
            and view.implementation == "sdpa"
            and len({p.device for p in view.decoder.parameters()}) == 1
        )

    @contextlib.contextmanager
    def playing(self, batch: Batch, cache: Any, end: int) -> Iterator[None]:
        """While open, the decoder's passes over one token are replayed; `end`: columns of the longest answer. The cache
        is of no use after it."""
        decoder, stock = batch.view.decoder, batch.view.decoder.forward
        own = decoder.__dict__.get("forward")
        run = _Run(cache, stock, -(-end // COLUMNS) * COLUMNS)

        def step(*args: Any, **given: Any) -> Any:
            if not args and _plain(given) and cache_in(given) is cache and (out := self._step(run, given)) is not None:
                assert run.like
                return run.like(last_hidden_state=out)
            made = stock(*args, **given)
            run.like = partial(type(made), **{k: v for k, v in made.items() if k != "last_hidden_state"})
            return made

        decoder.forward = step
        try:
            yield
        finally:
            if own is None:
                del decoder.__dict__["forward"]
            else:
                decoder.forward = own
            if run.recording:  # the next batch writes over what the cache shows
                for layer in cache.layers:
                    layer.keys = layer.values = None

    def _step(self, run: _Run, given: dict[str, Any]) -> Tensor | None:
        """States of the next token; None for a step that the decoder takes by itself."""
        if self.refused or run.like is None:
            return None
        run.steps += 1
        recording, layers = self._chosen(run, given), run.cache.layers
        if recording is None:
            return None
        try:
            out = recording.play(_tokens(given)[1], given["position_ids"], given.get("attention_mask"), layers)
        except RuntimeError:  # of a kernel that cannot be recorded, or for want of memory
            self.refused, self.made, run.recording = True, [], None
            return None
        run.shown = layers[0].keys
        self.played += 1
        return out

    def _chosen(self, run: _Run, given: dict[str, Any]) -> Recording | None:
        """Once the answer is long enough: the last recording while nobody has put other keys into the cache, else one
        that fits, else a new one. The first steps are never replayed, so that what came before changes nothing."""
        if run.steps <= self.first:
            return None
        (name, tokens), positions, layers = _tokens(given), given["position_ids"], run.cache.layers
        last = run.recording
        if last and layers[0].keys is run.shown and last.fits(name, tokens, positions, run.columns):
            return last
        found = next((r for r in self.made if r.fits(name, tokens, positions, run.columns)), None)
        if found is None:
            found = self._record(run, given)
        if found is not None:
            found.adopt(layers)
            run.recording = found
        return found

    def _record(self, run: _Run, given: dict[str, Any]) -> Recording | None:
        layers, columns = run.cache.layers, run.columns
        each = sum(x.nbytes // x.shape[2] for layer in layers for x in (layer.keys, layer.values))
        if layers[0].keys.is_cuda and each * columns > SHARE * torch.cuda.mem_get_info()[0]:
            return None
        made = Recording(run.stock, given, layers, columns)
        self.made = [*self.made[1 - KEPT :], made]
        return made


@dataclass
class _Run:
    """One batch: its cache, the decoder's own pass, and the columns that its longest answer needs."""

    cache: Any
    stock: Callable[..., Any]
    columns: int
    like: Callable[..., Any] | None = None
    """Makes what the decoder returns of its states."""
    steps: int = 0
    recording: Recording | None = None
    shown: Any = None
    """The keys that the cache shows of the recording, in its first layer."""


def _tokens(given: dict[str, Any]) -> tuple[str, Tensor]:
    """The name and value of what the decoder reads."""
    if (x := given.get("inputs_embeds")) is not None:
        return "inputs_embeds", x
    return "input_ids", given["input_ids"]


def _plain(given: dict[str, Any]) -> bool:
    """Whether a pass reads one token a row, with positions and at most a mask of columns, and no other tensors."""
    mask, positions = given.get("attention_mask"), given.get("position_ids")
    known = mask is None or (isinstance(mask, Tensor) and mask.dim() == 2)
    if not known or not isinstance(positions, Tensor) or _tokens(given)[1].shape[1] != 1:
        return False
    return not any(isinstance(x, Tensor) for x in _other(given).values())


def _other(given: dict[str, Any]) -> dict[str, Any]:
    """The arguments beside tokens, positions, mask and cache."""
    held = cache_in(given)
    known = ("inputs_embeds", "input_ids", "position_ids", "attention_mask")
    return {k: v for k, v in given.items() if k not in known and v is not held}


def _wide(x: Tensor, columns: int) -> Tensor:
    rows, heads, _, size = x.shape
    return torch.zeros(rows, heads, columns, size, dtype=x.dtype, device=x.device)

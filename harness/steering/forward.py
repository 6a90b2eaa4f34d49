"""Passes through the model, each one call of the stock `generate()`; shared prefixes are encoded once."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from transformers import DynamicCache, GenerationConfig, LogitsProcessor, StoppingCriteria, StoppingCriteriaList

from harness.steering import carried, last_row
from harness.steering.batch import Batch
from harness.steering.compat import keeps_logits, with_cache
from harness.steering.eviction import SparseCache
from harness.steering.guard import Guard, broken
from harness.steering.hooks import attached
from harness.steering.inputs import TEXT, Inputs, collate
from harness.steering.method import Steering
from harness.steering.roomy import roomy
from harness.steering.spread import spread
from harness.steering.view import View


@dataclass
class Prefix:
    """The encoded prefixes of a batch's rows. The cache is consumed by the pass that continues it."""

    cache: DynamicCache
    delta: Tensor | None
    """M-RoPE offsets [rows, 1] that belong to the cache."""
    cuts: list[int]
    """Tokens of each row that the cache holds, without padding."""
    pictures: bool = False
    """Whether the rows show further pictures behind them."""


def forward(
    batch: Batch,
    max_new_tokens: int = 1,
    prefix: Prefix | None = None,
    processor: LogitsProcessor | None = None,
    cache: DynamicCache | None = None,
    criteria: StoppingCriteria | None = None,
    keep: int = 1,
    more: Mapping[str, Any] | None = None,
    *,
    carry: bool = False,
) -> Tensor:
    """Generate for all rows of a run: token ids [rows (without beams), new tokens], padded on the right.

    `keep`: positions of the prompt whose logits are computed, counted from its end. `more`: arguments of `generate()`.
    `carry`: whether the next batch may begin with what this one has encoded.
    """
    view, rows = batch.view, batch.inputs
    batch.cuts = prefix.cuts if prefix else [0] * len(rows)
    tensors = collate(
        rows,
        pad=view.pad,
        cuts=batch.cuts,
        pictures=prefix is None or prefix.pictures,
        device=view.device,
        dtype=view.dtype,
    )
    batch.length, batch.mask = tensors["input_ids"].shape[1], tensors["attention_mask"]
    if prefix:
        cache = prefix.cache
        view.rope_deltas = prefix.delta
    batch.shows = "pixel_values" in tensors
    batch.guard = Guard(expected=batch.length, padded=bool((tensors["attention_mask"] == 0).any()))
    model = view.model if not view.needs_picture or batch.shows else view.text_model
    if cache is None and any(m.drops for m in batch.methods):
        cache = batch.cache = SparseCache(view.depth)
    carry = carry and not batch.shows and batch.cache is None and carried.carries(view)
    if cache is None and view.keeps_keys:
        cache = roomy(view)
    extra: dict[str, Any] = with_cache(cache)
    if processor is not None:
        extra["logits_processor"] = [processor]
    if criteria is not None:
        extra["stopping_criteria"] = StoppingCriteriaList([criteria])
    if keep > 1 and any(keeps_logits(m) for m in (view.model, view.text_model)):
        extra["logits_to_keep"] = keep
    config = _config(view, max_new_tokens, batch.beams, more or {})
    alone = last_row.alone(view) if view.ends_alone and keep == 1 else contextlib.nullcontext()
    with attached(batch), _neutral(view), _recorded(batch, cache, max_new_tokens), alone:
        out = model.generate(**tensors, **extra, generation_config=config)
        if carry:
            carried.keep(batch, cache, tensors["attention_mask"])
    if batch.methods and processor is not None and batch.step != batch.guard.passes:
        raise broken(f"tokens were chosen {batch.step} times in {batch.guard.passes} passes")
    fed = batch.length - max(batch.cuts)  # the cache holds the rest
    view.work.add(len(rows) * batch.beams, fed, out.shape[1] - batch.length)
    return out[:, batch.length :]


def _config(view: View, max_new_tokens: int, beams: int, more: Mapping[str, Any]) -> GenerationConfig:
    """Decoding is the harness's; of the checkpoint's own generation config only the special tokens count."""
    ours: dict[str, Any] = {
        "max_new_tokens": max_new_tokens,
        "num_beams": beams,
        "do_sample": False,
        "repetition_penalty": 1.0,
        "no_repeat_ngram_size": 0,
        "num_return_sequences": 1,
        "eos_token_id": list(view.eos) or None,
        "bos_token_id": view.bos,
        "pad_token_id": view.pad,
        "use_cache": True,
        "return_dict_in_generate": False,
    }
    return GenerationConfig(**{**ours, **more})


def _recorded(batch: Batch, cache: Any, max_new_tokens: int) -> contextlib.AbstractContextManager[None]:
    """While open, steps are replayed as CUDA graphs where the view has `recordings` and the batch fits them."""
    recordings = batch.view.recordings
    if recordings is None or max_new_tokens == 1 or not recordings.serves(batch, cache):
        return contextlib.nullcontext()
    return recordings.playing(batch, cache, batch.length + max_new_tokens)


@contextlib.contextmanager
def _neutral(view: View) -> Iterator[None]:
    """`generate()` fills what a configuration leaves open (suppressed tokens, least lengths, biases ...) from the
    checkpoint's own: put an empty one in its place."""
    models = {id(m): m for m in (view.model, view.text_model)}.values()
    before = [m.generation_config for m in models]
    try:
        for model in models:
            model.generation_config = GenerationConfig()
        yield
    finally:
        for model, own in zip(models, before, strict=True):
            model.generation_config = own


@contextlib.contextmanager
def undisturbed(view: View) -> Iterator[None]:
    """No gradients, and the state that M-RoPE models keep between calls is put back."""
    before = view.rope_deltas
    try:
        with torch.no_grad():
            yield
    finally:
        view.rope_deltas = before


def encode(batch: Batch) -> Prefix:
    """Encode each distinct prefix of the batch's rows once, and lay out one cache row per row of the batch.

    Only the methods that declare `prefix = "with"` are on; plain ones would edit the wrong rows.
    """
    if carried.is_text(batch):
        return _encode_text(batch)
    view = batch.view
    number: dict[str, int] = {}
    first: list[int] = []
    for i, sample in enumerate(batch.samples):
        assert sample.shared is not None
        if sample.shared[0] not in number:
            number[sample.shared[0]] = len(first)
            first.append(i)
    of = torch.tensor([number[s.shared[0]] for s in batch.samples if s.shared])
    methods = [m for m in batch.methods if m.prefix == "with"]
    if view.shown is not None and not methods and not batch.streams and carried.carries(view):
        heads, rows = [_head(batch.samples[i]) for i in first], of.repeat_interleave(batch.beams)
        if found := view.shown.begun(view, list(number), heads, rows, lambda some: _plain(view, some)):
            return Prefix(found[0], None, [found[1]] * len(batch.samples))
    blocks = [[_head(block[i]) for i in first] for block in batch.blocks]
    heads = Batch(view, methods, blocks[0], dict(zip(batch.streams, blocks[1:], strict=True)), peek=peek)
    for method in methods:
        method.prepare(heads)
    cache = roomy(view)
    forward(heads, cache=cache)
    delta = view.rope_deltas
    batch.looks = [heads.looks[number[s.shared[0]]] for s in batch.samples if s.shared] if heads.looks else ()
    # The index stays on the CPU: layers may lie on several devices.
    index = torch.cat([of + b * len(first) for b in range(len(blocks))])
    spread(cache, index.repeat_interleave(batch.beams))
    cuts = [row.shared[1] for row in batch.inputs if row.shared]
    return Prefix(cache, delta[index] if delta is not None else None, cuts)


def _plain(view: View, heads: Sequence[Inputs]) -> DynamicCache:
    """What the model makes of these alone."""
    cache = roomy(view)
    forward(Batch(view, (), heads), cache=cache)
    return cache


def _encode_text(batch: Batch) -> Prefix:
    """Encode the one text with which all rows begin, after what is carried of it."""
    view, head = batch.view, _head(batch.samples[0])
    tokens = head.tensors["input_ids"][0]
    known = view.carried.common(tokens) if view.carried else 0
    cache = view.carried.cache(view, known) if view.carried and known else roomy(view)
    if known < len(tokens):
        forward(Batch(view, (), [head]), prefix=Prefix(cache, None, [known]))
    spread(cache, torch.zeros(len(batch.samples) * batch.beams, dtype=torch.long))
    return Prefix(cache, None, [len(tokens)] * len(batch.samples))


def _head(row: Inputs) -> Inputs:
    assert row.shared is not None
    return row.cut(row.shared[1])


def sharing(view: View, rows: Sequence[Sequence[Inputs]], new_tokens: int) -> list[bool]:
    """Which samples are worth and allowed a shared prefix. `rows[i]`: sample i, and its streams' inputs.

    A padding gap between prefix and question counts as distance in a sliding window, so prompts that outgrow the
    window are not shared.
    """
    texts = [group[0] for group in rows if group[0].shared and group[0].shared[0] == TEXT]
    if texts and not carried.begins_alike(texts):  # a method may have rewritten some
        rows = [[replace(row, shared=None) for row in group] for group in rows]
    keys = [group[0].shared[0] if group[0].shared and _sharable(view, group) else None for group in rows]
    count = Counter(keys)
    members = [r for group, key in zip(rows, keys, strict=True) if key and count[key] > 1 for r in group]
    if view.window is not None and members:
        head = max(r.shared[1] for r in members if r.shared)
        tail = max(r.length - r.shared[1] for r in members if r.shared)
        if head + tail + new_tokens > view.window:
            return [False] * len(rows)
    return [key is not None and (count[key] > 1 or key == TEXT) for key in keys]


def _sharable(view: View, group: Sequence[Inputs]) -> bool:
    """Whether each row declares a prefix that leaves at least one token and holds every image token."""
    if not view.shares_prefix:
        return False
    for row in group:
        if row.shared is None or not 0 < row.shared[1] < row.length:
            return False
        rest = row.tensors["input_ids"][0, row.shared[1] :]
        if view.image_token_id is not None and bool((rest == view.image_token_id).any()):
            return False
    return True


def read(batch: Batch, width: int, prefix: Prefix | None = None) -> Tensor:
    """Logits [rows, width, V] at the last `width` positions of the rows."""
    kept: list[Tensor] = []

    def keep(_module: Any, _args: Any, output: Any) -> None:
        kept.append(output.logits[:, -width:])

    with contextlib.ExitStack() as stack:
        for model in {batch.view.model, batch.view.text_model}:
            stack.callback(model.register_forward_hook(keep).remove)
        forward(batch, prefix=prefix, keep=width)
    return kept[-1]


def peek(view: View, samples: Sequence[Inputs], methods: Sequence[Steering] = ()) -> Tensor:
    """Last-position output of every decoder layer [b, L, d] in a plain forward pass, under these methods only."""
    out: list[Tensor] = [torch.empty(0)] * len(samples)
    may = all(m.prefix != "none" for m in methods)
    shared = sharing(view, [[s] for s in samples], 1) if may else [False] * len(samples)
    for flag in (False, True):
        if members := [i for i, s in enumerate(shared) if s == flag]:
            states = _states(Batch(view, methods, [samples[i] for i in members]), flag)
            for i, state in zip(members, states, strict=True):
                out[i] = state
    return torch.stack(out)


def _states(batch: Batch, shared: bool) -> Tensor:
    """Last-position output of every decoder layer [b, L, d], on the device of the first one."""
    prefix, states = encode(batch) if shared else None, []

    def keep(_module: Any, _args: Any, output: Any) -> None:
        states.append((output if torch.is_tensor(output) else output[0])[:, -1])

    with contextlib.ExitStack() as stack:
        for layer in batch.view.layers:
            stack.callback(layer.register_forward_hook(keep).remove)
        forward(batch, prefix=prefix)
    return torch.stack([s.to(states[0].device) for s in states], 1)

"""The entry: a batch of inputs, methods, a decoding; tokens come out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from harness.core.decoding import Decoding
from harness.core.errors import UsageError
from harness.core.readings import Reading
from harness.core.types import Likelihood
from harness.steering import carried
from harness.steering.batch import Batch
from harness.steering.declared import declared
from harness.steering.decode_loop import Loop
from harness.steering.finite import Watch, require_finite
from harness.steering.forward import encode, forward, peek, sharing, undisturbed
from harness.steering.grouping import asking, batches, contrasted, rewritten
from harness.steering.hooks import attached
from harness.steering.inputs import Inputs
from harness.steering.method import Steering
from harness.steering.probe import Probe
from harness.steering.requirements import require
from harness.steering.roomy import RoomyLayer
from harness.steering.stop_strings import Ending
from harness.steering.token_choice import Select
from harness.steering.view import View


@dataclass
class Generated:
    """What one sample got: new tokens without end-of-sequence and padding, and why they ended."""

    tokens: list[int]
    finish: Literal["stop", "length"]
    scores: Tensor | None = field(default=None, repr=False)
    """With `keep_scores`: the logits [steps of the batch, V] from which each token was picked."""
    likelihood: Likelihood | None = None
    """With `forced`: of the forced tokens."""
    measures: dict[str, float] = field(default_factory=dict)
    """What methods measured on the way (`Steering.measured`)."""
    readings: dict[str, Reading] = field(default_factory=dict, repr=False)
    """What probes read on the way, as `probe.name`."""


def check(view: View, methods: Sequence[Steering], decoding: Decoding) -> None:
    """Refuse what cannot run together. Raises UsageError with the names."""
    for method in methods:
        declared(view, method)
    require(view, methods)
    names = {m.name for m in methods}
    for method in methods:
        if method.has("decode"):
            if len(methods) > 1:
                others = ", ".join(sorted(names - {method.name}))
                raise UsageError(f"method={method.name} decodes by itself: it cannot run beside method={others}")
            if decoding.strategy != "greedy":
                raise UsageError(f"method={method.name} decodes by itself: use decoding=greedy, the default")
            if decoding.extra:
                raise UsageError(f"method={method.name} decodes by itself: leave decoding.extra out")
        for other in sorted(names.intersection(method.conflicts)):
            raise UsageError(f"method={method.name} cannot run beside method={other}: choose one of them")
        if decoding.sampled and not method.sampling:
            raise UsageError(f"method={method.name} does not sample: use decoding=greedy instead of decoding=nucleus")
        if decoding.strategy == "beam" and (not method.beams or method.contrasts):
            why = " with its contrast" if method.beams else ""
            raise UsageError(f"method={method.name} cannot run in decoding=beam{why}: use decoding=greedy or nucleus")


def generate(
    view: View,
    inputs: Sequence[Inputs],
    methods: Sequence[Steering],
    decoding: Decoding,
    max_new_tokens: int,
    seeds: Sequence[int],
    *,
    keep_scores: bool = False,
    forced: Sequence[Sequence[int]] | None = None,
    stops: Sequence[Sequence[str]] | None = None,
    among: Sequence[Collection[int]] | None = None,
) -> list[Generated]:
    """One answer per input, in order. A sample gets the same answer alone and in any batch (float32).

    `seeds`: one per input, used by sampling. Ends at the model's own end-of-sequence tokens, and soon after one of its
    `stops` has been written; what is after it is the caller's to cut. `forced`: the tokens that each input shall
    get, whose likelihood is measured. `among`: with the decoding `choices`, the tokens of which each input gets one.
    Raises UsageError where methods, model and decoding do not fit together.
    """
    probes = [m for m in methods if isinstance(m, Probe)]
    acting = [m for m in methods if not isinstance(m, Probe)]
    if probes and (decoding.strategy == "beam" or any(m.has("decode") for m in acting)):
        made = generate(
            view, inputs, acting, decoding, max_new_tokens, seeds, keep_scores=keep_scores, forced=forced, stops=stops
        )
        _read_again(view, inputs, acting, probes, made)
        return made
    methods = (*acting, *probes)
    check(view, methods, decoding)
    assert (among is not None) == (decoding.strategy == "choices"), "choices are decided among tokens, nothing else is"
    if among is not None:
        max_new_tokens, stops = 1, None
    out: list[Generated | None] = [None] * len(inputs)
    with undisturbed(view), asking(view, methods):
        if methods and methods[0].has("decode"):
            begun = _beginnings(methods[0], inputs, view, max_new_tokens)
            return [_own(methods[0], s, view, max_new_tokens, b) for s, b in zip(inputs, begun, strict=True)]
        inputs = [rewritten(methods, s, view) for s in inputs]
        streams = [contrasted(methods, s, view) for s in inputs]
        alike = bool(decoding.extra)
        for members, shared in batches(view, inputs, streams, methods, max_new_tokens, alike):
            present = {key: [streams[i][key] for i in members] for key in streams[members[0]]}
            beams = decoding.num_beams if decoding.strategy == "beam" else 1
            batch = Batch(view, methods, [inputs[i] for i in members], present, beams, peek)
            select = _select(batch, decoding, members, seeds, keep_scores, forced, among)
            ending = None
            if stops and beams == 1 and any(stops[i] for i in members):
                ending = Ending(batch, [stops[i] for i in members])
            made = _play(batch, shared, max_new_tokens, select, ending, decoding.extra)
            for i, one in zip(members, made, strict=True):
                out[i] = one
    return [one for one in out if one is not None]


def _read_again(
    view: View, inputs: Sequence[Inputs], acting: Sequence[Steering], probes: Sequence[Probe], made: Sequence[Generated]
) -> None:
    """Give probes the finished answers, token by token, under the methods that do not decode by themselves."""
    end = list(view.eos[:1])
    forced = [[*one.tokens, *(end if one.finish == "stop" or not one.tokens else ())] for one in made]
    methods = [*(m for m in acting if not m.has("decode")), *probes]
    again = generate(view, inputs, methods, Decoding(), max(map(len, forced)), [0] * len(made), forced=forced)
    for one, other in zip(made, again, strict=True):
        one.readings = other.readings


def prompts(view: View, sample: Inputs, methods: Sequence[Steering]) -> dict[str, Inputs]:
    """What the model reads for a sample under these methods, by name: "" for the prompt, "vcd", "vcd 2" for what a
    method contrasts it with."""
    with undisturbed(view), asking(view, methods):
        sample = rewritten(methods, sample, view)
        found = {"": sample}
        for (method, number), row in contrasted(methods, sample, view).items():
            found[f"{method.name} {number + 1}" if number else method.name] = row
    return found


def _beginnings(
    method: Steering, inputs: Sequence[Inputs], view: View, max_new_tokens: int
) -> Iterator[carried.Carried | None]:
    """What each sample's prompt begins with, read once for neighbours that share it; None where it is read whole."""
    may = method.prefix == "plain" and view.dtype == torch.float32 and carried.carries(view)
    shared = sharing(view, [[s] for s in inputs], max_new_tokens) if may else [False] * len(inputs)
    key, begun = "", None
    for sample, together in zip(inputs, shared, strict=True):
        if together and sample.shared and (begun is None or sample.shared[0] != key):
            key, length = sample.shared
            cache = encode(Batch(view, (), [sample])).cache
            layers = [(layer.keys, layer.values) for layer in cache.layers if isinstance(layer, RoomyLayer)]
            whole = len(layers) == len(cache.layers)
            begun = carried.Carried(sample.tensors["input_ids"][0, :length], layers) if whole else None
        yield begun if together else None


def _own(method: Steering, sample: Inputs, view: View, max_new_tokens: int, begun: carried.Carried | None) -> Generated:
    """One sample in the method's own loop."""
    batch = Batch(view, [method], [sample], peek=peek)
    method.prepare(batch)
    loop = Loop(batch, max_new_tokens, begun)
    with attached(batch):
        tokens = method.decode(loop)
        if not isinstance(tokens, list) or not all(isinstance(t, int) for t in tokens):
            raise UsageError(f"method={method.name}: `decode` must return a list of token ids, not {tokens!r:.60}")
        if not batch.guard.passes:
            raise UsageError(f"method={method.name}: `decode` never asked the model: begin with `loop.start()`")
    return Generated(tokens, "length" if len(tokens) >= max_new_tokens else "stop")


def _select(
    batch: Batch,
    decoding: Decoding,
    members: Sequence[int],
    seeds: Sequence[int],
    keep: bool,
    forced: Sequence[Sequence[int]] | None,
    among: Sequence[Collection[int]] | None,
) -> Select | None:
    """What picks the tokens, where it is not `generate()` alone."""
    own = [forced[i] for i in members] if forced else None
    some = [among[i] for i in members] if among else None
    if (
        decoding.sampled
        or keep
        or own
        or some
        or batch.streams
        or any(m.has("logits", "picked") for m in batch.methods)
    ):
        return Select(batch, decoding, [seeds[i] for i in members], keep, own, some)
    return None


def _play(
    batch: Batch,
    shared: bool,
    max_new_tokens: int,
    select: Select | None,
    ending: Ending | None,
    more: Mapping[str, Any],
) -> list[Generated]:
    prefix = encode(batch) if shared else None
    for method in batch.methods:
        method.prepare(batch)
    watch = select or Watch(batch)
    out = forward(batch, max_new_tokens, prefix, watch, criteria=ending, more=more, carry=True)
    tokens = out[: len(batch.samples)].tolist()
    scores = torch.stack(select.kept, 1) if select and select.kept else None
    eos = set(batch.view.eos)
    made = []
    for i, row in enumerate(tokens):
        last = ending.ended[i] if ending and ending.ended[i] else len(row)
        end = next((t for t, token in enumerate(row[:last]) if token in eos), last)
        likelihood = Likelihood(select.logp[i], select.greedy[i]) if select and select.forced else None
        reason = "stop" if end < len(row) or (ending and ending.ended[i]) else "length"
        made.append(Generated(row[:end], reason, None if scores is None else scores[i], likelihood))
    forced = [len(f) for f in select.forced] if select and select.forced else None
    # A sample takes part until it ends, its end-of-sequence token included.
    own = forced or [min(len(tokens[0]), len(one.tokens) + (one.finish == "stop")) for one in made]
    require_finite(batch, watch.steps, own)
    _measure(batch, made, own)
    return made


def _measure(batch: Batch, made: Sequence[Generated], own: Sequence[int]) -> None:
    """Hand out what the methods measured in the passes that each sample took part in."""
    for method in batch.methods:
        if isinstance(method, Probe):
            for name, found in method.readings(batch, own).items():
                for one, reading in zip(made, found, strict=True):
                    if reading is not None:
                        one.readings[f"{method.name}.{name}"] = reading
        for name, values in method.measured(batch, own).items():
            for one, value in zip(made, values, strict=True):
                if value is not None:
                    one.measures[name] = float(value)

"""What a batch is made of: prompts as methods rewrite them, their contrast streams, and who goes together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from harness.steering.batch import Stream
from harness.steering.forward import sharing
from harness.steering.inputs import Inputs
from harness.steering.method import Steering
from harness.steering.view import View


def rewritten(methods: Sequence[Steering], sample: Inputs, view: View) -> Inputs:
    for method in methods:
        if method.has("rewrite"):
            sample = method.rewrite(sample, view) or sample
    return sample


@contextlib.contextmanager
def asking(view: View, methods: Sequence[Steering]) -> Iterator[None]:
    """While open, what methods ask in other words (`View.ask`) is rewritten as the samples are."""
    before, view.rewritten = view.rewritten, lambda sample: rewritten(methods, sample, view)
    try:
        yield
    finally:
        view.rewritten = before


def contrasted(methods: Sequence[Steering], sample: Inputs, view: View) -> dict[Stream, Inputs]:
    """The contrast streams that the methods want beside a sample."""
    found: dict[Stream, Inputs] = {}
    for method in methods:
        if method.contrasts and (made := method.contrast(sample, view)) is not None:
            found |= {(method, n): row for n, row in enumerate([made] if isinstance(made, Inputs) else made)}
    return found


def batches(
    view: View,
    inputs: Sequence[Inputs],
    streams: Sequence[Mapping[Stream, Inputs]],
    methods: Sequence[Steering],
    max_new_tokens: int,
    alike: bool = False,
) -> list[tuple[list[int], bool]]:
    """Samples that can run as one batch, and whether they share prefixes. The strictest method decides. `alike`: only
    prompts of equal length go together, because arguments of `generate()` that read the prompt would read its padding.
    """
    if not inputs:
        return []
    rows = [[s, *extra.values()] for s, extra in zip(inputs, streams, strict=True)]
    may = not alike and all(m.prefix != "none" for m in methods) and all(m.batch for m in methods)
    shared = sharing(view, rows, max_new_tokens) if may else [False] * len(rows)
    groups: dict[tuple, list[int]] = {}
    for i, extra in enumerate(streams):
        alone = i if not all(m.batch for m in methods) else -1
        lengths = [row.length for row in rows[i]] if alike else []
        groups.setdefault((shared[i], alone, *extra, *lengths), []).append(i)
    return [(members, key[0]) for key, members in groups.items()]

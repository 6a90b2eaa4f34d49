"""What a batch is made of: prompts as methods rewrite them, their contrast streams, and who goes together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from harness.core.errors import UsageError
from harness.steering.batch import Stream
from harness.steering.forward import sharing
from harness.steering.inputs import Inputs
from harness.steering.method import Steering
from harness.steering.view import View


def rewritten(methods: Sequence[Steering], sample: Inputs, view: View) -> Inputs:
    for method in methods:
        if method.has("rewrite"):
            made = method.rewrite(sample, view)
            if made is not None and not isinstance(made, Inputs):
                raise _foreign(method, "rewrite", made)
            sample = made or sample
    return sample


def _foreign(method: Steering, point: str, made: object) -> UsageError:
    return UsageError(
        f"method={method.name}: `{point}` returned an object of type {type(made).__name__}: return Inputs, or None"
    )


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
            rows = [made] if isinstance(made, Inputs) else made
            if not isinstance(rows, Sequence) or not all(isinstance(row, Inputs) for row in rows):
                raise _foreign(method, "contrast", made)
            found |= {(method, n): row for n, row in enumerate(rows)}
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

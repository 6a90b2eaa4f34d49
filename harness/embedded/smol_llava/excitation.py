"""Early excitation (VISTA, 2502.03628): in which layer words that name objects are likeliest, and all other words."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import UsageError
from harness.embedded.tiny_llava.scoring import spans
from harness.stats import paired_mean

READING = "logit_lens.chosen_probability"


def naming(text: str, offsets: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
    """Which tokens of a caption, given by where they begin and end in it, belong to the name of a category."""
    found = spans(text.lower())
    return np.array([any(a < end and start < b for start, end in found) for a, b in offsets], bool)


def excitation(captions: Iterable[tuple[NDArray[np.floating], NDArray[np.bool_]]]) -> dict[str, float]:
    """Names beside other tokens, as means over captions that have both.

    Args:
        captions: The probability of each token by each layer's state [layers, tokens], and which tokens are names
            [tokens].

    Returns:
        `early`: the share of tokens that are likeliest before the last layer; `layer`: where they are, from 1; of
        `names` and of `others`, and their difference with its 95 % interval.
    """
    rows = []
    for p, name in captions:
        if name.any() and not name.all():
            layer = p.argmax(0) + 1
            rows.append([values[which].mean() for values in (layer < len(p), layer) for which in (name, ~name)])
    table: dict[str, float] = {"captions": len(rows)}
    for what, (names, others) in zip(("early", "layer"), np.array(rows).T.reshape(2, 2, -1), strict=True):
        d = paired_mean(others, names, range(len(rows)))
        found = {"names": names.mean(), "others": others.mean(), "difference": d.value, "low": d.low, "high": d.high}
        table |= {f"{what}_{k}": round(float(v), 3) for k, v in found.items() if v is not None}
    return table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the `excitation` command."""
    parser.add_argument("run", help="a finished run of task=chair method=logit_lens, by name or beginning")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR")


def command(args: argparse.Namespace) -> int:
    """Print in which layer words that name objects are likeliest, from a stored run of task=chair method=logit_lens."""
    from harness.embedded.smol_llava import language_model
    from harness.models.smol.assemble import tokenizer
    from harness.runs.stored import find

    run, words = find(args.results, args.run), tokenizer(language_model())
    read = {sample: one[READING].values for sample, one in run.readings(READING).items()}
    if not read:
        raise UsageError(f"{run.name} has no {READING}: play it with method=logit_lens")
    captions = []
    for r in run.results():
        if r.outcome and r.id in read:
            text, p = str(r.outcome.answer), np.asarray(read[r.id], float)
            offsets = words(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
            if p.shape[1] - len(offsets) not in (0, 1):  # the token that ends the caption has no text
                raise UsageError(f"{run.name} was not written by smol-llava: {r.id} has {p.shape[1]} tokens")
            captions.append((p[:, : len(offsets)], naming(text, offsets)))
    print(json.dumps(excitation(captions)))
    return 0

"""Hallucination by position: the share of wrong mentions in the first sentence of captions, the second, and so on."""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Collection, Iterable
from pathlib import Path

from harness.embedded.tiny_llava.scoring import mentions


def by_sentence(captions: Iterable[tuple[str, Collection[str]]]) -> list[dict[str, float]]:
    """Per sentence, counted from 1: captions that have it, mentions, and the share of wrong ones.

    Args:
        captions: Texts with the names of the objects that are there.
    """
    counts: list[list[int]] = []
    for text, objects in captions:
        for n, sentence in enumerate(s for s in re.split(r"(?<=[.!?])\s+", text.strip()) if s):
            if n == len(counts):
                counts.append([0, 0, 0])
            named = mentions(sentence.lower())
            wrong = sum(m not in objects for m in named)
            counts[n] = [a + b for a, b in zip(counts[n], (1, len(named), wrong), strict=True)]
    return [
        {"sentence": n, "captions": c, "mentions": m, "wrong": round(w / max(1, m), 4)}
        for n, (c, m, w) in enumerate(counts, 1)
    ]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the `sentences` command."""
    parser.add_argument("run", help="a finished run of task=chair on embedded pictures, by name or beginning")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR")


def command(args: argparse.Namespace) -> int:
    """Print, for a stored run of task=chair, the share of wrong mentions by the sentence's place in the caption."""
    from harness.runs.stored import find

    results = find(args.results, args.run).results()
    for row in by_sentence((str(r.outcome.answer), r.target) for r in results if r.outcome):
        print(json.dumps(row))
    return 0

"""RULER's string match, cells of length and depth, and their summary. Pure functions of finished results."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.core import Metric, Result, Score
from harness.stats import failed, mean

SCORES = (Score("string_match", primary=True),)
CONTROL = re.compile(r"[\x00-\x1f]")


def said_in(text: str, style: str) -> str:
    """What is matched: everything, or in the `reason` style what follows the last "Answer:" (all without one)."""
    cleaned = CONTROL.sub("\n", text).strip()
    if style == "reason" and "answer:" in cleaned.lower():
        return cleaned[cleaned.lower().rindex("answer:") + len("answer:") :]
    return cleaned


def string_match_all(prediction: str, references: Sequence[str]) -> float:
    """Share of references that occur in the prediction, letters of any case (RULER, eval/synthetic/constants.py)."""
    said = prediction.lower()
    return sum(r.lower() in said for r in references) / len(references)


def string_match_part(prediction: str, references: Sequence[str]) -> float:
    """1 if any reference occurs."""
    said = prediction.lower()
    return float(any(r.lower() in said for r in references))


MATCHES = {"all": string_match_all, "part": string_match_part}


def aggregate(results: Sequence[Result]) -> list[Metric]:
    """`string_match` overall (primary), by variant, by length, by depth and by cell; answer length; position bias."""
    scored = [r for r in results if r.outcome is not None]
    out: list[Metric] = []
    if not scored:
        return [failed(results)]
    score = np.array([r.outcome.scores["string_match"] for r in scored if r.outcome])
    whole = bool(np.isin(score, (0.0, 1.0)).all())
    clusters = [r.cluster for r in scored]
    out.append(mean(score, clusters, whole).metric("string_match", primary=True))
    for name, of in (("", "variant"), ("length ", "length"), ("depth ", "depth")):
        labels = [f"{name}{_label(r, of)}" for r in scored]
        out += [_part(score, clusters, labels, x) for x in _sorted(labels)]
    cells = [f"{_label(r, 'length')} x {_label(r, 'depth')}" for r in scored]
    out += [replace(_part(score, clusters, cells, x), name="cell") for x in _sorted(cells)]
    tokens = [float(r.new_tokens) for r in scored]
    out.append(mean(tokens, clusters, False, (0.0, float("inf"))).metric("new_tokens", higher_is_better=None))
    empty = [float(not r.outcome.answer.strip()) for r in scored if r.outcome]
    out.append(mean(empty, clusters).metric("empty", higher_is_better=False))
    return [*out, failed(results)]


def _label(result: Result, of: str) -> str:
    assert result.outcome
    return str(result.outcome.details[of])


def _sorted(labels: Sequence[str]) -> list[str]:
    return sorted(set(labels), key=lambda x: [int(p) if p.isdigit() else p for p in re.split(r"(\d+)", x)])


def _part(score: np.ndarray, clusters: Sequence[str], labels: Sequence[str], label: str) -> Metric:
    at = [i for i, x in enumerate(labels) if x == label]
    part = score[at]
    whole = bool(np.isin(part, (0.0, 1.0)).all())
    return mean(part, [clusters[i] for i in at], whole).metric("string_match", label)

"""What a comparison shows, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from harness.comparison.compare import Comparison

ALPHA = 0.05


def sentence(found: Sequence[Comparison]) -> str:
    """Which runs are better or worse than the base, and how much the others could hide.

    "In short: vcd is better than vanilla in correct (+0.013 [+0.002, +0.024], p = 0.031); vista shows no difference
    beyond chance (80 % power to detect 0.004)."

    Args:
        found: Of `compare`: at least one, all with the same base.
    """
    base, score = found[0].labels[0], found[0].judged.score
    clauses: list[str] = []
    level, equal, untold = list[Comparison](), list[str](), list[str]()
    for one in found:
        name, d = one.labels[1], one.judged.difference
        p = d.p if one.holm is None else one.holm
        if not (one.worse or one.better or d.value):
            equal.append(name)
        elif p is None or d.low is None or d.high is None:
            untold.append(name)
        elif p >= ALPHA:
            level.append(one)
        else:
            how = "higher" if d.value > 0 else "lower"
            if one.judged.higher_is_better is not None:
                how = "better" if (d.value > 0) == one.judged.higher_is_better else "worse"
            corrected = ", Holm-corrected" if len(found) > 1 else ""
            size = f"{d.value:+.3f} [{d.low:+.3f}, {d.high:+.3f}], p {'< 0.001' if p < 0.001 else f'= {p:.3f}'}"
            clauses.append(f"{name} is {how} than {base} in {score} ({size}{corrected})")
    if level:
        power = max(c.judged.difference.mde or 0.0 for c in level)
        shown = f"{_listed([c.labels[1] for c in level])} {'shows' if len(level) == 1 else 'show'}"
        clauses.append(f"{shown} no difference beyond chance (80 % power to detect {power:.3f})")
    if equal:
        clauses.append(f"{_listed(equal)} {'changes' if len(equal) == 1 else 'change'} no sample in {score}")
    if untold:
        clauses.append(f"there are too few clusters to judge {_listed(untold)}")
    return f"In short: {'; '.join(clauses)}."


def _listed(names: Sequence[str]) -> str:
    return " and ".join([*([", ".join(names[:-1])] if len(names) > 1 else []), names[-1]])

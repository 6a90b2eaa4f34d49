"""The generated parts of docs/methods.md: a block between two marks for each kept study, and for the claims."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from functools import cache

from cells import row
from method_studies import SEEDS, STUDIES, Study
from method_tables import TABLES, Played, claims_table, head, on_gpu

from harness.interop import bundle
from harness.plugins.registry import ROOT

PAGE = ROOT / "docs/methods.md"
BLOCK = re.compile(r"(<!-- study (\S+): [^\n]*-->\n).*?(<!-- end -->\n)", re.DOTALL)
CLAIMED = tuple({task: f"{task}-{name}" for task in ("pope", "chair")} for name in SEEDS)
"""The studies that claims are held against: one entry a seed of the model's training."""


@cache
def read(study: Study) -> Played:
    """The kept runs of a study."""
    return Played.of(study, bundle.read(study.path))


def written(page: str) -> str:
    """The page with every block made anew."""
    return BLOCK.sub(lambda m: f"{m[1]}{_block(m[2])}{m[3]}", page)


def _block(name: str) -> str:
    made = {"claims": _claims, "times": _times}
    return "\n".join([*(made[name]() if name in made else _tables(STUDIES[name])), ""])


def _tables(study: Study) -> Iterator[str]:
    one = read(study)
    told = textwrap.fill(one.provenance, 118, break_on_hyphens=False, break_long_words=False)
    yield from ("", told, "", *TABLES[study.table](one), "")


def _times() -> Iterator[str]:
    """What the kept runs took, and what their methods would take on all samples, by the CPU time of each sample."""
    yield from ("", *head("study", "runs", "samples", "CPU minutes", "all samples, minutes on two cores"))
    for study in STUDIES.values():
        if not study.path.is_file():
            continue
        one = read(study)
        runs, samples = [one.base, *one.others], len(one.base.rows)
        spent = sum(r.record.cpu_seconds or 0 for r in runs) / 60
        whole = "" if on_gpu(one.base) else f"{spent * (study.whole or samples) / samples / 2:.1f}"
        yield row(f"`{study.name}`", str(len(runs)), str(samples), f"{spent:.1f}", whole)
    yield ""


def _claims() -> Iterator[str]:
    yield from ("", *claims_table([{k: read(STUDIES[n]) for k, n in seed.items()} for seed in CLAIMED]), "")

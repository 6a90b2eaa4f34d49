"""Tables of docs/methods.md are those of the kept runs; what they say of a claim follows from its interval and p."""

from __future__ import annotations

import math
import sys

import pytest

from harness.core import Metric, Outcome, Result, UsageError
from harness.interop.bundle import BundledRun
from harness.plugins.registry import ROOT, Registry
from harness.runs.record import RunRecord
from harness.stats import Difference

sys.path.append(str(ROOT / "benchmarks"))
import method_page as script
import method_studies as studies
import method_tables as tables


@pytest.mark.parametrize(
    ("value", "low", "high", "p", "way", "said"),
    [
        (0.02, 0.01, 0.03, 0.01, 1, "found"),
        (0.02, 0.01, 0.03, 0.20, 1, "undecided"),  # beyond chance alone, but not among so many comparisons
        (-0.02, -0.03, -0.01, 0.01, 1, "not found"),  # the opposite
        (0.0, -0.004, 0.004, 1.0, 1, "not found"),  # less than a point is left
        (0.0, -0.02, 0.02, 1.0, 1, "undecided"),
        (-0.02, -0.03, -0.01, 0.01, -1, "found"),
        (0.0, -0.02, 0.004, 1.0, -1, "undecided"),
        (0.0, -0.004, 0.02, 1.0, -1, "not found"),
        (-0.02, -0.03, -0.01, 0.01, None, "found"),
        (0.0, -0.02, 0.004, 1.0, None, "undecided"),
        (0.001, -0.004, 0.006, 1.0, 0, "found"),
        (-0.02, -0.03, -0.012, 0.01, 0, "not found"),
        (-0.02, -0.05, 0.01, 0.4, 0, "undecided"),
        (0.02, None, None, None, 1, "undecided"),
    ],
)
def test_verdicts(value, low, high, p, way, said):
    assert tables.verdict(Difference(value, 0.01, low, high, p, 100, 20), p, way) == said


def test_methods_of_claims_and_studies_are_known():
    for claim in tables.CLAIMS:
        assert (f"method={claim.method}",) in studies.STUDIES[f"{claim.task}-smol-llava"].runs
    named = [w.partition("=")[2] for s in studies.STUDIES.values() for words in s.runs for w in words if "." not in w]
    assert {*named} <= {*Registry().methods}


def test_the_page_is_that_of_the_kept_runs():
    page = script.PAGE.read_text(encoding="utf-8")
    assert script.written(page) == page, "docs/methods.md is not what the kept runs say: benchmarks/methods.py write"
    shown = {name for _, name, _ in script.BLOCK.findall(page)} - {"claims", "times"}
    assert shown == {path.stem for path in studies.FOLDER.glob("*.parquet")}, "a kept study stands on the page, once"


@pytest.mark.parametrize("path", sorted(studies.FOLDER.glob("*.parquet")), ids=lambda path: path.stem)
def test_kept_runs_are_whole(path):
    """Every run belongs to its study; its samples give the metrics that were stored with it."""
    one = script.read(studies.STUDIES[path.stem])
    assert {frozenset(r.words) for r in (one.base, *one.others)} <= {frozenset(w) for w in one.study.all()}
    values = {m.score: [one.base, *one.others] for m in one.base.metrics if m.score and m.group == "all"}
    for score, runs in values.items():
        stored = [next(m.value for m in run.metrics if m.score == score and m.group == "all") for run in runs]
        levels = [0.0 if math.isnan(x) else x for x in one.levels(score)]  # CHAIR_i without mentions: 0 by definition
        assert levels == pytest.approx(stored), score
    assert one.score.name in values or one.base.record.task == "pope", "its accuracy is made of counts"


def test_a_table_of_budgets_holds_each_against_vanilla_and_the_window():
    """Three samples of three haystacks: what a run scores, what it kept, and the difference at equal budget."""

    def run(method, budget, right, share=None, device="cpu"):
        words = ("task=niah", f"method={method}", *([f"method.{method}.budget={budget}"] if budget else []))
        rows = [Result(str(i), str(i), "all", None, Outcome("", {"hit": r}, None)) for i, r in enumerate(right)]
        metrics = [Metric("hit", sum(right) / 3, primary=True)]
        metrics += [Metric("kept_share", share)] if share else []
        facts = {"model_facts": {"device": device}, "environment": {"hardware": {"gpu": ["H100"], "cpu": "EPYC"}}}
        record = RunRecord.of({"status": "done", "task": "niah", "model": "m", "method": method, "seed": 0, **facts})
        return BundledRun(f"{method}{budget}", record, metrics, words, {"seconds": 2.0, "passes": 1.0}, rows)

    base = run("vanilla", None, (1.0, 1.0, 1.0))
    wanted = (
        ("window", 0.2, (0, 0, 1.0), 0.2),
        ("h2o", 0.2, (1.0, 0, 1.0), 0.19),
        ("powerattention", None, (0, 0, 0), 0.4),
    )
    others = [run(*r) for r in wanted]
    study = studies.Study("s", "kept", ("task=niah",), tuple(r.words[1:] for r in (base, *others)))
    played = tables.Played.of(study, [others[1], base, others[0], others[2]])
    lines = list(tables.kept_table(played))
    assert lines[2:4] == ["| `window` | 0.333 | 1.000 |", "| `h2o` | 0.667 | 1.000 |"]
    window, h2o, pattern = (line.split(" | ") for line in lines[-3:])
    assert pattern[:4] == ["| `powerattention`", "", "0.400", "0.000"] and not pattern[6], "a pattern has no budget"
    assert window[:4] == ["| `window`", "0.2", "0.200", "0.333"] and window[4].startswith("-0.667") and not window[6]
    assert h2o[:4] == ["| `h2o`", "0.2", "0.190", "0.667"] and h2o[6].startswith("+0.333") and h2o[8] == "1.00x"
    assert " on EPYC" in played.provenance and "at commit" not in played.provenance
    there = [run("vanilla", None, (1.0, 1.0, 1.0), None, "cuda:0"), run(*wanted[0], "cuda:0")]
    assert " on H100" in tables.Played.of(study, there).provenance
    with pytest.raises(UsageError, match="played otherwise than vanillaNone: device"):
        tables.Played.of(study, [base, there[1]])
    with pytest.raises(UsageError, match="s has no run of method=vanilla"):
        tables.Played.of(study, others)

"""Figures from papers: every file fits the schema, and every number makes sense."""

from __future__ import annotations

from collections import Counter

import pytest

from harness.core.errors import UsageError
from harness.leaderboard.levels import person
from harness.leaderboard.published import COLUMNS, NAMES, plain, read
from harness.plugins.registry import ROOT

FIGURES = read(ROOT / "results" / "published")
FREE = {"length", "mean_judge_score", "seconds/sample"}
"""Metrics that are not shares."""


def test_every_number_makes_sense():
    assert len(FIGURES) > 2500
    for f in FIGURES:
        if f.metric not in FREE:
            assert 0 <= f.value <= 1, f
        assert f.value >= 0 and f.source and f.model and f.method and f.decoding, f
    assert all(1 <= f.value <= 10 for f in FIGURES if f.metric == "mean_judge_score")


def test_spot_checks_against_the_sources():
    """VISTA, Table 1; the OPERA repository's README."""
    by = {(f.task, f.method, f.model, f.metric, f.group, f.decoding, f.value) for f in FIGURES}
    assert ("chair", "vanilla", "LLaVA-1.5-7B", "chair_s", "all", "greedy", 0.464) in by
    assert ("chair", "vanilla", "LLaVA-1.5-7B", "chair_i", "all", "greedy", 0.121) in by
    opera = "beam 5 + over-trust penalty, max_new 10"
    assert ("pope", "opera", "InstructBLIP-7B", "f1", "random", opera, 0.903) in by


def test_no_row_twice():
    assert max(Counter(FIGURES).values()) == 1


def test_names_of_papers_lead_to_those_of_runs():
    """Each name that is translated occurs in a source, and leads to a metric that the task has."""
    used = {(f.task, f.metric, f.group) for f in FIGURES}
    assert set(NAMES) <= used
    by = {(f.task, f.group): f.here for f in FIGURES}
    assert by["screenspot", "Desktop-Icon"][1:] == ("accuracy", "desktop_icon") and by["mm_niah", "1K"][0] == "test"
    people = {f.here[1:] for f in FIGURES if person(f)}
    assert ("overall", "all") in people and ("official", "64k") in people


def test_bad_files_are_named(tmp_path):
    (tmp_path / "x.csv").write_text("task,value\n")
    with pytest.raises(UsageError, match=r"x\.csv: its columns must be task,data"):
        read(tmp_path)
    head = ",".join(COLUMNS)
    (tmp_path / "x.csv").write_text(f"{head}\npope,coco,mean,f1,vista,m,eighty,greedy,s,n\n")
    with pytest.raises(UsageError, match=r"x\.csv, line 2: could not convert"):
        read(tmp_path)
    (tmp_path / "x.csv").write_text(f"{head}\npope,coco,mean,f1,vista,m,0.8,greedy,,n\n")
    with pytest.raises(UsageError, match="line 2: a published figure needs its source"):
        read(tmp_path)


def test_names_compare():
    assert plain("LLaVA-1.5-7B") == plain("llava-1.5-7b") != plain("LLaVA-1.5-13B")

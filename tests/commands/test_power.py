"""`harness power` on stored runs, on stated figures and on nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import main
from harness.runs.stored import stored

SUMS = ("task=sums", f"plugins=[{Path(__file__).parents[1] / 'plugins'}]")


def report(capsys, *words):
    capsys.readouterr()
    assert main(["power", *SUMS, *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_from_two_stored_runs(workdir, capsys):
    main(["eval", *SUMS, "model=chance", "task.n=80"])
    main(["eval", *SUMS, "model=chance", "task.n=80", "seed=1"])
    two, one = (r.name for r in stored(Path("results")))
    found = report(capsys, "effect=0.1", f"run={two}", f"baseline={one}", "task.n=80")
    (plan,) = found["plans"]
    assert found["samples"] == 80 and found["clusters"] == 20 and found["pilot"]["clusters"] == 20
    main(["compare", one, two, "--json"])
    (compared,) = json.loads(capsys.readouterr().out)
    d = next(r for r in compared["rows"] if r["group"] == "all")["difference"]
    assert plan["detectable"] == pytest.approx(d["mde"]) and found["pilot"]["stderr"] == d["stderr"]
    assert plan["clusters_needed"] == pytest.approx(20 * (d["mde"] / 0.1) ** 2, rel=0.1)
    twice = report(capsys, "effect=0.1", f"run={two}", f"baseline={one}", "task.n=160")["plans"][0]
    assert twice["clusters_needed"] == plan["clusters_needed"] and twice["detectable"] < plan["detectable"]


def test_from_the_newest_runs_of_a_method(workdir, capsys):
    main(["eval", *SUMS, "model=chance", "task.n=80"])
    main(["eval", *SUMS, "model=chance", "task.n=80", "method=ask2"])
    found = report(capsys, "effect=0.1", "model=chance", "method=ask2")
    assert "ask2" in found["pilot"]["run"] and "vanilla" in found["pilot"]["baseline"]
    assert report(capsys, "effect=0.1", "model=chance")["pilot"] == found["pilot"]
    assert main(["power", *SUMS, "effect=0.1", "model=chance", "method=ask2"]) == 0
    out = capsys.readouterr().out
    assert "sums (default): 40 samples in 10 clusters" in out and "the effect takes" in out
    assert all(len(line) <= 80 for line in out.splitlines())


def test_without_any_run(workdir, capsys):
    found = report(capsys, "effect=2%")
    assert [p["discordance"] for p in found["plans"]] == [0.05, 0.1, 0.2] and found["design_effect"] == 1
    assert main(["power", *SUMS, "effect=0.02"]) == 0
    assert "assumed, because no two stored runs show it" in capsys.readouterr().out
    assert not Path("results").exists()


def test_a_stated_discordance(workdir, capsys):
    one = report(capsys, "effect=0.02", "discordance=0.1")["plans"][0]
    two = report(capsys, "effect=0.02", "discordance=0.1", "design_effect=2")["plans"][0]
    assert two["clusters_needed"] == pytest.approx(2 * one["clusters_needed"], rel=0.01)
    strict = report(capsys, "effect=0.02", "discordance=0.1", "power=0.9", "alpha=0.01")["plans"][0]
    assert strict["clusters_needed"] > one["clusters_needed"]


def test_no_fewer_clusters_than_a_comparison_judges(workdir, capsys):
    plan = report(capsys, "effect=0.3", "discordance=0.3", "task.n=80")["plans"][0]
    assert plan["clusters_needed"] == 10 and plan["samples_needed"] == 40
    assert main(["power", *SUMS, "effect=0.3", "discordance=0.3", "task.n=80"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "40 samples in 10 clusters, the fewest that a comparison judges: limit=40" in said
    few = report(capsys, "effect=0.3", "discordance=0.3", "task.n=20")["plans"][0]
    assert few["detectable"] is None and few["power"] == 0 and few["clusters_needed"] == 10
    assert main(["power", *SUMS, "effect=0.3", "discordance=0.3", "task.n=20"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "more than there are" in said and "show no effect: a comparison judges 10 clusters or more" in said


def test_an_effect_that_the_score_of_two_runs_cannot_have(workdir, capsys):
    main(["eval", *SUMS, "model=chance", "task.n=80"])
    main(["eval", *SUMS, "model=chance", "task.n=80", "seed=1"])
    two, one = (r.name for r in stored(Path("results")))
    capsys.readouterr()
    assert main(["power", *SUMS, "effect=2", f"run={two}", f"baseline={one}"]) == 2
    err = capsys.readouterr().err
    assert "moves by 1 at most: did you mean 2%?" in err and "run= and" not in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "add effect=, for example effect=0.02"),
        (["effect=big"], "effect=big must be a number above 0"),
        (["effect=0.1", "discordance=0.05"], "at least as many samples change as the effect moves"),
        (["effect=0.1", "run=x"], "run= and baseline= go together"),
        (["effect=0.5"], "state discordance="),
        (["effect=2"], "effect=2: a score between 0 and 1 moves by 1 at most: did you mean 2%?"),
        (["effect=200%"], "choose one up to 1; other scores take run= and baseline="),
        (["effect=2", "discordance=0.3"], "did you mean 2%?"),
    ],
)
def test_wrong_words_are_one_line(workdir, capsys, words, says):
    assert main(["power", *SUMS, *words]) == 2
    err = capsys.readouterr().err
    assert says in err and len(err.strip().splitlines()) == 1

"""The graph task: perturbations keep what they must, the posterior is exact, whole runs."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from harness.cli import main
from harness.core import Result
from harness.plugins.registry import Registry
from harness.records import rows
from harness.records.package import RECORDS
from harness.tasks import graph as graph_task
from harness.tasks.graph import generate
from harness.tasks.graph.listing import ARMS, Listing
from harness.tasks.graph.planted import GROUPS, NODES, NOISE, VARIANTS, Variant, graph, listing, posterior
from harness.tasks.graph.scoring import aggregate, named


def drawn(variant: str = "weak", seed: int = 0) -> tuple[Listing, dict[int, str]]:
    here, other = (graph(VARIANTS[variant], random.Random(f"{variant}{seed}{n}")) for n in "ab")
    rng = random.Random(seed)
    shown = next(x for c in rng.sample(range(NODES), NODES) if (x := listing(here, c, rng)))
    return shown, other.words


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("seed", range(5))
def test_arms_keep_what_they_must(arm, seed):
    shown, others = drawn(seed=seed)
    seen = ARMS[arm](shown, others, random.Random(seed))
    assert seen.centre == shown.centre and len(seen.slots) == len(shown.slots)
    assert sorted(map(len, seen.second)) == sorted(map(len, shown.second))
    if arm == "IV":
        assert all(seen.words[n] == others[n] for n in seen.slots) and seen.centre not in seen.slots
        return
    assert Counter(seen.slots) == Counter(shown.slots) and seen.words == shown.words
    if arm in ("I", "II"):
        assert seen.first == shown.first
        assert Counter(n for l in seen.second for n in l) == Counter(n for l in shown.second for n in l)
    if arm == "I":
        assert Counter(seen.second) == Counter(shown.second)
    assert (seen == shown) == (arm == "none")


def test_centre_is_withheld_and_repeats_stay():
    shown, _ = drawn()
    assert f"node {shown.centre} (likes" not in shown.text() and shown.centre not in shown.slots
    assert shown.text().count("(likes") == len(shown.slots) >= len(set(shown.slots))


def test_posterior_is_the_sum_over_all_groups():
    """By brute force, on a listing with a repeated node, a triangle and a loop."""
    shown = Listing(0, (1, 2), ((2, 3, 1), (3,)), {1: "tea", 2: "tea", 3: "juice"})
    variant = VARIANTS["heterophilous"]
    total = np.zeros(4)
    for groups in itertools.product(range(4), repeat=4):
        weight = 1.0
        for a, b in ((0, 1), (0, 2), (1, 2), (1, 3), (2, 3)):
            weight *= variant.within if groups[a] == groups[b] else variant.between
        for node, word in shown.words.items():
            weight *= NOISE / 4 + (1 - NOISE) * (groups[node] == GROUPS.index(word))
        total[groups[0]] += weight
    np.testing.assert_allclose(posterior(shown, variant), total / total.sum(), rtol=1e-12)


def test_the_posterior_is_the_prior_where_groups_do_not_follow_links():
    shown, _ = drawn()
    np.testing.assert_allclose(posterior(shown, Variant("flat", 0.1, 0.1, "")), np.full(4, 0.25), rtol=1e-12)


def test_the_same_centre_is_asked_in_all_arms():
    made = Registry().tasks["graph"].build(data="embedded", arms=None)
    samples = list(made.samples())
    centres = Counter(s.id.rpartition("-")[0] for s in samples)
    assert set(centres.values()) == {5} and len(centres) == 120
    assert len({(s.id.rpartition("-")[0], s.cluster, s.target) for s in samples}) == 120


@pytest.mark.parametrize(
    ("text", "group"), [("Tea.", "tea"), ("not milk but tea", "milk"), ("steam", None), ("", None)]
)
def test_the_first_named_group_counts(text, group):
    assert named(text, GROUPS) == group


def test_the_generator_still_makes_the_embedded_records():
    """Two graphs of sixty: the whole takes seconds."""
    shipped = {r["id"]: r for r in rows(Path(graph_task.__file__).parent / "embedded" / RECORDS)}
    for variant in ("homophilous", "heterophilous"):
        for row in generate.rows(VARIANTS[variant], 3):
            assert shipped[row["id"]] == {**row, "posterior": pytest.approx(row["posterior"], abs=1e-5)}


def results(run: Path) -> dict[tuple[str, str], dict]:
    return {(m["name"], m["group"]): m for m in json.loads((run / "metrics.json").read_text())}


def test_oracle_and_chance_in_both_forms(workdir):
    for answer in ("likelihood", "text"):
        words = [
            "task=graph",
            "task.data=embedded",
            f"task.answer={answer}",
            "task.arms=[none,IV]",
            "limit=90",
            "logger=quiet",
        ]
        assert main(["eval", "-m", *words, "model=oracle,chance"]) == 0
        key, blind = (
            results(next(p for p in Path("results/runs").glob(f"*{m}*") if answer in (p / "run.json").read_text()))
            for m in ("oracle", "chance")
        )
        assert key["accuracy", "all"]["value"] == 1 and key["drop", "IV"]["value"] == 0
        assert 0.05 < blind["accuracy", "all"]["value"] < 0.45
        assert key["agrees", "all"]["value"] == key["bayes", "all"]["value"] == blind["bayes", "all"]["value"]
        assert key["bayes_drop", "homophilous IV"]["value"] > 0.2


def test_who_answers_by_the_posterior_agrees_and_scores_bayes():
    made = Registry().tasks["graph"].build(data="embedded", answer="text", arms=None)
    said = []
    for sample in made.samples():
        record = sample.data["record"]
        outcome = made._judged(record, record.likeliest, record.likeliest)
        said.append(Result(sample.id, sample.cluster, sample.group, sample.target, outcome))
    found = {(m.name, m.group): m.value for m in aggregate(said)}
    assert found["agrees", "all"] == 1 and found["drop", "III"] == found["bayes_drop", "III"]
    assert found["accuracy", "all"] == found["bayes", "all"] < 1


def test_rows_of_ones_own(workdir):
    mine = [{"listing": "node a is linked to [node b (likes red)]", "centre": "a", "group": g} for g in ("red", "blue")]
    (workdir / "mine.jsonl").write_text("\n".join(map(json.dumps, [*mine, {"listing": "x"}])))
    words = ["task=graph", "task.data=local", "task.root=mine.jsonl", "model=oracle", "logger=quiet"]
    assert main(["eval", *words]) == 3
    (run,) = Path("results/runs").glob("*")
    found = results(run)
    assert found["accuracy", "all"]["value"] == 1 and ("bayes", "all") not in found
    assert "row mine:3: has no group and no centre" in (run / "samples.jsonl").read_text()


def test_variants_and_arms_of_ones_own_called_all(workdir):
    one = {"listing": "node a is linked to [node b (likes red)]", "centre": "a"}
    rows = [one | {"group": g, "variant": v, "arm": "all"} for g, v in (("red", "all"), ("blue", "x"))]
    (workdir / "mine.jsonl").write_text("\n".join(map(json.dumps, rows)))
    words = ["task=graph", "task.data=local", "task.root=mine.jsonl", "model=oracle", "logger=quiet"]
    assert main(["eval", *words]) == 0
    (run,) = Path("results/runs").glob("*")
    found = {group: m["n"] for (name, group), m in results(run).items() if name == "accuracy"}
    assert found == {"all": 2, "group all": 2, "x": 1}


def test_files_without_a_row(workdir, capsys):
    (workdir / "mine.jsonl").write_text('{"listing": "x"}')
    assert main(["eval", "task=graph", "task.data=local", "task.root=mine.jsonl", "model=oracle"]) == 2
    assert "no row has listing, centre and group" in capsys.readouterr().err

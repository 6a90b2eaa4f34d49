"""The page "recall against state": models of the zoo by seeds and sequences, apart from all other models."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.leaderboard import curves
from harness.leaderboard.build import build
from harness.leaderboard.figures.svg import number
from harness.store import ingest
from tests.leaderboard.zoo_made import zoo, zoo_run


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("zoo")
    zoo(folder / "results")
    ingest(folder / "results")
    return build(folder / "results", folder / "site").out


def rows(page: str) -> dict[str, list[str]]:
    """Model -> its cells, as text."""
    body = page.partition("<tbody>")[2].partition("</tbody>")[0]
    made = [re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL) for row in body.split("<tr>")[1:]]
    plain = [[re.sub(r"<[^>]+>", "", cell).strip() for cell in cells] for cells in made]
    return {cells[1]: cells for cells in plain}


def test_a_model_is_one_line_with_all_its_seeds(site):
    found = rows((site / "zoo.html").read_text())
    assert list(found) == ["softmax", "based", "window"]
    assert [found[m][3] for m in found] == ["3", "3", "1"]
    assert found["softmax"][-6] == "32,768" and found["based"][-6] == "61,440", "the state after 64 positions"
    assert found["window"][0] == "3" and found["softmax"][0] in ("1", "1–2")
    assert [found[m][-3] for m in found] == ["100k", "50k", "33k"]


def test_figures_of_state_speed_training_and_curves(site):
    page = (site / "zoo.html").read_text()
    for words in ("bytes of state", "tokens a second in prefill", "tokens a second in decoding", "CPU seconds"):
        assert f"against {words}" in page
    assert page.count('class="band') == 12, "two models with seeds, three figures, for desk and phone"
    assert "over training steps of 3 models" in page


def test_no_other_model_shares_a_table_with_them(site):
    for name in ("index.html", "models.html", "methods.html"):
        text = (site / name).read_text().partition("<main")[2].partition("<footer")[0]
        assert "model/softmax" not in text and ">softmax" not in text and "recall-mqar" not in text, name
    assert "tiny" in (site / "models.html").read_text() and "tiny" not in rows((site / "zoo.html").read_text())
    task = (site / "task" / "recall-mqar.html").read_text()
    assert list(rows(task)) == ["softmax", "based", "window"] and "(generated)" in task


def test_a_models_own_page_draws_its_curve(site):
    page = (site / "model" / "based-1.html").read_text()
    assert "Trained on mqar" in page and "cpu seconds" in page and 'class="curve' in page


def test_a_site_without_them_says_how_to_get_them(tmp_path):
    from tests.leaderboard.made import run

    run(tmp_path / "results", "vanilla", 0.6)
    ingest(tmp_path / "results")
    page = (build(tmp_path / "results", tmp_path / "site").out / "zoo.html").read_text()
    assert "No run of a model that is trained here yet" in page


def test_a_steered_run_is_not_a_repetition(tmp_path):
    zoo_run(tmp_path / "results", "softmax", 0, 0.9)
    zoo_run(tmp_path / "results", "window", 0, 0.3)
    from tests.leaderboard.made import run

    steered = {"model_facts": {"mixer": "softmax", "courses": {}}, "task_facts": {"tier": "generated"}}
    run(tmp_path / "results", "pai", 0.1, model="softmax", task="recall", data="mqar", **steered)
    ingest(tmp_path / "results")
    out = build(tmp_path / "results", tmp_path / "site").out
    assert float(rows((out / "zoo.html").read_text())["softmax"][2].split()[0]) > 0.8
    assert "pai" in (out / "task" / "recall-mqar.html").read_text()
    first = (out / "index.html").read_text()
    assert "No runs of language models yet" in first and 'href="zoo.html"' in first


def test_curves_stop_where_a_seed_stops_and_bands_are_over_seeds():
    points = [[{"step": s, "scores": {"a": s + seed}} for s in (0, 1, 2, 4)] for seed in range(3)]
    points[2] = points[2][:3]
    made = curves.curve("m", points)
    assert made is not None and made.steps == [1, 2] and made.value == [2, 3]
    half = number(made.high[0] - made.value[0], 3)
    assert half == number(4.30265 / 3**0.5, 3)
    assert curves.curve("m", [points[0]], "b") is None
    one = curves.curve("m", points[:1])
    assert one is not None and one.low == one.high


def test_show_tells_a_curve_in_a_line(tmp_path, capsys):
    from harness.cli import main

    name = zoo_run(tmp_path / "results", "softmax", 0, 0.9)
    assert main(["show", name, "--results", str(tmp_path / "results")]) == 0
    said = capsys.readouterr().out
    assert "learned mqar score 0.000 at 0, 0.001 at 1" in " ".join(said.split()) and '"curve"' not in said


def test_measured_speeds_are_of_models_that_there_are():
    from harness.leaderboard.zoo import speeds
    from harness.plugins.registry import ROOT
    from harness.zoo.trained import COMMITTED, models

    found = speeds(ROOT / "results")
    assert found and {model for model, _ in found} <= {*models(COMMITTED)}
    assert all(of["prefill"] > of.get("decode", 0) > 0 for of in found.values())

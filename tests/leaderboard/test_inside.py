"""What a site and a terminal show of readings: figures with their words, maps, and what methods change."""

from __future__ import annotations

import base64
import json
import re

import numpy as np
import pytest

from harness.cli import main
from harness.commands.probe import lines
from harness.comparison.inside import Summary
from harness.leaderboard import fields
from harness.leaderboard.build import build
from tests.leaderboard.made import run
from tests.leaderboard.probed import read

IDS = [f"q{i}" for i in range(60)]
METHODS = {"image_attention": 0.0, "pai+image_attention": 0.02, "gift+image_attention": 0.5}
"""Method -> what is added to its readings."""


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, the name of each method's run, and the maps of each."""
    place = tmp_path_factory.mktemp("inside")
    names = {m: run(place / "results", m, 0.6, n=60) for m in METHODS}
    maps = {m: read(place / "results" / "runs" / names[m], METHODS[m], IDS) for m in METHODS}
    run(place / "results", "vanilla", 0.6, n=60)
    build(place / "results", place / "out")
    return place / "out", names, maps


def page(site, kind: str, pattern: str) -> str:
    (path,) = (site[0] / kind).glob(pattern)
    return path.read_text()


def test_a_runs_page_draws_curves_and_heads_and_says_what_they_show(site):
    text = page(site, "run", "quiz-embedded-gift-*")
    (heads,) = re.findall(r'<svg class="field"[^>]*aria-label="([^"]*)"', text)
    assert "4 layers down and 3 heads across, most in layer 2 head 1 (5.500)" in heads
    curve, steps = re.findall(r'<svg class="plot layered"[^>]*aria-label="([^"]*)"', text)
    assert curve.startswith("image over 4 layers, from ") and "in layer 3" in curve and "band" in text
    assert steps.startswith("image over 3 tokens, from 13.5") and "in token 1" in steps and ">token</text>" in text
    assert len(re.findall(r"<tr><th scope=\"row\">[0-3]</th><td>", text)) == 4 + 3, "the curves' numbers are tables"
    assert (
        "image_attention"
        not in page(site, "run", "quiz-embedded-vanilla-*").split("First samples")[0].split("Inside")[-1]
    )
    assert text.count(">head</text>") == 1 and text.count(">layer</text>") == 2, "axes have their names"
    assert not re.search(r"\bstyle=", text)


def test_maps_of_kept_samples_are_what_was_read(site):
    out, names, maps = site
    for method, name in names.items():
        base = out / "data" / "runs" / re.sub(r"[^A-Za-z0-9._]+", "-", name)
        index = json.loads((base / "index.json").read_text())
        assert index["acting"] == (method.partition("+")[0] if "+" in method else "vanilla")
        assert len(index["maps"]) == 3 == len(list((base / "maps").iterdir()))
        for position in index["maps"]:
            (found,) = json.loads((base / "maps" / f"{position}.json").read_text())
            values = (
                np.frombuffer(base64.b64decode(found["data"]), "<u2").reshape(found["shape"]) * found["most"] / 65535
            )
            np.testing.assert_allclose(values, maps[method][f"q{position}"], rtol=2e-3, atol=1e-3)
            assert found["box"] == [0, 0.25, 1, 0.75] and found["layered"]
    assert "maps" not in json.loads(next((out / "data/runs").glob("quiz-embedded-vanilla*/index.json")).read_text())


def test_methods_are_ranked_by_what_they_change(site):
    text = page(site, "probe", "image_attention.html")
    rows = re.findall(r'<tr><th scope="row"><a href="\.\./run/[^"]*">([a-z]+)</a></th><td data-value="([\d.]+)"', text)
    assert [name for name, _ in rows] == ["gift", "pai"]
    assert [float(size) for _, size in rows] == pytest.approx([0.5 / 0.29, 0.02 / 0.29], rel=0.1)
    assert re.search(r"<strong>\+0\.500</strong><span class=\"hidden\"> significant", text)
    assert "+0.000" in text, "first does not change"
    assert text.count('data-sort="number">image<') == 1, "curves over tokens, of the few kept samples, are not ranked"
    assert text.count('aria-label="change of image over 4 layers') == 2
    assert "most changed by gift" in (site[0] / "probes.html").read_text()


@pytest.mark.parametrize("shape", [(1, 1), (32, 32), (80, 64), (3, 200)])
def test_figures_hold_any_number_of_layers_and_heads(shape):
    values = np.random.default_rng(0).random(shape)
    values[0, 0] = np.nan if values.size > 1 else 1.0
    drawn = fields.heads(values, "x", 3)
    assert drawn.count("h") and len(drawn) < 40_000 + 30 * values.size
    nothing = fields.heads(np.full(shape, np.nan), "x", 3)
    assert nothing == "" == fields.curve(np.full(4, np.nan), None, None, "x")
    assert "polyline" in fields.curve(values[:, -1], None, None, "x")


def test_heads_that_speak_against_the_answer_are_named():
    values = np.zeros((4, 3))
    values[1, 2], values[3, 0], values[2, 2] = 5.0, -2.0, np.nan
    drawn = fields.heads(values, "x", 3)
    assert "most in layer 1 head 2 (5.000), " in drawn and drawn.count("least in layer 3 head 0 (-2.000)") == 1
    assert "least" not in fields.heads(np.abs(values), "x", 3)
    said = list(lines([Summary("heads.paths", ("layer", "head"), 3, values)]))
    assert "most (layer.head): 1.2 5, " in said[-2] and said[-1].startswith("  least (layer.head): 3.0 -2, ")


def test_tiny_curves_have_an_axis():
    drawn = fields.curve(np.array([0.0, 3e-12, 1e-12]), None, None, "x")
    said = re.findall(r'text-anchor="end">([^<]*)</text>', drawn)
    assert len(said) == len(set(said)) > 3 and "1e-12" in said


def show(site, capsys, *words: str) -> list[str]:
    name = site[1]["gift+image_attention"]
    assert main(["show", name, "--results", str(site[0].parent / "results"), *words]) == 0
    return capsys.readouterr().out.splitlines()


def test_the_terminal_shows_readings_in_80_columns(site, capsys):
    lines = show(site, capsys, "--probe", "image_attention")
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert re.search(r"image +\d\.\d+ +\[\d\.\d+, \d\.\d+\] +60", text)
    (curve,) = [l for l in lines if "top 3" in l]
    assert "█" in curve and "▁" in curve
    (peak,) = [l for l in lines if l.strip().startswith("2 ") and "⣿" in l]
    assert peak.split()[1].startswith("⠀" * 4 + "⣿" * 4) or "⡀⡀⡀⡀⣿⣿⣿⣿" in peak
    assert "most (layer.head): 2.1 5.5" in text


def test_the_longest_lines_fit():
    """Thirty layers, long names, numbers of many digits, an undefined layer."""
    values = np.array([np.nan, np.nan, *np.linspace(-1.234e-05, 9.876e-05, 28)])  # two layers are one column
    curve = Summary("trace.attention_object_visual_layers", ("layer",), 9, values, values, values)
    number = Summary("p.name_that_is_longer_than_a_column", (), 10**6, *[np.array(-1.234e-05)] * 3)
    units = Summary("sinks.counts", ("unit",), 9, -np.linspace(1.234e-05, 9.876e-05, 6))
    states = Summary("lost.state", ("unit",), 9, np.zeros(64))
    tokens = Summary("rhythm.preplan_steps", ("step",), 9, *[np.linspace(-1.234e-05, 9.876e-05, 200)] * 3)
    made = list(lines([number, curve, units, states, tokens]))
    assert max(map(len, made)) <= 80 and made[3].split() == ["state", "64", "numbers"]
    assert made[-1].endswith("top 200") and "tokens 1 to 200 of kept samples" in made[-2]
    assert any("attention object visual " in line and line.endswith("top 29") for line in made)


def test_the_terminal_gives_json(site, capsys):
    found = json.loads("\n".join(show(site, capsys, "--probe", "image_attention", "--json")))
    assert len(found["image_attention.image_layers"]["mean"]) == 4
    assert found["image_attention.image_heads"]["mean"][2][1] == pytest.approx(5.5)
    assert found["image_attention.image"]["samples"] == 60


@pytest.mark.parametrize(
    ("run_", "probe", "says"),
    [
        ("vanilla", "sinks", "has no readings: play it with a probe, as in method=[vista,sinks]"),
        ("gift+image_attention", "image_atention", "did you mean image_attention"),
    ],
)
def test_readings_that_are_not_there(site, capsys, run_, probe, says):
    results = site[0].parent / "results"
    (name,) = [p.name for p in (results / "runs").glob(f"quiz-embedded-{run_}-*")]
    assert main(["show", name, "--results", str(results), "--probe", probe]) == 2
    err = capsys.readouterr().err
    assert says in err.lower() and err.count("\n") == 1


def test_a_card_has_no_readings(capsys):
    assert main(["show", "method=vista", "--probe", "sinks"]) == 2
    assert "--probe goes with a run" in capsys.readouterr().err

"""What a method's page says beside its results: settings with their meaning, what it runs with, gains on one scale."""

from __future__ import annotations

import re
from dataclasses import replace
from types import SimpleNamespace as Named

import pytest

from harness.leaderboard.method_facts import composition, gains, presets, settings, together
from harness.leaderboard.versus import Pair
from harness.plugins.cards import remarks
from harness.plugins.registry import Registry

METHODS = Registry().methods


def test_every_setting_of_a_shipped_method_is_explained():
    told = {name: [s.name for s in settings(m) if not s.meaning] for name, m in METHODS.items()}
    assert not {name: keys for name, keys in told.items() if keys}, "write a comment behind the default in its YAML"
    (window,) = [s for s in settings(METHODS["snapkv"]) if s.name == "window"]
    assert window.default == 32 and window.meaning.startswith("last tokens of the prompt") and 8 in window.tuned


def test_remarks_stand_behind_values_of_every_form(tmp_path):
    path = tmp_path / "m.yaml"
    path.write_text(
        "card: {title: a}  # not a setting\ndefaults:\n  a: 1  # one\n  b: 'x # y'\n  c: [1, 2]  # a list, #2\n"
        "  d:\n    - 1\n  # of nobody\n  e: {f: 1}   #   mapped  \n  g: null # none\nneutral: {a: 0}  # no\n"
    )
    assert remarks(path) == {"a": "one", "c": "a list, #2", "e": "mapped", "g": "none"}
    path.write_text("defaults: {a: 1}  # of all\n")
    assert remarks(path) == {}
    path.write_text("- a: [")
    assert remarks(path) == {} == remarks(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("vista", "which act in the order they are named. Questions about one picture share nothing"),
        (
            "snapkv",
            "Refused beside delta, gui_kv, h2o, lazyeviction, streaming_llm, stride, window. Not in beam search.",
        ),
        ("vcd", "a second stream"),
        ("agla", "a second stream"),  # it cannot be built without a matching model
        ("iri", "It is calibrated once for each model"),
        ("opera", "^It decodes by itself, and runs beside no other method.$"),
        ("cot", "It runs with local models and servers."),
        ("carve", "It reads attention, which local models alone show."),
        ("vanilla", "^$"),
    ],
)
def test_composition_is_that_of_the_class(name, said):
    assert re.search(said, " ".join(composition(METHODS[name])))


def test_code_of_others_is_not_run():
    assert composition(replace(METHODS["vista"], target="mine.look.Look")) == []


def test_compositions_that_were_played():
    found = [Named(method=m) for m in ("vista", "vista+vcd", "cot+vista", "vcd+cot", "vista2+cot")]
    assert together("vista", found) == ["cot+vista", "vista+vcd"]  # type: ignore[arg-type]


def test_presets_name_their_source():
    (found,) = [p for p in presets(METHODS["vista"]) if (p["model"], p["task"]) == ("llava-1.5", "chair")]
    assert found["values"] == "lam=0.17" and found["source"] == "run_chair.sh of the repository"


def test_gains_point_to_the_right_where_the_method_is_better():
    def row(value, low, high, higher):
        pair = Pair(value, low, high, 0.01, 10, 1, 2)
        return Named(board=Named(higher=higher), row=Named(pair=pair))

    made = gains([row(-0.2, -0.3, -0.1, False), row(-0.1, None, None, True), Named(row=Named(pair=None))])  # type: ignore[list-item]
    assert made is not None and len(made.rows) == 2
    at = [float(re.search(r'cx="([\d.]+)"', g.bar)[1]) for g in made.rows]  # type: ignore[index]
    assert at[0] > 120 > at[1] and "interval" in made.rows[0].bar and "interval" not in made.rows[1].bar
    assert gains([Named(row=Named(pair=None))]) is None  # type: ignore[list-item]
    nan = float("nan")
    assert gains([row(nan, nan, nan, True)]) is None, "imported scores may be no numbers"

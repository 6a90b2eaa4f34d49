"""A method that broke is caught, a change that changes nothing is not: a real method on the embedded model."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from harness.cli import main

PAI = ("task=chair", "method=pai", "method.pai.alpha=0.5")
"""On tiny-llava it lowers CHAIR_i from .162 to .132 and names half an object more a caption."""
BROKEN = {
    "swapped sign": "method.pai.alpha=-0.5",
    "a quarter of the strength": "method.pai.alpha=0.125",
    "wrong layer": "method.pai.start=24",
}
FEW = "limit=100"


def play(words: tuple[str, ...], results: str) -> Path:
    place = Path(results) / "runs"
    before = set(place.glob("*"))
    assert main(["eval", *words, "logger=quiet", f"results={results}"]) == 0
    (new,) = set(place.glob("*")) - before
    return new


@pytest.fixture(scope="module", params=[0, pytest.param(1, marks=pytest.mark.slow)], ids="seed {}".format)
def seed(request) -> int:
    """Each draws other pictures."""
    return request.param


@pytest.fixture(scope="module")
def accepted(tmp_path_factory, seed):
    """A baseline of the method on the draw."""
    place = tmp_path_factory.mktemp("accepted")
    name = play((*PAI, FEW, f"seed={seed}"), str(place)).name
    words = ["--folder", f"{place}/baseline", "--results", str(place), "--reason", "as it should be"]
    assert main(["baseline", "update", name, *words]) == 0
    return place / "baseline"


def verdict(capsys) -> tuple[int, str]:
    capsys.readouterr()
    code = main(["gate", "--baseline", "baseline"])
    return code, capsys.readouterr().out


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_method_is_caught(accepted, seed, workdir, capsys, fault):
    """By what it was there for, and by a budget of changes, which greedy decoding keeps at none."""
    shutil.copytree(accepted, "baseline")
    manifest = json.loads(Path("baseline/manifest.json").read_text())
    (run,) = manifest["runs"]
    run["words"].append(BROKEN[fault])  # the command that is gated, as if its code were broken
    Path("baseline/manifest.json").write_text(json.dumps(manifest))
    play((*PAI, FEW, f"seed={seed}", BROKEN[fault]), "results")
    if fault != "wrong layer":  # late layers still do much of the work: what changes there is not a loss
        Path("gate.yaml").write_text(json.dumps({"checks": [{"score": "mentioned", "delta": 0.1, **UP}]}))
        code, out = verdict(capsys)
        assert code == 1 and out.count("mentioned (all) regressed") == 1
    Path("gate.yaml").write_text(json.dumps({"checks": [{"changes": 0}]}))
    code, out = verdict(capsys)
    assert code == 1 and out.count("regressed") == 1 and out.count("changed, 0 allowed") == 1


UP = {"higher_is_better": True}


def test_a_change_without_effect_passes(accepted, seed, workdir, capsys):
    """Other batches, no shared prefixes: the same captions under the strictest policy."""
    shutil.copytree(accepted, "baseline")
    play((*PAI, FEW, f"seed={seed}", "batch_size=7"), "results")
    Path("gate.yaml").write_text(json.dumps({"checks": [{"delta": 0.0}, {"changes": 0}]}))
    code, out = verdict(capsys)
    assert code == 0 and out.count("identical") == 2


def test_a_worse_score_needs_no_budget(workdir, capsys):
    """The swapped sign costs six points of CHAIR_i over all 200 pictures, and its fixing gains them."""
    good = play(PAI, "results").name
    bad = play((*PAI, BROKEN["swapped sign"]), "results").name
    capsys.readouterr()
    assert main(["gate", "--baseline", good, "--candidate", bad]) == 1
    assert "hallucinated/mentioned (all) regressed: -0.0" in capsys.readouterr().out
    assert main(["gate", "--baseline", bad, "--candidate", good]) == 0
    assert "improved" in capsys.readouterr().out

"""What of a run's words counts as its settings, wherever runs are told apart."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from harness.cli import main
from harness.comparison import by_hand
from harness.core import UsageError
from harness.gate.history import history
from harness.leaderboard.board import boards, entries
from harness.runs.stored import select
from harness.store import Store


def test_words_that_change_what_is_asked_or_answered():
    words = ["task=pope", "+method.vcd.alpha=3", "task.data=coco", "task.root=/d", "task.suffix='Is_the_root?'"]
    words += ["model.path=/m", "model.device=cpu", "model.dtype=bfloat16", "seed=1"]
    kept = ["method.vcd.alpha=3", "task.suffix='Is_the_root?'", "model.dtype=bfloat16"]
    assert by_hand.words({"overrides": words}) == kept
    assert [w for w in kept if not by_hand.of_model(w)] == kept[:2]
    assert by_hand.words({}) == []


def test_settings_of_models_are_those_that_there_are():
    folder = Path(by_hand.__file__).parents[1] / "config" / "model"
    known = {k for name in ("hf", "openai") for k in yaml.safe_load((folder / f"{name}.yaml").read_text())}
    assert set(by_hand.OF_MODELS) <= known
    elsewhere = ["path", "name", "device", "base_url", "concurrency", "timeout", "price_in", "id_field", "of"]
    assert not any(by_hand.of_model(f"model.{name}=1") for name in elsewhere)
    assert by_hand.of_model("model.extra.top_k=1")


def test_runs_of_other_settings_share_no_series_and_no_base(workdir):
    play = ["eval", "task=pope", "limit=36", "logger=quiet"]
    for words in ([], ["method=vcd"], ["method=vcd", "method.vcd.beta=0.2"], ["model.dtype=bfloat16"], ["seed=1"]):
        assert main([*play, *words]) == 0, words
    both = "method=[vcd,icd]"
    for name in ("vcd", "icd"):
        assert main([*play, both, f"method.{name}.alpha=3"]) == 0
    with Store(Path("results")) as store:
        first, second = sorted(boards(entries(store)), key=lambda b: len(b.entries))
    assert [e.row["seed"] for e in first.entries] == [1] and first.mark == "draw 1"
    assert second.newest("tiny-llava")["vanilla"].variant == ()
    labels = sorted((e.method, e.settings) for e in second.entries)
    assert labels == [
        ("vanilla", ""),
        ("vanilla", "model.dtype=bfloat16"),
        ("vcd", ""),
        ("vcd", "beta=0.2"),
        ("vcd+icd", "method.icd.alpha=3"),
        ("vcd+icd", "method.vcd.alpha=3"),
    ]
    series = [s for s in history(Path("results"), "pope") if s.kind != "seconds"]
    assert len(series) == 7 and all(len(s.points) == 1 for s in series)


def test_a_method_is_named_once(workdir, capsys):
    assert main(["eval", "task=pope", "limit=36", "method=[vcd,vcd]"]) == 2
    assert "names vcd twice" in capsys.readouterr().err
    assert not Path("results").exists()


@pytest.mark.parametrize("word", ["status=finished", "seed=x", "limit=abc"])
def test_a_filter_that_fits_no_run_is_refused(tmp_path, word):
    with pytest.raises(UsageError, match=r"unknown status: finished|is a whole number"):
        select(tmp_path, [word])


def test_weights_are_trained_on_by_their_own_recipe_alone(workdir, capsys):
    train = ["zoo", "train", "mixer=softmax", "task=recall", "as=tried", "steps=4", "batch=4", "examine=2", "out=zoo"]
    assert main(train) == 0
    assert main(train) == 0
    capsys.readouterr()
    assert main([*train, "rate=0.1"]) == 2
    assert "was trained with another rate: give another name (as=NAME)" in capsys.readouterr().err
    shutil.rmtree("zoo")
    assert main([*train, "rate=0.1"]) == 0

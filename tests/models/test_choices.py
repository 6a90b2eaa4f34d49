"""`decoding=choices`: one pass over the prompt decides among the answers that the task allows."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from harness.checks.zoo import sample, view
from harness.cli import main
from harness.core import Decoding, UsageError
from harness.embedded.tiny_llava import WEIGHTS
from harness.models.hf.choices import tokens_of
from harness.models.hf.model import HFModel
from harness.runs.journal import read
from harness.steering import generate
from harness.steering.token_choice import EXCLUDED, Select
from tests.methods.made import made
from tests.steering.probes import Scale
from tests.tasks.vqa.made import row, written

CHOICES = Decoding("choices")
POPE = ("eval", "task=pope", "limit=36", "batch_size=12", "logger=quiet")


def stored(folder="results"):
    """Record and rows of each run, by its decoding and method."""
    found = {}
    for path in Path(folder).glob("runs/*/run.json"):
        record = json.loads(path.read_text())
        method = "+".join(record["config"]["method"])
        found[record["decoding"]["strategy"], method] = record, {r.id: r for r in read(path.parent / "samples.jsonl")}
    return found


def test_the_answers_are_those_of_greedy_in_one_token_and_the_record_says_so(workdir, capsys):
    for words in (["decoding=greedy"], ["decoding=choices"], ["decoding=choices", "method=vcd"]):
        assert main([*POPE, *words]) == 0
    runs = stored()
    (greedy, written), (record, rows) = runs["greedy", "vanilla"], runs["choices", "vanilla"]
    assert {r.outcome.answer for r in written.values()} == {"Yes", "No"}
    assert {i: r.outcome.answer for i, r in rows.items()} == {i: r.outcome.answer.lower() for i, r in written.items()}
    assert {(r.new_tokens, r.finish) for r in rows.values()} == {(1, "stop")}
    assert record["decoding"]["strategy"] == record["identity"]["decoding"]["strategy"] == "choices"
    assert record["identity"]["answers"] != greedy["identity"]["answers"]
    assert record["work"]["passes"] < greedy["work"]["passes"]
    assert {r.outcome.answer for r in runs["choices", "vcd"][1].values()} == {"yes", "no"}
    capsys.readouterr()
    names = [r["run"] for r in (greedy, record)]
    assert main(["compare", *names, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["paired"] == 36


def test_an_interrupted_run_continues_with_the_same_answers(workdir, monkeypatch):
    assert main([*POPE, "decoding=choices", "results=whole"]) == 0
    answer, asked = HFModel.answer, Counter()

    def interrupted(self, calls, decoding):
        if asked["batches"] == 1:
            raise KeyboardInterrupt
        asked["batches"] += 1
        return answer(self, calls, decoding)

    monkeypatch.setattr(HFModel, "answer", interrupted)
    assert main([*POPE, "decoding=choices"]) == 130
    (journal,) = Path("results/runs").glob("*/samples.jsonl")
    begun = {r.id for r in read(journal)}
    assert 0 < len(begun) < 36
    monkeypatch.setattr(HFModel, "answer", answer)
    assert main([*POPE, "decoding=choices"]) == 0
    (_, one), (_, two) = stored("whole")["choices", "vanilla"], stored()["choices", "vanilla"]
    assert {i: r.outcome for i, r in one.items()} == {i: r.outcome for i, r in two.items()}


def test_letters_of_each_questions_own_options_are_chosen(workdir):
    """The prompts are equal, so that only the options tell the two calls apart."""
    rows = [row("A", options=["red", "blue"]), row("A", options=["red", "blue", "green"])]
    written(Path("mine/q.jsonl"), rows)
    words = ["eval", "task=vqa", "task.root=mine", "task.prompt={question}", "logger=quiet", "model=tiny-llava"]
    assert main([*words, "decoding=choices"]) == 0
    record, rows = stored()["choices", "vanilla"]
    assert all(r.outcome.answer in r.outcome.details["options"] for r in rows.values())
    assert record["counts"]["asked"] == 2


def test_stored_answers_are_scored_anew_only_while_the_choices_are_those(workdir):
    words = ["eval", "task=vqa", "task.root=mine", "task.prompt={question}", "logger=quiet", "model=tiny-llava"]
    came = []
    for right, options in (("B", ["red", "blue"]), ("A", ["red", "blue"]), ("A", ["red", "blue", "green"])):
        written(Path("mine/q.jsonl"), [row(right, options=options)])
        before = set(Path("results/runs").glob("*/run.json"))
        assert main([*words, "decoding=choices"]) == 0
        (new,) = set(Path("results/runs").glob("*/run.json")) - before
        came.append("rescored_from" in {k for k, v in json.loads(new.read_text()).items() if v})
    assert came == [False, True, False]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["task=chair"], "task=chair states no choices"),
        (["task=vqa", "task.root=mine"], "task=vqa states no choices"),
        (["method=opera"], "method=opera decodes by itself: use decoding=greedy"),
        (["method=cot"], "method=cot asks questions of its own, whose answers are free text: leave decoding=choices"),
        (["model=openai", "model.name=m", "model.base_url=http://h/v1"], "a chat server cannot decide among choices"),
        (["model=oracle"], "model=oracle cannot decide in one pass"),
        (["decoding.max_new_tokens=3"], "unknown setting decoding.max_new_tokens"),
    ],
)
def test_what_cannot_decide_in_one_pass_is_refused_in_one_line(workdir, capsys, words, message):
    written(Path("mine/q.jsonl"), [row("red"), row("blue")])
    assert main(["eval", "task=pope", "limit=18", "logger=quiet", "decoding=choices", *words]) == 2
    out = capsys.readouterr().err.strip().splitlines()
    assert len(out) == 1 and message in out[0]


@pytest.mark.parametrize("more", [{"max_new_tokens": 3}, {"extra": {"min_p": 0.1}}])
def test_settings_of_writing_are_refused(more):
    with pytest.raises(UsageError, match=f"leave decoding.{next(iter(more))} out"):
        Decoding("choices", **more)


def test_methods_act_on_the_pass_and_batches_change_nothing():
    v = view("llava")
    batch = [sample("llava", 0, length=4), sample("llava", 1, length=9, picture=2)]
    plain = generate(v, batch, (), Decoding(), 1, [0, 0], keep_scores=True)
    among = [one.scores[0].topk(40).indices.tolist() for one in plain]

    def chosen(methods, samples=batch, among=among):
        return [g.tokens for g in generate(v, samples, methods, CHOICES, 9, [0] * len(samples), among=among)]

    assert chosen(()) == [one.tokens for one in plain]
    low = [a[1:] for a in among]
    assert chosen((), among=low) == [[a[0]] for a in low]
    assert chosen([Scale("logits", -2.0)]) == [[a[-1]] for a in among]  # turned around
    for methods in ([made("vcd", beta=0.0)], [made("vista", lam=0.5)]):
        alone = [chosen(methods, [s], [a])[0] for s, a in zip(batch, among, strict=True)]
        assert chosen(methods) == alone


def pick(z, raw, among):
    kept = {"methods": (), "view": SimpleNamespace(dtype=torch.float32)}
    batch = SimpleNamespace(size=len(z), blocks=[0], beams=1, streams={}, step=0, _raw=None, sampled=False, **kept)
    select = Select(batch, CHOICES, [0] * len(z), False, among=among)
    batch._raw = torch.tensor(raw)
    return select._pick(torch.tensor(z)).tolist()


LOGIT = st.one_of(st.floats(-9, 9, width=32), st.sampled_from([-torch.inf, EXCLUDED]))


@given(st.data())
def test_it_is_one_of_the_choices_and_greedys_token_where_that_is_one(data):
    size, width = data.draw(st.integers(1, 3)), 8
    z = [data.draw(st.lists(LOGIT, min_size=width, max_size=width)) for _ in range(size)]
    raw = [data.draw(st.lists(st.floats(-9, 9, width=32), min_size=width, max_size=width)) for _ in range(size)]
    among = [data.draw(st.lists(st.integers(0, width - 1), min_size=1, unique=True)) for _ in range(size)]
    for own, plain, tokens, token in zip(z, raw, among, pick(z, raw, among), strict=True):
        assert token in tokens
        best = [i for i, x in enumerate(own) if x == max(own)]
        if len(best) == 1 and best[0] in tokens:
            assert token == best[0]
        tied = [i for i in tokens if own[i] == max(own[j] for j in tokens)]
        assert plain[token] == max(plain[i] for i in tied)


def test_words_count_in_any_case_and_letters_as_they_are():
    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS)
    for choices in (("yes", "no"), ("A", "B", "C", "D")):
        found = tokens_of(tokenizer, choices, "m")
        for token, choice in found.items():
            said = tokenizer.decode([token]).strip()
            assert said == choice if len(choice) == 1 else said.lower() == choice
        assert set(found.values()) == set(choices)
    assert len(tokens_of(tokenizer, ("yes",), "m")) > 1  # " Yes" beside "Yes"
    with pytest.raises(UsageError, match="model=m has no single token for the choice 'perhaps'"):
        tokens_of(tokenizer, ("yes", "perhaps"), "m")
    with pytest.raises(UsageError, match="the choices 'yes' and 'Yes' have one token"):
        tokens_of(tokenizer, ("yes", "Yes"), "m")

"""`decoding.extra.NAME=VALUE`: what transformers and servers take beside what the harness sets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from harness.cli import main
from harness.core import Decoding, Model, UsageError
from harness.embedded.tiny_llava import WEIGHTS
from harness.models.hf.extra import check
from harness.plugins.registry import Registry
from harness.runs.journal import read
from tests.models.openai.local import play, said, serving

TINY = ("eval", "task=pope", "limit=18", "task.splits=[random]", "logger=quiet")


def runs():
    found = {}
    for path in Path("results/runs").glob("*/run.json"):
        record = json.loads(path.read_text())
        words = " ".join(w for w in record["config"]["overrides"] if w.startswith(("decoding", "batch_size")))
        found[words] = record, {r.id: r.outcome.answer for r in read(path.parent / "samples.jsonl")}
    return found


def test_arguments_reach_generate_and_are_recorded(workdir, capsys):
    vocabulary = AutoTokenizer.from_pretrained(WEIGHTS).get_vocab()
    yes = sorted(i for token, i in vocabulary.items() if "yes" in token.lower())
    suppress = f"decoding.extra.suppress_tokens={json.dumps(yes).replace(' ', '')}"
    for words in ([], [suppress]):
        assert main([*TINY, *words]) == 0
    found = runs()
    record, answers = found[""]
    assert "extra" not in record["decoding"] and "extra" not in record["identity"]["decoding"]
    assert "Yes" in answers.values()
    record, answers = found[suppress]
    assert record["decoding"]["extra"] == record["identity"]["decoding"]["extra"] == {"suppress_tokens": yes}
    assert "Yes" not in answers.values()
    capsys.readouterr()
    assert main(["show", record["run"]]) == 0
    assert '"suppress_tokens": [' in capsys.readouterr().out


def test_a_sample_gets_the_same_answer_alone_and_in_a_batch(workdir):
    penalty = "decoding.extra.repetition_penalty=1.2"
    main([*TINY, penalty])
    main([*TINY, penalty, "batch_size=1", "seed=0", "results=alone"])
    (one,) = Path("results/runs").glob("*/samples.jsonl")
    (two,) = Path("alone/runs").glob("*/samples.jsonl")
    assert [r.outcome for r in sorted(read(one), key=lambda r: r.id)] == [
        r.outcome for r in sorted(read(two), key=lambda r: r.id)
    ]


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ({"repetition_penality": 1.2}, "did you mean repetition_penalty"),
        ({"top_p": 0.5}, "is set by the harness: give decoding=nucleus decoding.top_p="),
        ({"max_new_tokens": 5}, "give decoding.max_new_tokens="),
        ({"min_p": 0.5}, "is set or ruled out by the harness"),
        ({"no_repeat_ngram_size": "two"}, "must be a whole number"),
        ({"repetition_penalty": "high"}, "must be a number"),
        ({"remove_invalid_values": 1}, "must be true or false"),
        ({"length_penalty": 2}, "acts on beams alone"),
    ],
)
def test_arguments_that_are_refused(extra, says):
    with pytest.raises(UsageError, match=says):
        check(Decoding(extra=extra))


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["decoding.extra.repetition_penality=1.2"], "did you mean repetition_penalty"),
        (["decoding.extra=3"], "decoding.extra=3 must be"),
        (["model=oracle", "decoding.extra.min_length=2"], "model=oracle generates nothing"),
        (["model=openai", "model.name=m", "model.base_url=http://h/v1", "decoding.extra.stop=x"], "set by the harness"),
        (["method=opera", "decoding.extra.min_length=2"], "method=opera decodes by itself: leave decoding.extra out"),
    ],
)
def test_what_is_refused_is_one_line(workdir, capsys, words, says):
    assert main([*TINY, *words]) == 2
    err = capsys.readouterr().err
    assert says in err and len(err.strip().splitlines()) == 1


def test_a_field_that_model_extra_sets_is_refused():
    server = Registry().models["openai"].build(name="m", base_url="http://h/v1", extra={"top_k": 1})
    assert isinstance(server, Model)
    server.accept(Decoding(extra={"min_p": 0.1}))
    with pytest.raises(UsageError, match=r"top_k is set by model\.extra"):
        server.accept(Decoding(extra={"top_k": 2}))


def test_fields_are_sent_to_a_server(workdir, monkeypatch):
    pytest.importorskip("httpx")
    pytest.importorskip("tenacity")
    with serving(lambda body, n: said("Yes")) as served:
        assert (
            play(served, "decoding.extra.min_p=0.1", "decoding.extra.chat_template_kwargs={enable_thinking: false}")
            == 0
        )
    assert {b["min_p"] for b in served.bodies} == {0.1}
    assert served.bodies[0]["chat_template_kwargs"] == {"enable_thinking": False}

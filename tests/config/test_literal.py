"""Values as they are typed on the command line."""

from __future__ import annotations

import json
import shlex

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import example, given
from hypothesis import strategies as st

from harness.config.compose import run
from harness.config.literal import literal, quoted
from harness.config.settings import Setting
from harness.core import UsageError
from harness.plugins.build import build_task

KNOWN = {
    "text": [Setting("text", "x")],
    "empty": [Setting("empty", "")],
    "seed": [Setting("seed", 0)],
    "batch_size": [Setting("batch_size", "auto")],
    "stop_early": [Setting("stop_early", False)],
    "plugins": [Setting("plugins", [])],
    "extra": [Setting("extra", {})],
    "mixed": [Setting("mixed", "x"), Setting("mixed", 3)],
}
BASE = ["task=pope", "model=oracle"]


def composed(*words: str) -> dict:
    found: list[dict] = []
    assert run([*BASE, *words], lambda config: found.append(config) or 0) == 0
    (config,) = found
    return config


def fail(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("method=vista,vcd", r"write method=\[vista,vcd\] for a list, or sweep over them by -m"),
        ("task.suffix=${HOME}", r"names another setting; for the text itself write \\\$"),
        ('task.splits={"a": 1}', r"a.: 1. is unknown: choose from random"),
    ],
)
def test_what_cannot_be_read_says_what_to_write(word, says):
    with pytest.raises(UsageError, match=says):
        assert run([*BASE, word], lambda config: bool(build_task(config["task"])), fail) == 0


@pytest.mark.parametrize(
    ("word", "wanted"),
    [
        ("text=12", "text='12'"),
        ("text=42e1839", "text='42e1839'"),
        ("text=a, b=(c) #d", "text='a, b=(c) #d'"),
        ("text=it's", r"text='it\'s'"),
        ("text='12'", "text='12'"),
        ('text="a, b"', 'text="a, b"'),
        ("text='a' or 'b'", r"text='\'a\' or \'b\''"),
        ("text=null", "text=null"),
        ("empty=", "empty="),
        ("seed=3", "seed=3"),
        ("batch_size=4", "batch_size=4"),
        ("batch_size=auto", "batch_size='auto'"),
        ("stop_early=true", "stop_early=true"),
        ("stop_early=42e1839", "stop_early='42e1839'"),
        ("plugins=a,b", "plugins=[a,b]"),
        ("plugins=[a,b]", "plugins=[a,b]"),
        ("plugins=['a b', 'c']", "plugins=['a b','c']"),
        ("extra={'a': True, 'b': [None, 'x']}", "extra={a:true,b:[null,'x']}"),
        ("extra={'a': {1}}", "extra={'a': {1}}"),
        ('text={"a": 1}', "text='{\"a\": 1}'"),
        ("mixed=1,2", "mixed=1,2"),
        ("unknown=1e5", "unknown=1e5"),
    ],
)
def test_one_value(word, wanted):
    assert literal(word, KNOWN, sweep=False) == {wanted: word}


def test_a_sweep_lists_values():
    assert literal("text=a(1),'b, c',3", KNOWN, sweep=True) == {
        "text='a(1)'": "text=a(1)", "text='b, c'": "text='b, c'", "text='3'": "text=3",
    }  # fmt: skip
    assert literal("text=choice(a,b)", KNOWN, sweep=True) == {"text=choice(a,b)": "text=choice(a,b)"}
    assert literal("seed=1,2", KNOWN, sweep=True) == {"seed=1,2": "seed=1,2"}


@pytest.mark.parametrize("word", ["seed=", "text=", "stop_early=", "plugins="])
def test_an_empty_variable_is_named(word):
    with pytest.raises(UsageError, match=f"^{word} must be .* is a shell variable unset"):
        literal(word, KNOWN, sweep=False)


@given(st.text(st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="$"), min_size=1))
@example("\\")
@example("\\'")
@example("a\\\\")
@example("a\nb\\\n")
@example("题目 (1) {x: [y]} #~= ,")
@example("True")
def test_any_text_arrives_as_it_is(text):
    parser = OverridesParser.create()
    assert parser.parse_override(f"text={quoted(text)}").value() == text
    if not (text.lower() == "null" or (len(text) > 1 and text[0] == text[-1] and text[0] in "'\"")):
        (word,) = literal(f"text={text}", KNOWN, sweep=False)
        assert parser.parse_override(word).value() == text


@pytest.mark.parametrize("text", ["题目 (1) {x: [y]} #~= ,", "42e1839", "True", "a\\", 'it\'s "so"'])
def test_texts_are_composed_and_stored_as_typed(text):
    config = composed(f"task.suffix={text}", f"task.root={text}", "task.data=local")
    assert (config["task"]["suffix"], config["task"]["root"]) == (text, text)
    assert f"task.suffix={text}" in config["overrides"]  # so that it can be played again


def test_a_sweep_over_texts_runs_each_and_stores_it_as_typed(workdir):
    found: list[dict] = []
    words = [*BASE, "-m", "task.suffix=题目 #1,'a, b',42e1839", "seed=0,1"]
    assert run(words, lambda config: found.append(config) or 0) == 0
    assert [c["task"]["suffix"] for c in found[::2]] == ["题目 #1", "a, b", "42e1839"]
    assert [c["overrides"][2] for c in found[::2]] == [f"task.suffix={t}" for t in ("题目 #1", "'a, b'", "42e1839")]


def test_json_for_a_mapping():
    kwargs = {"enable_thinking": False}
    extra = {"chat_template_kwargs": kwargs, "stop": ["a, b", "it's"], "top_k": 1, "p": 0.5, "n": None}
    words = ["model=openai", "model.base_url=http://127.0.0.1:9/v1?a=b", "model.name=m"]
    config = composed(*words, f"model.extra={json.dumps(extra)}")
    assert config["model"]["extra"] == extra and config["model"]["base_url"].endswith("?a=b")
    assert composed(*words, "model.extra={top_k: 1}")["model"]["extra"] == {"top_k": 1}
    with pytest.raises(UsageError, match="the name 'a b' cannot be written on the command line"):
        composed(*words, 'model.extra={"a b": 1}')


def test_what_cannot_be_read_shows_the_quoted_form(capsys):
    with pytest.raises(UsageError) as error:
        run(["task=lm_eval", "task.name=x", "model=oracle", "task.metadata.tokenizer=题目"], lambda _: 0)
    text = str(error.value)
    assert "quote the value" in text and "\n" not in text
    (word,) = shlex.split(text.partition("for example ")[2])
    found: list[dict] = []
    assert run(["task=lm_eval", "task.name=x", "model=oracle", word], lambda c: found.append(c) or 0) == 0
    assert found[0]["task"]["metadata"] == {"tokenizer": "题目"}

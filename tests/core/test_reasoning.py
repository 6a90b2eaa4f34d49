"""Thinking is taken off every form of answer, and nothing else is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.reasoning import TAG, answered, wrapped

PAIRS = [
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<THOUGHT>", "</THOUGHT>"),
    ("<reasoning>", "</reasoning>"),
    ("<seed:think>", "</seed:think>"),
    ("<longcat_think>", "</longcat_think>"),
    ("[THINK]", "[/THINK]"),
    ("◁think▷", "◁/think▷"),
    ("<|channel>thought\n", "<channel|>"),
    ("<|open|>think<|sep|>", "<|close|>think<|sep|>"),
    ("<unused94>thought\n", "<unused95>"),
    ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|begin_of_thought|>", "<|end_of_thought|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),
    ("Here is my thought process:", "Here is my response:"),
    ("<|channel|>analysis<|message|>", "<|end|><|start|>assistant<|channel|>final<|message|>"),
    ("analysis", "assistantfinal"),
]


@pytest.mark.parametrize(("start", "end"), PAIRS)
def test_every_family(start, end):
    assert answered(f"{start}Is it? No.{end}\n\nYes") == "Yes"
    assert answered(f"{start}Is it? No.\nNo!") == "", "an unclosed block has no answer yet"
    if start != "analysis":
        assert answered(f"Is it? No.{end} Yes") == "Yes", "the template opened it"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("<think>a</think>b<think>c</think> d", "b d"),
        ("<think>use <think> tags</think> Yes", "Yes"),
        ("<think>the </think> tag</think> Yes", "Yes"),
        ("<think></think>\n\nYes", "Yes"),
        ("<think>a</thinking>Yes", "Yes"),
        ("Yes <think>or no", ""),
        ("<thi<think>x</think>nk>y", ""),
        ("<|channel|>commentary<|message|>x<|end|><|start|>assistant<|channel|>final<|message|>Yes<|return|>", "Yes"),
        ("<|start|>assistant<|channel|>final <|constrain|>json<|message|>{}<|return|>", "{}"),
        ("analysisWe need to say yes.assistantcommentary x assistantfinalYes", "Yes"),
        ("<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>Yes<|END_RESPONSE|>", "Yes"),
        ("<|begin_of_thought|>a<|end_of_thought|><|begin_of_solution|>Yes<|end_of_solution|>", "Yes"),
        ("<|open|>think<|sep|>a<|close|>think<|sep|><|open|>response<|sep|>Yes<|close|>response<|sep|>", "Yes"),
    ],
)
def test_odd_ones(text, left):
    assert answered(text) == left


@pytest.mark.parametrize(
    "text",
    [
        *("", " Yes\n", "I think so.", "a < think > b", "x<y", "analysis: assistantfinal", "[think]", "<answer>"),
        *("Here it is", 'click("<button>")', "<p>thinking</p>", "final", "The analysis", "<|im_end|>", "1 < 2 > 0"),
    ],
)
def test_other_texts_stay_as_they_are(text):
    assert answered(text) is text


@given(st.text())
def test_texts_without_tags_stay(text):
    if not TAG.search(text) and "<|channel|>" not in text and not text.lstrip().startswith("analysis"):
        assert answered(text) is text


PIECES = st.sampled_from([*(p for pair in PAIRS for p in pair), "Yes", " ", "<thi", "nk>", "\n", "no"])


@given(st.lists(PIECES, max_size=9).map("".join))
def test_twice_is_once_and_no_tag_is_left(text):
    left = answered(text)
    assert answered(left) == left and not TAG.search(left)


@given(st.lists(PIECES, max_size=6).map("".join), st.text(alphabet="ab <>", max_size=9))
def test_thinking_that_a_server_gives_apart(thinking, text):
    expected = text if text == text.strip() else text.strip()
    found = answered(wrapped(thinking, text))
    assert found in (text, expected)

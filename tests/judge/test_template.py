"""Prompts of a judge: files with named placeholders and the verdicts that they ask for."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.core import UsageError
from harness.judge.template import FIELDS, builtin, parsed, read

HEAD = "---\nverdicts: {good: 1, bad: 0}\n---\n"


def test_the_built_in_prompts_can_be_used():
    assert builtin() == ["correctness", "pairwise"]
    one, pair = read("correctness"), read("pairwise")
    assert one.verdicts == {"correct": 1, "incorrect": 0} and not one.pairwise
    assert pair.verdicts == {"A": 1, "B": 0, "tie": 0.5} and pair.pairwise
    assert one.fields == {"question", "reference", "answer"}
    assert not one.text.startswith("---")


@settings(max_examples=30)
@given(st.fixed_dictionaries({k: st.text() for k in FIELDS}))
def test_values_are_filled_in_once(values):
    """An answer that looks like a placeholder or like another tag stays what it is."""
    made = parsed("x", f'{HEAD}1{{question}}2{{reference}}3{{answer}}4 {{"json": 1}}', "x")
    expected = f'1{values["question"]}2{values["reference"]}3{values["answer"]}4 {{"json": 1}}'
    assert made.filled(values) == expected


def test_a_file_of_ones_own(tmp_path):
    path = tmp_path / "mine.md"
    path.write_text("---\nverdicts: {yes: 1, no: 0, partly: 0.5}\n---\nIs {answer} polite?\n")
    made = read(str(path))
    assert made.name == "mine" and made.text == "Is {answer} polite?"
    assert made.verdicts == {"yes": 1, "no": 0, "partly": 0.5}, "YAML reads yes and no as switches"
    before = made.digest
    path.write_text(path.read_text().replace("0.5", "0.6"))
    assert read(str(path)).digest != before


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Is {answer} right?", "must begin with ---"),
        ("---\nverdicts: [a\n---\n{answer}", "not valid YAML"),
        ("---\nverdicts: {good: 1, fair: 0.5, good: 0}\n---\n{answer}", "good stands twice: leave one out"),
        ("---\nverdicts: {good: 1}\n---\n{answer}", "needs two verdicts or more"),
        ("---\nverdicts: {good: 2, bad: 0}\n---\n{answer}", "verdict good is worth 2: give a number from 0 to 1"),
        ("---\nverdicts: {good: .nan, bad: 0}\n---\n{answer}", "give a number from 0 to 1"),
        ("---\nverdicts: {good: 1, Good: 0}\n---\n{answer}", "verdict 'Good' must be a word of its own"),
        (f"{HEAD}{{answr}}", "unknown placeholder {answr}: did you mean answer"),
        (f"{HEAD}{{question}}", "shows the judge no answer"),
        (f"{HEAD}{{answer_a}}", "shows the judge no answer"),
        (f"{HEAD}{{answer}} {{answer_a}} {{answer_b}}", "a prompt grades or compares"),
    ],
)
def test_what_cannot_be_used_is_one_line(text, says):
    with pytest.raises(UsageError) as e:
        parsed("x", text, "judge.prompt=x.md")
    assert says in str(e.value) and str(e.value).startswith("judge.prompt=x.md") and "\n" not in str(e.value)


def test_a_prompt_that_is_not_there():
    with pytest.raises(UsageError, match="nor a built-in prompt: did you mean correctness"):
        read("corectness")

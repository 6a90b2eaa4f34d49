"""A judge's reply: its verdict where it is clear, and nothing where it is not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judge.verdict import read

GRADES = {"correct": 1.0, "incorrect": 0.0}
PAIR = {"A": 1.0, "B": 0.0, "tie": 0.5}
SWITCH = {"yes": 1.0, "no": 0.0}


@pytest.mark.parametrize(
    ("text", "verdicts", "word"),
    [
        ("Reason: same city.\nVerdict: correct", GRADES, "correct"),
        ("Reason: another city.\nVerdict: incorrect.", GRADES, "incorrect"),
        ("**Verdict:** Correct", GRADES, "correct"),
        ("VERDICT: **INCORRECT**\n", GRADES, "incorrect"),
        ('{"reason": "same", "verdict": "correct"}', GRADES, "correct"),
        ("The verdict is: correct\nVerdict: correct", GRADES, "correct"),
        ("Correct.", GRADES, "correct"),
        ("Verdict: correct (it names the city)", GRADES, "correct"),
        ("Verdict: A", PAIR, "A"),
        ("Verdict: **B** - it is shorter", PAIR, "B"),
        ("Verdict: Answer B", PAIR, "B"),
        ("Verdict: the answer is A", PAIR, "A"),
        ("Verdict: Tie", PAIR, "tie"),
        ("Yes", SWITCH, "yes"),
        ("Verdict: no", SWITCH, "no"),
        # not clear
        ("Verdict: correct or incorrect", GRADES, None),
        ("Verdict: not correct", GRADES, None),
        ("Verdict: correct/incorrect", GRADES, None),
        ("Verdict: correct? No, incorrect", GRADES, None),
        ("Verdict: partially correct", GRADES, None),
        ("Verdict: correct\nWait.\nVerdict: incorrect", GRADES, None),
        ("Verdict:", GRADES, None),
        ("The answer is correct in that it names the city", GRADES, None),
        ("Verdict: a tie", PAIR, None),
        ("Verdict: a draw", PAIR, None),
        ("Verdict: A or B", PAIR, None),
        ("Verdict: B is better than A", PAIR, None),
        ("Verdict: no idea", SWITCH, None),
        ("", GRADES, None),
    ],
)
def test_verdicts(text, verdicts, word):
    found = read(text, verdicts)
    assert found.word == word
    assert found.value == (None if word is None else verdicts[word])


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("Reason: same city.\nVerdict: correct", "same city."),
        ("Verdict: correct\nReason: same\n city.", "same city."),
        ('{"reason": "same city", "verdict": "correct"}', "same city"),
        ("It names the city.\nVerdict: correct", "It names the city."),
    ],
)
def test_reasons(text, reason):
    assert read(text, GRADES).reason == reason


@given(
    st.text() | st.lists(st.sampled_from(["Verdict", ":", "correct", "in", "\n", "*", "Reason: ", " or "])).map("".join)
)
def test_every_reply_is_read(text):
    for verdicts in (GRADES, PAIR, SWITCH):
        found = read(text, verdicts)
        assert (found.word is None) == (found.value is None)
        assert found.word is None or found.word.lower() in text.lower()


@given(st.sampled_from(sorted(GRADES)), st.text(alphabet="abc .,", max_size=20))
def test_what_was_asked_for_is_read(word, reason):
    found = read(f"Reason: {reason}\nVerdict: {word}", GRADES)
    assert found.word == word and found.reason == " ".join(reason.split()).strip(" ,")

"""Beside test_parsers.py: more answers from real models, and VCD's rule as a property."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.tasks.pope.parsers import PARSERS, doubtful, unparsed

# answer: official, opera, (vcd with label yes, vcd with label no), unparsed
CASES = {
    "Yes, no doubt": ("no", "no", ("yes", "no"), False),
    "Yes. There is no cat": ("yes", "no", ("yes", "no"), False),
    "nope": ("yes", "yes", ("no", "no"), True),
    "cannot tell": ("yes", "yes", ("no", "no"), True),
    "It is not there.": ("no", "no", ("no", "no"), False),
    "A dog": ("yes", "yes", ("no", "yes"), True),
    "It isn’t": ("yes", "yes", ("no", "yes"), False),
}


@pytest.mark.parametrize("answer", CASES)
def test_cases(answer):
    official, opera, vcd, unclear = CASES[answer]
    assert (PARSERS["official"](answer, "yes"), PARSERS["opera"](answer, "yes")) == (official, opera)
    assert (PARSERS["vcd"](answer, "yes"), PARSERS["vcd"](answer, "no")) == vcd
    assert PARSERS["exact"](answer, "yes") is None
    assert unparsed(answer) == unclear


@settings(deadline=None)
@given(st.text(), st.text(), st.sampled_from(["yes", "no"]))
def test_vcd_with_both_words_is_always_right_and_with_neither_always_wrong(a, b, label):
    assert PARSERS["vcd"](f"{a}yes{b}no", label) == label
    neutral = "".join(c for c in (a + b).lower() if c not in "yesno")
    assert PARSERS["vcd"](neutral, label) != label


@pytest.mark.parametrize(
    "answer", ["**No**", "NO", "No!", "No\n\nThe image shows a cat.", "(no)", "'No'", "It isn't", "no:"]
)
def test_the_only_word_is_contradicted(answer):
    assert PARSERS["official"](answer, "") == "yes" and doubtful(answer, "yes") and not unparsed(answer)
    assert not doubtful(answer, "no") and not doubtful(answer, None)


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [("Yes, I know", "no"), ("**Yes**", "no"), ("YES!", "no")],
)
def test_a_yes_is_contradicted(answer, verdict):
    assert doubtful(answer, verdict) and not doubtful(answer, "yes")


@pytest.mark.parametrize("answer", ["", "a cat", "Yes and no", "Yes. There is no cat", "nobody knows"])
def test_answers_without_one_word_alone_are_not_doubtful(answer):
    assert not doubtful(answer, "yes") and not doubtful(answer, "no")


@given(st.text(), st.sampled_from(["yes", "no", None]), st.sampled_from(["yes", "no"]))
def test_a_verdict_is_never_a_guess_and_doubtful(answer, verdict, label):
    assert not (unparsed(answer) and doubtful(answer, verdict))
    assert not doubtful(answer, PARSERS["exact"](answer, label))

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.pope.parsers import PARSERS, unparsed

Y, N, O = "yes", "no", None
CASES = {
    # answer: official, opera, vcd if the label is yes, vcd if it is no, exact, unparsed
    "No.": (N, N, N, N, O, False),
    "NO": (Y, N, N, N, N, False),
    "No\n": (Y, Y, N, N, N, False),
    "There isn't a dog.": (Y, N, N, Y, O, False),
    "Not visible": (Y, Y, N, N, O, False),
    "I don't know": (Y, N, N, N, O, False),
    "Yes, but no dog is visible": (N, N, Y, N, O, False),
    "": (Y, Y, N, Y, O, True),
    "yes.no": (Y, Y, Y, N, O, False),
    "unknown": (Y, Y, N, N, O, True),
    "  No": (N, N, N, N, N, False),
    "Yes": (Y, Y, Y, Y, Y, False),
    "There is nothing": (Y, Y, N, N, O, True),
    "It is not there": (N, N, N, N, O, False),
}


@pytest.mark.parametrize("answer", CASES)
def test_named_cases(answer):
    official, opera, vcd_yes, vcd_no, exact, doubtful = CASES[answer]
    for label in (Y, N):
        assert PARSERS["official"](answer, label) == official
        assert PARSERS["opera"](answer, label) == opera
        assert PARSERS["exact"](answer, label) == exact
    assert PARSERS["vcd"](answer, Y) == vcd_yes
    assert PARSERS["vcd"](answer, N) == vcd_no
    assert unparsed(answer) == doubtful


@given(st.text(max_size=60), st.sampled_from([Y, N]), st.sampled_from(sorted(PARSERS)))
def test_every_answer_is_read_without_a_fault(answer, label, name):
    assert PARSERS[name](answer, label) in ((Y, N, O) if name == "exact" else (Y, N))


@given(st.text(max_size=60))
def test_all_but_vcd_ignore_the_label(answer):
    for name in ("official", "opera", "exact"):
        assert PARSERS[name](answer, Y) == PARSERS[name](answer, N)

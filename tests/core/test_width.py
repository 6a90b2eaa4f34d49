"""Lines that fit: nothing is lost, whatever the width."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core.width import cells, columns, fitted, listed

WORDS = st.lists(st.text("ab[],.=", min_size=1, max_size=12), min_size=1, max_size=30)


@given(WORDS, st.integers(20, 100))
def test_every_word_is_kept_and_every_line_fits(words, width):
    text = " ".join(words)
    lines = fitted(text, width)
    assert " ".join(lines).split() == text.split() and all(len(part) <= width for part in lines)
    assert fitted(text, None) == [text]


def test_continued_lines_stand_below_the_last_column():
    assert fitted("  method    vista {lam: 0.05}", 24) == ["  method    vista {lam:", "            0.05}"]
    assert fitted("run a b c d e f g h i", 20) == ["run a b c d e f g h", "  i"]
    assert fitted("x" * 30, 20) == ["x" * 30]
    assert fitted("  harness eval task=a    what it does", 30) == ["  harness eval task=a", "      what it does"]


@given(
    st.lists(st.lists(st.text("abc ", max_size=30).map(str.strip), min_size=4, max_size=4), min_size=1),
    st.integers(20, 90),
)
def test_a_list_keeps_every_cell(rows, width):
    rows = [[row[0] or "run", *row[1:]] for row in rows]
    wide, narrow = listed(list("abcd"), rows, None), listed(list("abcd"), rows, width)
    assert len(wide) == len(rows) + 1
    for lines in (wide, narrow):
        said = " ".join(" ".join(lines).split())
        assert all(" ".join(cell.split()) in said for row in rows for cell in row)


def test_wide_characters_take_two_columns():
    assert cells("题目") == 4 and cells("é") == 1 and cells("e\u0301") == 1
    assert listed(["run", "x"], [["题目", "1"], ["abcd", "2"]], None) == ["run   x", "题目  1", "abcd  2"]


def test_the_width_is_that_of_columns_or_the_terminal_or_none(monkeypatch, capsys):
    for given_, width in (("80", 80), ("7", 20), ("0", None), ("", None), ("wide", None)):
        monkeypatch.setenv("COLUMNS", given_)
        assert columns() == width


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_list_that_does_not_fit_is_stacked(width):
    rows = [["pope-embedded-vista-tiny-llava-490c9cd60d", "done", "accuracy 0.906 [0.800, 0.958]", ""]]
    lines = listed(["run", "status", "score", "differs"], rows, width)
    assert max(map(len, lines)) <= width
    assert lines[0].startswith(rows[0][0] if width == 60 else "run") and "differs" not in lines[0]
    named = " ".join(listed(["run", "status", "score", "differs"], rows, width, named=True))
    assert ("status done  score accuracy" in named) == (width == 60)

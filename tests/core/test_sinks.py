"""Whatever a text holds, it does no harm where it is printed."""

from __future__ import annotations

import csv
import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from harness.core.sinks import annotation, cell, csv_cell, line, utf8

NASTY = st.sampled_from(
    [
        *(
            "\x1b[31m",
            "\x1b]0;x\x07",
            "\r\n::error::x",
            "::",
            "##[",
            "\u202e",
            "\u2066",
            "\u2028",
            "\x85",
            "\x9b",
            "\ud800",
        ),
        *(
            "|",
            "\\",
            "\\|",
            "`",
            "<img src=x>",
            "](http://x)",
            "![",
            "&lt;",
            "@team",
            "_0_",
            "__x__",
            "~~",
            "**",
            "=1+1",
            "-2",
            "+",
            "%0A",
            ",",
            ":",
        ),
    ]
)
TEXTS = st.lists(NASTY | st.text(max_size=6), max_size=6).map("".join)
SAFE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]*")


@given(TEXTS)
def test_a_line_holds_no_control_character_and_starts_no_command(text):
    made = line(text)
    assert SAFE.fullmatch(made) is not None and made.encode("utf-8") is not None
    assert len(made.splitlines()) <= 1
    assert not made.lstrip().startswith("::") and "##[" not in made


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=20))
def test_ordinary_text_of_any_script_stays(text):
    if not text.lstrip().startswith("::") and "##[" not in text:
        assert line(text) == text


@given(st.lists(TEXTS, min_size=3, max_size=3))
def test_a_markdown_table_keeps_its_columns(texts):
    page = f"| a | b | c |\n|---|---|---|\n| {' | '.join(map(cell, texts))} |\n"
    tokens = MarkdownIt("gfm-like", {"linkify": False, "html": True}).enable("table").parse(page)
    kinds = [t.type for t in tokens]
    assert kinds.count("td_open") == 3 and kinds.count("tr_open") == 2
    inner = {c.type for t in tokens if t.type == "inline" for c in t.children or ()}
    assert inner <= {"text", "text_special"}, inner
    assert not re.search(r"(?<![\w;])@\w", page)


@given(TEXTS, TEXTS)
def test_a_workflow_command_is_one_line_with_its_own_title(title, message):
    made = annotation("error", title, message)
    assert len(made.splitlines()) == 1 and SAFE.fullmatch(made)
    found = re.fullmatch(r"::error title=([^:,]*)::(.*)", made)
    assert found and "%0A" not in found[2].replace("%250A", "")


@given(TEXTS)
def test_a_csv_cell_is_no_formula(text):
    out = io.StringIO()
    csv.writer(out).writerow(["x", csv_cell(text)])
    ((_, back),) = csv.reader(io.StringIO(out.getvalue(), newline=""))
    assert not back or not back.startswith(("=", "@", "\t", "\r", "\n"))
    assert not back.startswith(("+", "-")) or float(back.rstrip("%")) is not None
    assert back.lstrip("'") in utf8(text) or back == "'" + utf8(text)


@pytest.mark.parametrize("value", [-0.5, "-0.5", "+1", "-3e-4", "-12%", 7, None, "plain", "a=b", True])
def test_numbers_and_plain_texts_stay_in_csv(value):
    assert csv_cell(value) is value or csv_cell(value) == value


def test_what_they_look_like():
    assert line("a\x1b[31m\nb") == "a\\x1b[31m\\nb" and line("\u202ex") == "\\u202ex" and line("\ud800") == "\\ud800"
    assert line("::error::x") == "\\::error::x"
    assert cell("_a_ b_c_") == "\\_a\\_ b_c\\_"
    assert cell("[0.89, 0.93] chair_s a|b <b>") == "[0.89, 0.93] chair_s a\\|b &lt;b&gt;"
    assert annotation("error", "a:b", "50 %") == "::error title=a%3Ab::50 %25"
    assert csv_cell("=1+1") == "'=1+1" and csv_cell("-x") == "'-x" and csv_cell("\ud800") == "\ufffd"

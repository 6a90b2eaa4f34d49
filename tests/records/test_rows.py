"""Rows of files as other programs write them, and what one bad row costs."""

from __future__ import annotations

import gzip
import json
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.core import UsageError
from harness.records import Broken, rows
from harness.records.rows import DEEPEST, LONGEST

HARD = st.sampled_from(["\u2028", "\x85a", "a\x0bb", '[{,\\"'])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6) | HARD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)
TABLE = [{"q": "a\u2028b\x85c\x0b?", "n": 1}, {"q": "日本", "n": 2}]


def lines(table) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in table)


@pytest.mark.parametrize(
    "written",
    [
        lines(TABLE).encode(),
        b"\xef\xbb\xbf" + lines(TABLE).encode(),
        lines(TABLE).replace("\n", "\r\n").encode(),
        lines(TABLE).replace("\n", "\r").encode(),
        lines(TABLE).encode("utf-16"),
        lines(TABLE).encode("utf-16-le"),
        lines(TABLE).encode("utf-16-be"),
        lines(TABLE).encode("utf-32"),
        gzip.compress(lines(TABLE).encode(), mtime=0),
        json.dumps(TABLE).encode(),
        json.dumps(TABLE, indent=1, ensure_ascii=False).encode("utf-8-sig"),
        json.dumps({"version": 1, "data": TABLE}, indent=2).encode(),
        json.dumps({"questions": TABLE}).encode(),
    ],
)
def test_one_table_in_many_forms(tmp_path, written):
    for name in ("t.jsonl", "t.json", "t.jsonl.gz"):
        (tmp_path / name).write_bytes(written)
        assert rows(tmp_path / name) == TABLE


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.dictionaries(st.text(max_size=3), VALUES, max_size=3), min_size=2, max_size=4))
def test_whatever_json_holds_is_read_back(tmp_path, table):
    for text in (lines(table), json.dumps(table)):
        (tmp_path / "t.json").write_bytes(text.encode("utf-8", "surrogatepass"))
        assert rows(tmp_path / "t.json") == table


def test_one_object_over_many_lines_is_one_row(tmp_path):
    (tmp_path / "t.json").write_text(json.dumps({"default": {"splits": {"test": 12}}}, indent=2))
    assert rows(tmp_path / "t.json") == [{"default": {"splits": {"test": 12}}}]


@pytest.mark.parametrize("text", ["{\n // options\n 'a': 1\n}", "<html>\n<body>\n</body>"])
def test_a_file_that_is_not_json_is_one_broken_row(tmp_path, text):
    (tmp_path / "t.json").write_text(text)
    (row,) = rows(tmp_path / "t.json")
    assert isinstance(row, Broken) and "is not JSON" in row.reason


DEEP = '{"a": ' + "[" * 50000 + "]" * 50000 + "}"
BAD = {
    "{broken": "is not JSON",
    DEEP: "nested more than",
    '{"a": ' + "[" * 100000: "nested more than",
    json.dumps({"a": [[[]]]}).replace("[[[]]]", "[" * DEEPEST + "]" * DEEPEST): f"nested more than {DEEPEST} levels",
    '{"q": "\\ud83d"}': "half a character",
    '{"q": ["\\udc00 x"]}': "half a character",
    '{"\\ud83d": 1}': "half a character",
    json.dumps({"q": "a" * 10_000_000}): f"10,000,000 characters, more than {LONGEST:,}",
    '{"n": ' + "1" * 5000 + "}": "is not JSON",
}


@pytest.mark.parametrize("bad", BAD, ids=range(len(BAD)))
def test_one_bad_row_ends_nothing(tmp_path, bad):
    (tmp_path / "t.jsonl").write_text(f'{{"q": "a"}}\n{bad}\n{{"q": "b"}}\n')
    began = time.perf_counter()
    first, broken, last = rows(tmp_path / "t.jsonl")
    assert time.perf_counter() - began < 2
    assert (first, last) == ({"q": "a"}, {"q": "b"})
    assert isinstance(broken, Broken) and BAD[bad] in broken.reason and len(broken.reason) < 200


def test_bytes_of_another_encoding_cost_their_row(tmp_path):
    (tmp_path / "t.jsonl").write_bytes(b'{"q": "a"}\n{"q": "caf\xe9"}\n')
    first, broken = rows(tmp_path / "t.jsonl")
    assert first == {"q": "a"} and isinstance(broken, Broken)


def test_a_deep_element_of_a_list(tmp_path):
    (tmp_path / "t.json").write_text('[{"q": "a], [\\" {"}, ' + DEEP + ', {"q": [1, {"b": 2}]}]')
    first, broken, last = rows(tmp_path / "t.json")
    assert (first, last) == ({"q": 'a], [" {'}, {"q": [1, {"b": 2}]}) and isinstance(broken, Broken)


@pytest.mark.parametrize("text", ["[1, 2", "[" * 50000, "[1,, 2]", "[{]"])
def test_a_list_that_is_not_one_is_refused(tmp_path, text):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(UsageError, match=r"t\.json is not a valid JSON list") as e:
        rows(tmp_path / "t.json")
    assert "\n" not in str(e.value)


def test_a_cut_archive_is_refused(tmp_path):
    (tmp_path / "t.jsonl.gz").write_bytes(gzip.compress(lines(TABLE).encode(), mtime=0)[:-9])
    with pytest.raises(UsageError, match="cannot be read as JSON"):
        rows(tmp_path / "t.jsonl.gz")

"""The same rows in every kind of file and encoding give the same answers; broken files are one line with the row."""

from __future__ import annotations

import csv
import gzip
import io
import json
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.answers import documents, files
from harness.core import Missing, UsageError
from tests.answers.common import pope, read

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le")
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1).filter(str.strip)


def table(rows, delimiter=",", end="\r\n", first=""):
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(rows[0]), delimiter=delimiter, lineterminator=end)
    writer.writeheader()
    writer.writerows(rows)
    return first + text.getvalue()


def lines(rows, end="\n"):
    return "".join(json.dumps(r, ensure_ascii=False) + end for r in rows)


KINDS = {
    "lines.jsonl": lines,
    "crlf.jsonl": lambda rows: lines(rows, "\r\n") + "\r\n \r\n",
    "cr.jsonl": lambda rows: lines(rows, "\r"),
    "list.json": json.dumps,
    "pretty.json": lambda rows: json.dumps(rows, indent=1),
    "one-after-another.json": lambda rows: "\n".join(json.dumps(r, indent=1) for r in rows),
    "wrapped.json": lambda rows: json.dumps({"results": rows, "model": "m", "config": {"n": 1}}),
    "map.json": lambda rows: json.dumps({r["question_id"]: r["text"] for r in rows}),
    "inner-map.json": lambda rows: json.dumps({"model": "m", "answers": {r["question_id"]: r["text"] for r in rows}}),
    "map-of-rows.json": lambda rows: json.dumps({r["question_id"]: {"text": r["text"]} for r in rows}, indent=1),
    "comma.csv": table,
    "lf.csv": lambda rows: table(rows, end="\n"),
    "semicolon.csv": lambda rows: table(rows, ";"),
    "excel.csv": lambda rows: table(rows, ";", first="sep=;\r\n"),
    "tab.csv": lambda rows: table(rows, "\t"),
    "tab.tsv": lambda rows: table(rows, "\t"),
    "unicode-text.txt": lambda rows: table(rows, "\t"),
    "json-called.csv": lines,
}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(TEXTS, min_size=1, max_size=6), st.sampled_from(sorted(KINDS)), st.sampled_from(ENCODINGS), st.booleans()
)
def test_any_kind_of_file_in_any_encoding_gives_the_same_answers(tmp_path, texts, kind, encoding, packed):
    rows = [{"question_id": str(i), "text": t} for i, t in enumerate(texts, 1)]
    data = KINDS[kind](rows).encode(encoding)
    path = tmp_path / (f"{kind}.gz" if packed else kind)
    path.write_bytes(gzip.compress(data) if packed else data)
    assert read(path).answers == {f"random:{i}": t for i, t in enumerate(texts, 1)}


def test_separators_that_are_no_line_ends_stay_in_an_answer(tmp_path):
    said = "Yes,\u2028there\u2029is\u0085one\x0b."
    for kind in ("lines.jsonl", "comma.csv", "tab.tsv"):
        path = tmp_path / kind
        path.write_text(KINDS[kind]([{"question_id": "1", "text": said}]), encoding="utf-8", newline="")
        assert read(path).answers == {"random:1": said}


def test_files_that_were_put_together(tmp_path):
    part = [lines([{"question_id": str(i), "text": "No"}]).encode("utf-8-sig") for i in (1, 2)]
    (tmp_path / "a.jsonl").write_bytes(b"".join(part))
    assert read(tmp_path / "a.jsonl").answers == {"random:1": "No", "random:2": "No"}


def test_parquet_and_its_pictures(tmp_path):
    rows = [
        {"question_id": str(i), "image": {"bytes": b"x", "path": s.data["image"]}, "raw": b"\xff", "text": "No"}
        for i, s in enumerate(pope(), 1)
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    assert len(read(tmp_path / "a.parquet").answers) == 24
    found = files.read(tmp_path / "a.parquet")
    assert found.rows[0]["image"] == {"path": "COCO_val2014_000000000100.jpg"} and "raw" not in found.rows[0]
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "a.parquet").read_bytes()[:300])
    with pytest.raises(UsageError, match=r"cut\.parquet is not a readable Parquet file"):
        read(tmp_path / "cut.parquet")


def workbook(path, *sheets):
    book = pytest.importorskip("openpyxl").Workbook()
    book.remove(book.active)
    for i, rows in enumerate(sheets):
        sheet = book.create_sheet(f"s{i}")
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_a_workbook(tmp_path):
    rows = [["question_id", "text", None], [1.0, "Yes", None], [], [2, 3.0, None], [3, None, None], ["4", "", None]]
    found = read(workbook(tmp_path / "a.xlsx", [], rows))
    assert found.answers == {"random:1": "Yes", "random:2": "3"} and found.facts["missing"] == 22
    with pytest.raises(UsageError, match=r"rows on several sheets \(s0, s1\)"):
        read(workbook(tmp_path / "b.xlsx", rows, rows))
    with pytest.raises(UsageError, match=r"a\.xlsx, row 3: field text holds true or false"):
        read(workbook(tmp_path / "a.xlsx", [["question_id", "text"], [1, "Yes"], [2, True]]))


def test_a_workbook_without_openpyxl(tmp_path, monkeypatch):
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04...")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(Missing, match=r"pip install 'harness\[xlsx\]'"):
        read(tmp_path / "a.xlsx")


def test_long_cells_and_empty_ones(tmp_path):
    before = csv.field_size_limit()
    path = tmp_path / "a.csv"
    path.write_text(f"question_id,text\n1,{'x ' * 100_000}\n2, \n\n3,No\n")
    found = read(path)
    assert len(found.answers["random:1"]) == 200_000 and sorted(found.answers) == ["random:1", "random:3"]
    assert "row 2 (line 3) has no text in text" in found.absent["random:2"] and csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.jsonl", '{"question_id": 1, "text": "No"}\n\nnull\n', "line 3: expected an object .*, found null"),
        ("a.jsonl", '{"question_id": 1, "text": "No"}\n{"question_id": 2, "te\n', "line 2: broken JSON: Unterminated"),
        ("a.jsonl", '{"question_id": 1, "te\n{"question_id": 2, "text": "No"}\n', "line 1: broken JSON"),
        ("a.jsonl", '[1, "Yes"]\n[2, "No"]\n', "line 1: expected an object .*, found a list of 2"),
        ("a.jsonl", "1\n2\n", "line 1: expected an object .*, found a number"),
        ("a.jsonl", '{"question_id": 1, "text": ' + "[" * 99_999, "line 1: JSON that is nested too deeply"),
        (
            "a.jsonl",
            '{"question_id": 1, "text": "No"}\n' + "[" * 99_999 + "\n",
            "line 2: JSON that is nested too deeply",
        ),
        ("a.json", '[{"question_id": 1, "text": "No"},\n{"question_id": 2,\n"text": ]\n', "line 3: broken JSON"),
        ("a.json", '[[1, "Yes"]]', "row 1: expected an object .*, found a list of 2"),
        ("a.json", '{"results": [["1", "Yes"]]}', "row 1: expected an object .*, found a list of 2"),
        ("a.json", '["Yes", "No"]', "row 1: expected an object .*, found a text"),
        ("a.json", '{"1": "Yes", "2": "No", "1": "No"}', "key '1' occurs twice with different values"),
        ("a.json", '{"a": [{"id": 1}], "b": [{"id": 1}]}', r"several lists of rows \(a, b\)"),
        ("a.json", "null", "line 1: expected rows, found null"),
        ("a.json", "[]", "no rows"),
        ("a.jsonl", " \n\n", "no rows"),
        ("a.csv", "question_id,text\n1,Yes\n2,Yes, there is\n", r"row 2 \(line 3\): 3 of the header's 2 cells"),
        ("a.csv", "question_id,text\n1\n", r"row 1 \(line 2\): 1 of the header's 2 cells: the row is cut"),
        ("a.csv", 'question_id,text\n1,Yes\n2,"No\n3,No\n', r"row 2 \(line 3\): not a row of a table"),
        ("a.csv", 'question_id,text\n1,"No" sir\n', r"row 1 \(line 2\): not a row of a table"),
        ("a.csv", "question_id,text,text\n1,a,b\n", "two columns 'text'"),
        ("a.csv", "question_id,text\n", "no rows"),
        ("a.csv", "1,Yes\n2,No\n", r"no field for the id \(fields: 1, Yes\)"),
        ("a.pkl", "x", "a pickle, which can run code"),
        ("a.zip", "x", "a zip archive"),
        ("a.xlsx", "question_id,text\n1,Yes\n", "is not an xlsx file, despite its name"),
    ],
)
def test_a_broken_file_is_one_line_that_names_the_row(tmp_path, name, text, said):
    (tmp_path / name).write_text(text)
    with pytest.raises(UsageError, match=said) as e:
        read(tmp_path / name)
    assert name in str(e.value) and "\n" not in str(e.value)


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "a.csv").write_bytes("question_id,text\n1,Yes\n2,schön\n".encode("cp1252"))
    with pytest.raises(UsageError, match=r"a\.csv, line 3: byte 0xf6 is not UTF-8: save the file as UTF-8"):
        read(tmp_path / "a.csv")
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"question_id": 1, "text": "No"}')[:-9])
    with pytest.raises(UsageError, match="cut or damaged gzip"):
        read(tmp_path / "a.jsonl.gz")


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_is_read_or_refused(text):
    for reader in (documents.documents, lambda path, t: files.delimited(path, t, ".csv")):
        try:
            found = reader(Path("a"), text)
        except UsageError as e:
            assert str(e).startswith("a")
        else:
            assert len(found.places) == len(found.rows)

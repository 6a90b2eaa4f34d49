"""An answer file of any kind to rows: packed or not, in any Unicode encoding, JSON or a table."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from harness.answers.documents import documents
from harness.answers.rows import Rows
from harness.answers.tables import delimited, parquet, workbook
from harness.core.errors import UsageError

MARKS = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xef\xbb\xbf", "utf-8-sig"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)
"""Byte order marks, the longer ones first."""
TABLES = (".csv", ".tsv", ".tab", ".txt")
ARTICLE = {".parquet": "a Parquet", ".xlsx": "an xlsx"}
UNREAD = {
    ".pkl": "a pickle, which can run code",
    ".pickle": "a pickle, which can run code",
    ".pt": "a pickle, which can run code",
    ".xls": "a workbook of Excel 2003",
    ".zip": "a zip archive",
    ".zst": "packed by zstd",
    ".xz": "packed by xz",
    ".bz2": "packed by bzip2",
}


def read(path: Path) -> Rows:
    """All rows. What a file is, is told by its content; its name says what JSON or a table would leave open.

    Raises:
        UsageError: in one line that names the row, where the file is not a table or JSON.
        Missing: where a workbook cannot be read without openpyxl.
    """
    names = [s.lower() for s in path.suffixes]
    if names and names[-1] in UNREAD:
        raise UsageError(
            f"{path} is {UNREAD[names[-1]]}: give JSON lines, JSON, CSV, TSV, xlsx or Parquet, also gzipped"
        )
    data = path.read_bytes()
    if data.startswith(b"\x1f\x8b"):
        names = names[:-1] if names[-1:] == [".gz"] else names
        try:
            data = gzip.decompress(data)
        except (OSError, EOFError, zlib.error) as e:
            raise UsageError(f"{path} is a cut or damaged gzip file: {e}") from e
    suffix = names[-1] if names else ""
    if data.startswith(b"PAR1"):
        return parquet(path, data)
    if data.startswith(b"PK\x03\x04"):
        return workbook(path, data)
    if suffix in (".parquet", ".xlsx"):
        raise UsageError(f"{path} is not {ARTICLE[suffix]} file, despite its name: save it again or rename it")
    text = decoded(path, data)
    table = suffix in TABLES and not text.lstrip().startswith(("{", "["))
    return delimited(path, text, suffix) if table else documents(path, text)


def decoded(path: Path, data: bytes) -> str:
    """The text of a file in UTF-8, -16 or -32. Raises UsageError naming the line where it is in none of them."""
    encoding = next((name for mark, name in MARKS if data.startswith(mark)), None)
    if encoding is None:
        head = data[:4]  # ASCII without a mark: where the zeros are tells the byte order
        encoding = {b"\0": "utf-16-be"}.get(head[:1], "utf-16-le" if head[1:2] == b"\0" else "utf-8")
        if len(head) == 4 and head.count(0) == 3:
            encoding = "utf-32-be" if head[3] else "utf-32-le"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as e:
        line = data.count(b"\n", 0, e.start) + 1
        raise UsageError(
            f"{path}, line {line}: byte {data[e.start]:#04x} is not {encoding.removesuffix('-sig').upper()}: "
            "save the file as UTF-8 (in Excel: CSV UTF-8)"
        ) from e

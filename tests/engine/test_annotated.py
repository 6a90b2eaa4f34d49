"""Files that methods calibrate themselves on."""

from __future__ import annotations

import pytest

from harness.core import UsageError
from harness.engine.annotated import Data


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("c.parquet", "PAR1 cut", "c.parquet is not a readable Parquet file"),
        ("c.jsonl", '{"prompt": "a", "answer": "b"}\n\n{"prompt": ', "JSONL file .Expecting value: line 3, column 12"),
        ("c.jsonl", "[" * 100_000, "JSONL file .nested too deeply"),
        ("c.jsonl", b"\xff\xfe{}", "not a text in UTF-8"),
    ],
)
def test_a_broken_file_is_one_line(tmp_path, name, text, says):
    (tmp_path / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError, match=says):
        Data(str(tmp_path / name)).questions()

"""Each generator still makes the records that ship. POPE's and ScreenSpot's have tests of their own."""

import importlib
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from harness.records.generate import made_with, versions

TASKS = Path(__file__).parents[2] / "tasks"
LONG = [pytest.param(name, marks=pytest.mark.slow) for name in ("mmneedle", "stare")]


@pytest.mark.parametrize("name", ["chair", "mm_niah", "vic_bench", *LONG])
def test_rebuild_is_byte_equal(name, tmp_path):
    here = versions()
    shipped = sorted((TASKS / name).glob("*/*.parquet"))
    if any(made_with(path) != here for path in shipped):
        pytest.skip("bytes need the versions they were made with")
    assert importlib.import_module(f"harness.tasks.{name}.generate").main(["--out", str(tmp_path)]) == 0
    made = sorted(tmp_path.rglob("*.parquet"))
    assert [p.name for p in made] == [p.name for p in shipped]
    for new, old in zip(made, shipped, strict=True):
        assert new.read_bytes() == old.read_bytes()


def test_check_finds_a_change(tmp_path, capsys):
    from harness.tasks.chair.generate import main

    for path in sorted((TASKS / "chair").glob("*/*.parquet")):
        table = pq.read_table(path)
        (tmp_path / path.parent.name).mkdir()
        pq.write_table(
            table.slice(1) if path.parent.name == "embedded" else table, tmp_path / path.parent.name / path.name
        )
    assert main(["--check", "--out", str(tmp_path)]) == 1
    embedded, calibration = capsys.readouterr().out.splitlines()
    assert embedded.split(" (")[0] == "embedded/records: differs" and calibration == "calibration/records: equal"

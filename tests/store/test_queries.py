"""Questions to the database."""

import json
import subprocess
import sys

import pytest

from harness.core.errors import UsageError
from harness.store import Store, ingest

NAMES = (
    "pope-embedded-vanilla-tiny-aaaa111122",
    "pope-embedded-vista-tiny-bbbb333344",
    "chair-coco-pai-llava-cccc555566",
)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    results = tmp_path_factory.mktemp("results")
    for i, name in enumerate(NAMES):
        folder = results / "runs" / name
        folder.mkdir(parents=True)
        task, data, method, model, _ = name.split("-")
        record = {"run": name, "status": "done", "task": task, "data": data, "method": method, "model": model}
        record |= {"started": None if i == 2 else f"2026-01-0{i + 1}T00:00:00+00:00"}
        (folder / "run.json").write_text(json.dumps(record))
        metrics = [{"name": "f1", "value": 0.5}, {"name": "accuracy", "value": 0.1 * i, "primary": True}]
        (folder / "metrics.json").write_text(json.dumps(metrics))
        rows = [
            {
                "id": f"s{j}",
                "cluster": f"c{j // 2}",
                "group": "ab"[j % 2],
                "scores": {"correct": j % 3 / 2},
                "error": {"type": "E", "message": "m", "traceback": ""} if j == 7 else None,
            }
            for j in range(8)
        ]
        (folder / "samples.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    assert ingest(results).problems == []
    with Store(results) as opened:
        yield opened


def test_a_query_that_duckdb_refuses(store):
    with pytest.raises(UsageError, match="refuses this query"):
        store.query("SELEC 1")
    with pytest.raises(UsageError, match="read-only"):
        store.query("DELETE FROM runs")


def test_importing_the_store_is_cheap():
    code = "import sys, harness.store; sys.exit(any(m in sys.modules for m in ('duckdb', 'numpy', 'torch', 'pyarrow')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

"""W&B, offline: what was written is read back; its faults fail nothing."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pytest

from harness.cli import main
from tests.loggers.offline import data
from tests.models.openai.local import said, serving

wandb = pytest.importorskip("wandb")
WORDS = ["task=pope", "limit=18", "logger=wandb", "logger.mode=offline", "logger.samples=7", "logger.pictures=2"]


@pytest.fixture(autouse=True)
def _apart(workdir, monkeypatch):
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_DATA_DIR", str(workdir / "wandb-data"))


def read(data: bytes) -> list:
    """Records of an offline run's file: LevelDB's log format behind a header of seven bytes."""
    from wandb.proto import wandb_internal_pb2 as pb

    at, whole, out = 7, b"", []
    while at < len(data):
        if (left := 32768 - at % 32768) < 7:
            at += left
            continue
        size, kind = struct.unpack_from("<HB", data, at + 4)
        whole += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # a full record, or a last part
            record = pb.Record()
            record.ParseFromString(whole)
            out.append(record)
            whole = b""
    return out


def test_offline_files_hold_the_run(workdir):
    assert main(["eval", *WORDS, "logger.site=https://example.org/board"]) == 0
    records = read(data(lambda found: any(r.WhichOneof("record_type") == "exit" for r in read(found))))
    run = next(r.run for r in records if r.WhichOneof("record_type") == "run")
    assert run.display_name.startswith("pope-embedded-vanilla-tiny-llava") and "pope" in run.tags
    config = {u.key: json.loads(u.value_json) for u in run.config.update}
    assert config["method"] == "vanilla" and config["settings"]["limit"] == 18
    summary = {}
    for r in records:
        if r.WhichOneof("record_type") == "summary":
            summary |= {(u.key or "/".join(u.nested_key)): json.loads(u.value_json) for u in r.summary.update}
    (path,) = Path("results/runs").iterdir()
    metrics = json.loads((path / "metrics.json").read_text())
    primary = next(m for m in metrics if m["primary"])
    name = primary["name"] if primary["group"] == "all" else f"{primary['group']}/{primary['name']}"
    assert summary[name] == primary["value"] and summary["status"] == "done"
    assert summary["site"] == f"https://example.org/board/run/{path.name}.html"
    tables = [json.loads(p.read_text()) for p in Path("wandb").rglob("*.table.json")]
    samples = next(t for t in tables if "verdict" in t["columns"])
    assert len(samples["data"]) == 7 and sum(bool(row[2]) for row in samples["data"]) == 2
    table = next(t for t in tables if "stderr" in t["columns"])
    assert len(table["data"]) == len(metrics)
    staged = [p for p in Path("wandb-data").rglob("*") if p.is_file() and p.read_bytes()[:4] == b"\x89PNG"]
    assert staged  # W&B keeps pictures beside the run until it is synchronised


def test_a_fault_of_wandb_fails_nothing(workdir, monkeypatch, capsys):
    def broken(**_):
        raise RuntimeError("no room left\nsecond line")

    monkeypatch.setattr(wandb, "init", broken)
    assert main(["eval", *WORDS]) == 0
    err = capsys.readouterr().err
    assert err.count("W&B: RuntimeError: no room left; the run continues without it") == 1


def test_not_installed_is_one_line(workdir, monkeypatch, capsys):
    import harness.loggers.weights_and_biases as logger

    monkeypatch.setattr(logger, "find_spec", lambda name: None)
    assert main(["eval", *WORDS]) == 3
    err = capsys.readouterr().err
    assert "pip install 'harness[wandb]'" in err and len(err.strip().splitlines()) == 1
    assert not Path("results/runs").exists()


def test_no_secret_reaches_it(workdir, monkeypatch):
    """Of a server that echoes the key, of a setting that holds another, and of the environment."""
    pytest.importorskip("tenacity")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-of-the-key")
    echo = (400, {"error": {"message": "Authorization: Bearer sk-canary-of-the-key"}})
    with serving(lambda body, n: said("Yes") if n % 2 else echo) as served:
        words = [f"model.base_url={served.address}", "model.name=m", "model.concurrency=1", "model.retries=0"]
        words += ["model=openai", "model.extra={api_key: canary-in-a-setting}", "task.data=embedded"]
        assert main(["eval", *WORDS, *words]) == 3
    data(lambda found: any(r.WhichOneof("record_type") == "exit" for r in read(found)))
    for path in workdir.rglob("*"):
        if path.is_file():
            assert b"canary" not in path.read_bytes(), path

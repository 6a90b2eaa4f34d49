"""harness publish, against the hub's HTTP interface on loopback."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from harness.cli import main
from harness.interop import hub as published
from harness.runs.stored import stored
from tests.interop.hub_server import TOKEN, serving
from tests.judge.common import PLUGINS, play

SECRET = "sk-" + "s" * 32


@pytest.fixture(scope="module")
def played(tmp_path_factory):
    """Two runs of a model, with an answer that repeats a key, and one of another."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder := tmp_path_factory.mktemp("played"))
        _play(folder)
    return folder


def _play(workdir: Path) -> None:
    assert play(24, wrong=3) == 0
    rows = [json.loads(line) for line in Path("answers.jsonl").read_text().splitlines()]
    rows[0]["answer"] = f"the key is {SECRET}"
    Path("other.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    words = ["task=sums", "task.n=24", PLUGINS, "model=replay", "logger=quiet"]
    assert main(["eval", *words, f"model.path={workdir / 'other.jsonl'}"]) == 0
    assert main(["eval", *words[:3], "model=chance", "logger=quiet"]) == 0


@pytest.fixture
def results(played, workdir):
    shutil.copytree(played / "results", workdir / "results")
    return played


def publish(address: str, *words: str, token: str = TOKEN) -> subprocess.CompletedProcess:
    """The command in a process of its own: the hub's address is read when its client is imported."""
    known = {k: v for k, v in os.environ.items() if k not in ("HF_HUB_OFFLINE", "HF_TOKEN")}
    own = {"HF_ENDPOINT": address, "HF_HUB_DISABLE_XET": "1", "HF_HOME": str(Path("home").absolute())}
    command = [sys.executable, "-m", "harness", "publish", *words]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={**known, **own, **({"HF_TOKEN": token} if token else {})},
        check=False,
    )


def test_a_dataset_and_a_card(results):
    """Tables by LFS, the rest in the commit; the card by pull request, with what stood there."""
    before = "---\nlicense: mit\n---\n\n# Mine\n\nA model.\n"
    with serving() as hub:
        hub.files["me/model"] = {"README.md": before.encode()}
        words = ["--hub", "me/results", "--card", "me/model", "model=replay"]
        done = publish(hub.address, *words, "--private")
        assert done.returncode == 0, done.stderr
        again = publish(hub.address, *words)
        assert again.returncode == 0, again.stderr
    assert f"2 runs: {hub.address}/datasets/me/results" in done.stdout
    assert f"card of me/model: {hub.address}/me/model/discussions/1" in done.stdout
    held = hub.files["datasets/me/results"]
    assert hub.private["datasets/me/results"] in (True, False) and len(hub.objects) >= 2
    names = sorted(r.name for r in stored(Path("results")) if r.record.model == "replay")
    assert sorted(held) == [
        "README.md",
        "data/metrics.parquet",
        "data/samples.parquet",
        *(f"runs/{n}.json" for n in names),
    ]
    samples = pq.read_table(io.BytesIO(held["data/samples.parquet"])).to_pylist()
    assert len(samples) == 48 and {s["run"] for s in samples} == set(names)
    everything = b"".join(held.values()) + json.dumps(samples).encode()
    assert SECRET.encode() not in everything and str(results).encode() not in everything
    assert any(s["answer"] == "the key is [redacted]" for s in samples)
    facts = yaml.safe_load(held["README.md"].decode().split("---")[1])
    assert [c["data_files"] for c in facts["configs"]] == ["data/metrics.parquet", "data/samples.parquet"]
    card = hub.proposed["me/model"]["README.md"].decode()
    _, head, text = card.split("---\n", 2)
    assert "A model." in text and text.count(published.BEGIN) == 1
    (index,) = yaml.safe_load(head)["model-index"]
    assert yaml.safe_load(head)["license"] == "mit" and index["name"] == "model"
    (result,) = index["results"]
    assert result["dataset"]["type"] == "sums" and result["source"]["url"].endswith("/datasets/me/results")
    assert [(m["type"], m["args"]["run"]) for m in result["metrics"]] == [("accuracy", n) for n in _newest(names)]
    assert all(m["args"]["method"] == "vanilla" for m in result["metrics"])


def _newest(names: list[str]) -> list[str]:
    return [r.name for r in stored(Path("results")) if r.name in names]


def test_a_dry_run_reaches_for_nothing(results, capsys):
    assert main(["publish", "--hub", "me/results", "--card", "me/model", "model=replay", "--dry-run"]) == 0
    out = capsys.readouterr().out
    files = sorted(str(p) for p in Path("publish").rglob("*") if p.is_file())
    assert len(files) == 6 and all(f in out for f in files) and "nothing was uploaded" in out
    assert SECRET not in Path("publish/model/README.md").read_text()
    assert main(["publish", "--hub", "me/results", "--dry-run"]) == 2
    assert "publish is not empty" in capsys.readouterr().err


def test_what_was_published_before_is_replaced(results):
    """In a card: its table and its metadata, once; what others wrote stays."""
    runs = [r for r in stored(Path("results")) if r.record.model == "replay"]
    other = (
        "---\nmodel-index:\n- name: M\n  results:\n  - task: {type: x}\n    dataset: {name: D, type: d}\n"
        "    metrics: [{type: acc, value: 0.5}]\n---\n\nFirst.\n"
    )
    once = published.model_card(runs, "me/model", "", other)
    twice = published.model_card(runs[:1], "me/model", "", once + "\nLast.\n")
    assert twice.count(published.BEGIN) == 1 and "First." in twice and "Last." in twice
    (index,) = yaml.safe_load(twice.split("---\n", 2)[1])["model-index"]
    assert index["name"] == "M" and [r["dataset"]["type"] for r in index["results"]] == ["d", "sums"]
    assert len(index["results"][1]["metrics"]) == 1


@pytest.mark.parametrize(
    ("words", "token", "code", "says"),
    [
        (["--hub", "me/results"], "hf_" + "x" * 30, 3, "the hub refuses me/results (status 401): set HF_TOKEN"),
        (["--card", "me/nothing", "model=replay"], TOKEN, 3, "the hub has no model me/nothing"),
    ],
)
def test_what_the_hub_refuses_is_one_line(results, words, token, code, says):
    with serving() as hub:
        done = publish(hub.address, *words, token=token)
    assert done.returncode == code and says in done.stderr and done.stderr.count("\n") == 1
    assert not hub.files


def test_a_hub_that_is_not_there(results):
    done = publish("http://127.0.0.1:9", "--hub", "me/results")
    assert done.returncode == 3 and "http://127.0.0.1:9 cannot be reached" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        ([], 2, "name a dataset by --hub OWNER/NAME"),
        (["--hub", "results"], 2, "--hub results is not a repository: give OWNER/NAME"),
        (["--card", "me/model", "--dry-run"], 2, "one model, but these runs are of chance, replay: add model=NAME"),
        (["--hub", "me/results", "task=pope"], 2, "no finished run fits"),
        (["--hub", "me/results"], 3, "HF_HUB_OFFLINE is set: unset it, or add --dry-run"),
    ],
)
def test_wrong_words_are_one_line(results, capsys, words, code, says):
    capsys.readouterr()
    assert main(["publish", *words]) == code
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1

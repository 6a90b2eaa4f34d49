"""lmms-eval's tasks here against lmms-eval's own run of them, on the embedded model and local records."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("lmms_eval")
pytest.importorskip("loguru")

from harness.cli import main
from tests.tasks.lmms_eval import peers

pytestmark = pytest.mark.filterwarnings("ignore::Warning")  # lmms-eval's, and those of what it imports


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return peers.write(tmp_path_factory.mktemp("peers"))


def run(name, folder, *words, code=0):
    words = ["eval", "task=lmms_eval", f"task.name={name}", f"task.include={folder}", "task.data=local", *words]
    assert main(words) == code


def last(workdir):
    """(metrics by name and group, rows by id) of the newest run."""
    newest = max((workdir / "results" / "runs").iterdir(), key=lambda p: p.stat().st_mtime)
    metrics = {(m["name"], m["group"]): m for m in json.loads((newest / "metrics.json").read_text())}
    rows = map(json.loads, (newest / "samples.jsonl").read_text().splitlines())
    return metrics, {r["id"]: r for r in rows}


def test_scores_and_answers_equal_its_own_run(workdir, folder, tmp_path_factory):
    names = ["local_pope", "local_exact"]
    theirs = peers.own_run(folder, names, tmp_path_factory.mktemp("stub"))
    for name in names:
        run(name, folder)
        metrics, rows = last(workdir)
        wanted = {
            k.split(",")[0]: v for k, v in theirs["results"][name].items() if "," in k and "stderr" not in k and v != []
        }
        assert wanted
        for metric, value in wanted.items():
            assert metrics[metric, "all"]["value"] == pytest.approx(value, abs=1e-12), metric
        for number, (said, *_) in theirs["answers"][name].items():
            said = said[0] if isinstance(said, list) else said
            assert rows[f"{name}.{number}"]["answer"] == said.strip(" ")


def test_questions_about_one_picture_are_one_cluster(workdir, folder):
    run("local_pope", folder)
    assert last(workdir)[0]["local_accuracy", "all"]["clusters"] == 10


def test_multiple_choice_is_what_the_model_says(workdir, folder):
    """Yes or No by likelihood is the word that the model would write."""
    run("local_choice", folder)
    chosen, rows = last(workdir)
    run("local_exact", folder)
    written, answers = last(workdir)
    assert chosen["acc", "all"]["value"] == written["exact_match", "all"]["value"]
    for key, row in rows.items():
        (yes, *_), (no, *_) = row["details"]["likelihoods"]
        assert answers[key.replace("choice", "exact")]["answer"] == ("Yes" if yes > no else "No")


def test_a_method_and_a_group(workdir, folder):
    run("local_group", folder, "method=vcd")
    metrics, _ = last(workdir)
    assert metrics["local_accuracy", "local_pope"]["n"] == metrics["exact_match", "local_exact"]["n"] == 60


def test_reference_models(workdir, folder):
    run("local_exact", folder, "model=oracle")
    assert last(workdir)[0]["exact_match", "all"]["value"] == 1
    run("local_choice", folder, "model=oracle")
    assert last(workdir)[0]["acc", "all"]["value"] == 1
    run("local_choice", folder, "model=chance")
    assert 0.2 < last(workdir)[0]["acc", "all"]["value"] < 0.8


def test_a_damaged_picture_costs_its_own_document(workdir, folder, tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq

    for file in (f for f in folder.iterdir() if f.is_file()):
        text = file.read_bytes()
        if file.suffix == ".yaml":
            text = text.replace(str(folder).encode(), str(tmp_path).encode())
        (tmp_path / file.name).write_bytes(text)
    table = pq.read_table(folder / "pope.parquet")
    rows = table.to_pylist()
    rows[7]["image"]["bytes"] = b"no picture"
    pq.write_table(pa.Table.from_pylist(rows, table.schema), tmp_path / "pope.parquet")
    run("local_exact", tmp_path, code=3)
    metrics, found = last(workdir)
    assert metrics["exact_match", "all"]["n"] == 59
    assert "cannot be" in found["local_exact.7"]["error"]["message"]


def test_errors_name_the_fix(workdir, folder, capsys):
    cases = [
        (["task.name=local_popes", f"task.include={folder}"], 2, "did you mean local_pope"),
        (["task.name=local_pope", "task.include=nowhere"], 3, "give the folder that holds your tasks' YAML"),
        (["task.name=local_pope", f"task.include={folder}", "task.metric=f2"], 2, "choose local_accuracy, "),
    ]
    for words, code, said in cases:
        assert main(["eval", "task=lmms_eval", "model=chance", *words]) == code, words
        assert said in capsys.readouterr().err

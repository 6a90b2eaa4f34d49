"""Runs leave in forms that others read: tables that say the same, records that the published schema accepts."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from harness.cli import main
from harness.comparison.compare import compare
from harness.core.errors import Missing
from harness.core.types import Metric
from harness.interop import bundle
from harness.interop.every_eval_ever import aggregate
from harness.interop.tables import FACTS, metrics
from harness.runs.record import Damaged
from harness.runs.stored import StoredRun, select

jsonschema = pytest.importorskip("jsonschema")
SCHEMAS = Path(__file__).parent / "schemas"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """POPE, CHAIR and a multi-turn task, and a run with an error row."""
    place = tmp_path_factory.mktemp("runs")
    common = ["logger=quiet", f"results={place}"]
    for task in ("pope", "vic_bench", "mmneedle", "niah"):
        assert main(["eval", f"task={task}", "task.data=embedded", "model=oracle", "limit=18", *common]) == 0
    rows = [{"instanceId": 1, "prompt": "<image_1>?", "target": "B", "images": {"<image_1>": "x.png"}}, 3]
    (place / "vicbench__maze_stage1.json").write_text(json.dumps(rows))
    words = ["task=vic_bench", "task.data=local", f"task.root={place}/vicbench__maze_stage1.json", "model=oracle"]
    assert main(["eval", *words, *common]) == 3
    return place


def exported(results, *words: str) -> Path:
    assert main(["export", "--results", str(results), "--out", "out", *words]) == 0
    return Path("out")


def test_every_record_is_accepted_by_the_published_schema(results, workdir, capsys):
    out = exported(results, "--format", "every-eval-ever", "--organization", "Example Lab")
    whole = jsonschema.Draft7Validator(json.loads((SCHEMAS / "eval.schema.json").read_text()))
    single = jsonschema.Draft7Validator(json.loads((SCHEMAS / "instance_level_eval.schema.json").read_text()))
    records = list(out.rglob("*.json"))
    assert len(records) == 5 and "5 runs, 10 files" in capsys.readouterr().out
    for path in records:
        value = json.loads(path.read_text())
        assert not [e.message for e in whole.iter_errors(value)]
        details = value["detailed_evaluation_results"]
        data = (out / details["file_path"]).read_bytes()
        assert hashlib.sha256(data).hexdigest() == details["checksum"]
        lines = [json.loads(line) for line in data.decode().splitlines()]
        assert len(lines) == details["total_rows"] > 0
        for line in lines:
            assert not [e.message for e in single.iter_errors(line)]
            assert line["evaluation_id"] == value["evaluation_id"] and line["evaluation"]["is_correct"] in (True, False)
        assert value["source_metadata"]["source_organization_name"] == "Example Lab"
    pope = next(json.loads(p.read_text()) for p in records if "pope-embedded" in str(p))
    found = {
        (r["evaluation_name"], r["metric_config"]["metric_name"]): r["score_details"]
        for r in pope["evaluation_results"]
    }
    assert found["pope-embedded/random", "accuracy"]["score"] == 1


def test_the_same_runs_give_the_same_files(results, workdir):
    first = {p: p.read_bytes() for p in exported(results, "--format", "every-eval-ever").rglob("*") if p.is_file()}
    assert first == {
        p: p.read_bytes() for p in exported(results, "--format", "every-eval-ever").rglob("*") if p.is_file()
    }


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_tables_say_what_the_runs_say(results, workdir, form):
    out = exported(results, "--format", form, "task=pope")
    if form == "csv":
        metrics = list(csv.DictReader(io.StringIO((out / "metrics.csv").read_text())))
        samples = list(csv.DictReader(io.StringIO((out / "samples.csv").read_text())))
    else:
        metrics, samples = (pq.read_table(out / f"{n}.parquet").to_pylist() for n in ("metrics", "samples"))
    (run,) = (results / "runs").glob("pope-*")
    stored = json.loads((run / "metrics.json").read_text())
    assert [(m["metric"], m["group"], float(m["value"])) for m in metrics] == [
        (m["name"], m["group"], m["value"]) for m in stored
    ]
    assert len(samples) == 18 and {json.loads(s["scores"])["correct"] for s in samples} == {1.0}


def test_every_fact_of_a_run_is_in_its_tables(results, workdir):
    """What the tables read from a record is what a run writes there, the commit included."""
    with (exported(results, "task=pope", "--format", "csv") / "metrics.csv").open(encoding="utf-8") as file:
        row = next(csv.DictReader(file))
    (path,) = (results / "runs").glob("pope-*/run.json")
    record = json.loads(path.read_text())
    git = record["environment"]["git"] or {}
    wanted = {k: str(record[k]) for k in FACTS if k != "commit"} | {"commit": git.get("commit") or ""}
    assert {k: row[k] for k in FACTS} == wanted


def test_the_commit_is_that_of_the_run(results, workdir):
    (run,) = select(results, ["task=pope"])
    facts = run.record.environment | {"git": {"commit": "c" * 40, "committed": None, "dirty": False}}
    made = metrics([replace(run, record=replace(run.record, environment=facts))]).to_pylist()
    assert {r["commit"] for r in made} == {"c" * 40}


def test_an_imported_run_names_its_tool_and_claims_no_decoding(results):
    (run,) = select(results, ["task=pope"])
    source = {"tool": "lm_eval", "version": "0.4.9", "files": {}, "task": "pope"}
    record = replace(run.record, config={"imported": source}, decoding={}, environment={"packages": {}})
    value = aggregate(replace(run, record=record), "lab", "other")
    assert (value["eval_library"]["name"], value["eval_library"]["version"]) == ("lm_eval", "0.4.9")
    assert value["evaluation_results"][0]["generation_config"]["generation_args"]["temperature"] is None
    stated = StoredRun(run.directory, record)
    stated.__dict__["_metrics"] = [Metric("acc", 0.5, stderr=0.1, low=0.3, high=0.7, n=20, clusters=0)]
    (one,) = aggregate(stated, "lab", "other")["evaluation_results"]
    said = one["score_details"]["uncertainty"]
    assert said["standard_error"]["method"] == said["confidence_interval"]["method"] == "as stated by the log"
    own = aggregate(run, "lab", "other")
    assert own["eval_library"]["version"] == run.record.packages["harness"]
    assert own["evaluation_results"][0]["generation_config"]["generation_args"]["temperature"] == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["task=nothing"], "no finished run fits"),
        (["--relationship", "friend"], "choose one of first_party"),
        (["--format", "xml"], "unknown format: xml: choose one of csv"),
    ],
)
def test_bad_words_are_one_line(results, workdir, capsys, words, said):
    assert main(["export", "--results", str(results), *words]) == 2
    err = capsys.readouterr().err
    assert said in err and len(err.strip().splitlines()) == 1


def test_a_bundle_holds_runs_that_compare_as_the_stored_ones(results, workdir):
    runs = select(results, ["task=pope"])
    other = replace(runs[0].record, method="vista", seed=1)
    path = exported(results, "task=pope", "--format", "bundle") / "runs.parquet"
    (kept,) = bundle.read(path)
    stored = runs[0]
    assert (kept.name, kept.metrics, kept.cost()) == (stored.name, stored.metrics, stored.cost())
    assert kept.words == ("task=pope", "task.data=embedded", "model=oracle", "limit=18")
    assert str(results) not in json.dumps([kept.words, kept.record.as_json()])
    told = lambda rows: {r.id: (r.cluster, r.group, r.outcome.scores, r.outcome.verdict) for r in rows}  # noqa: E731
    assert told(kept.results()) == told(stored.results())
    mine, theirs = compare(kept, [replace(kept, record=other)]), compare(stored, [replace(stored, record=other)])
    assert mine[0].rows == theirs[0].rows and {r.of for r in mine[0].rows} == {"score", "metric"}
    first = path.read_bytes()
    assert bundle.write(runs, path).read_bytes() == first


def test_bundles_are_merged(results, workdir):
    runs = select(results, ["task=pope"]) + select(results, ["task=niah"])
    one, other = bundle.write(runs[:1], Path("one.parquet")), bundle.write(runs, Path("other.parquet"))
    assert bundle.merge([one, other], Path("both.parquet")) == len(runs), "what the same words repeat is there once"
    merged, known = (sorted(bundle.read(p), key=lambda r: r.name) for p in (Path("both.parquet"), other))
    assert [r.name for r in merged] == [r.name for r in known]
    assert [r.results() for r in merged] == [r.results() for r in known]
    assert bundle.merge([other], Path("some.parquet"), lambda record: record["task"] == "niah") == 1
    assert {r.record.task for r in bundle.read(Path("some.parquet"))} == {"niah"}


def test_errors_of_a_bundle_have_no_score_and_other_files_are_named(results, workdir):
    runs = select(results, ["task=vic_bench"])
    kept = bundle.read(bundle.write(runs, Path("some.parquet")))
    assert [sum(r.outcome is None for r in k.results()) for k in kept] == [k.record.counts.errors for k in kept]
    assert sum(k.record.counts.errors for k in kept) == 1 and {str(k.record.status) for k in kept} == {
        "done",
        "partial",
    }
    with pytest.raises(Missing, match="harness export --format bundle makes one"):
        bundle.read(Path("none.parquet"))
    Path("bad.parquet").write_text("no")
    with pytest.raises(Damaged, match="is not a bundle of runs"):
        bundle.read(Path("bad.parquet"))
    (table,) = exported(results, "task=pope", "--format", "parquet").glob("samples.parquet")
    with pytest.raises(Damaged, match="is not a bundle of runs"):
        bundle.read(table)

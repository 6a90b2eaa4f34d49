"""`harness import`: logs of lm-eval, lmms-eval and Inspect AI as runs."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.cli import main
from harness.interop import eleuther_logs, every_eval_ever, inspect_logs
from harness.interop.imported import bring
from harness.interop.log import Odd
from harness.leaderboard.board import slug
from harness.runs.stored import stored

LOGS = Path(__file__).parent / "logs"


def written(results):
    """Run name's task -> (record, metrics by name, rows)."""
    out = {}
    for folder in (results / "runs").iterdir():
        record = json.loads((folder / "run.json").read_text())
        metrics = {m["name"]: m for m in json.loads((folder / "metrics.json").read_text())}
        rows = [json.loads(line) for line in (folder / "samples.jsonl").read_text().splitlines()]
        out[record["task"]] = (record, metrics, rows)
    return out


def test_inspect_logs(workdir, capsys):
    assert main(["import", str(LOGS)]) == 0
    assert "2 runs imported" in capsys.readouterr().out
    found = written(workdir / "results")
    record, metrics, rows = found["inspect.sums"]
    assert (record["data"], record["model"], record["status"]) == ("imported", "model", "done")
    assert metrics["match"]["value"] == pytest.approx(8 / 12) and metrics["match"]["primary"]
    assert 0 < metrics["match"]["low"] < 8 / 12 < metrics["match"]["high"] < 1
    assert (
        rows[1]["answer"] == "2" and rows[1]["scores"] == {"match": 1.0, "includes": 1.0} and rows[1]["target"] == "2"
    )
    _, metrics, rows = found["inspect.pick"]
    assert metrics["choice"]["value"] == 0.5 and metrics["choice"]["clusters"] == 12 and len(rows) == 24
    with duckdb.connect("results/harness.duckdb", read_only=True) as store:
        assert store.execute("select count(*) from samples").fetchone() == (36,)


def test_the_same_log_twice_is_one_run(workdir, capsys):
    assert main(["import", str(LOGS / "sums.eval")]) == 0
    shutil.copy(LOGS / "sums.eval", "again.eval")
    assert main(["import", "again.eval", str(LOGS / "sums.eval")]) == 0
    assert "1 were there before" in capsys.readouterr().out


def test_imported_runs_are_shown_and_never_ranked_beside_our_own(workdir, capsys):
    assert main(["import", str(LOGS)]) == 0
    (run,) = [p.name for p in Path("results/runs").iterdir() if "sums" in p.name]
    assert main(["show", run]) == 0
    assert "imported  from inspect 0.3.285" in capsys.readouterr().out
    assert main(["ls"]) == 0 and main(["site", "build"]) == 0
    page = next(Path("results/site/run").glob("*sums*.html")).read_text()
    assert ">imported<" in page
    assert main(["submit", run]) != 0
    assert "refused" in capsys.readouterr().err


def test_an_unfinished_inspect_log_is_partial(tmp_path):
    """Killed in the middle: no header yet, some samples."""
    with zipfile.ZipFile(tmp_path / "killed.eval", "w") as packed:
        start = json.loads(inspect_logs._member(LOGS / "sums.eval", "_journal/start.json"))
        packed.writestr("_journal/start.json", json.dumps(start))
        packed.writestr("samples/3_epoch_1.json", inspect_logs._member(LOGS / "sums.eval", "samples/3_epoch_1.json"))
    assert len(bring([tmp_path / "killed.eval"], tmp_path / "results").made) == 1
    ((record, metrics, rows),) = written(tmp_path / "results").values()
    assert record["status"] == "partial" and len(rows) == 1 and not metrics


@pytest.mark.filterwarnings("ignore::Warning")
def test_lm_eval_logs(workdir):
    """Written by lm-eval itself; scores, samples and the method of our own bridge come back."""
    pytest.importorskip("lm_eval")
    from lm_eval import simple_evaluate
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    import harness.interop.lm_eval  # noqa: F401
    from tests.tasks.lm_eval import peers

    Path("peers").mkdir()
    manager = TaskManager(include_path=str(peers.write(Path("peers"))), include_defaults=False)
    tracker = EvaluationTracker(output_path="out")
    names = ["local_choice", "local_words"]
    model = {"pretrained": "tiny-llava", "method": "dola"}
    done = simple_evaluate(
        "harness", model_args=model, tasks=names, task_manager=manager, bootstrap_iters=20, evaluation_tracker=tracker
    )
    samples = done.pop("samples")
    tracker.save_results_aggregated(results=done, samples=samples)
    for name in names:
        tracker.save_results_samples(task_name=name, samples=samples[name])
    assert main(["import", "out"]) == 0
    found = written(workdir / "results")
    (results,) = workdir.glob("out/**/results_*.json")
    stated = json.loads(results.read_text())["results"]
    record, metrics, rows = found["lm_eval.local_words"]
    assert (record["method"], record["model"]) == ("dola", "tiny-llava") and len(rows) == 40
    for name in ("exact_match,plain", "exact_match,noun", "bleu,plain", "bleu,noun"):
        assert metrics[name]["value"] == pytest.approx(stated["local_words"][name])
    assert metrics["bleu,plain"]["stderr"] == pytest.approx(stated["local_words"]["bleu_stderr,plain"])
    assert "standard error of the log" in metrics["bleu,plain"]["note"]
    _, metrics, rows = found["lm_eval.local_choice"]
    assert metrics["acc"]["value"] == sum(r["scores"]["acc"] for r in rows) / 40 and metrics["acc"]["clusters"] == 40


def lmms(folder, **extra):
    """Files as lmms-eval 0.7.3 writes them."""
    head = {
        "results": {"t": {"alias": "t", "acc,none": 0.5, "acc_stderr,none": "N/A", "f1,none": 0.6}},
        "configs": {"t": {"task": "t"}},
        "versions": {"t": "Yaml"},
        "higher_is_better": {"t": {"acc": True, "f1": True}},
        "config": {
            "model": "llava_hf",
            "model_args": "pretrained=llava-hf/llava-1.5-7b-hf,device_map=auto",
            "limit": 2.0,
        },
        "lmms_eval_version": "0.7.3",
        "date": "20261124_033913",
        "total_evaluation_time_seconds": "7.4",
    }
    rows = [{"doc_id": i, "target": "yes", "filtered_resps": "Yes", "acc": float(i), "f1": {"x": 1}} for i in range(2)]
    (folder / "20261124_033913_results.json").write_text(json.dumps(head | extra))
    text = "".join(json.dumps(r | {"input": f"Q{r['doc_id']}", "doc_hash": "0"}) + "\n" for r in rows)
    (folder / "20261124_033913_samples_t.jsonl").write_text(text)
    return folder / "20261124_033913_results.json"


def test_lmms_eval_logs(tmp_path):
    lmms(tmp_path)
    bring([tmp_path], tmp_path / "results")
    ((record, metrics, rows),) = written(tmp_path / "results").values()
    assert (record["task"], record["model"], record["method"]) == ("lmms_eval.t", "llava-1.5-7b-hf", "vanilla")
    assert record["limit"] == 2 and record["started"] == "2026-11-24T03:39:13"
    assert metrics["acc"]["value"] == 0.5 and metrics["f1"]["value"] == 0.6 and metrics["f1"]["low"] is None
    assert rows[0]["details"]["values"] == {"f1": {"x": 1}} and rows[1]["scores"] == {"acc": 1.0}


def test_files_that_are_no_logs(workdir, tmp_path, capsys):
    (tmp_path / "notes.json").write_text("[1]")
    (tmp_path / "broken.eval").write_bytes(b"no zip")
    (tmp_path / "other.json").write_text('{"a": 1}')
    assert main(["import", str(tmp_path / "other.json")]) == 2
    assert "no log of lm-eval" in capsys.readouterr().err
    lmms(tmp_path)
    assert main(["import", str(tmp_path)]) == 3
    printed = capsys.readouterr()
    assert "broken.eval is not an Inspect log" in printed.err and "1 runs imported" in printed.out
    assert main(["import", "nowhere"]) == 3
    assert "does not exist" in capsys.readouterr().err
    path = lmms(tmp_path)
    (tmp_path / "20261124_033913_samples_t.jsonl").write_text('{"doc_id": 0, "acc": 1.0}\n{"doc_id": 1, "ac')
    assert [len(log.results) for log in eleuther_logs.read(path, eleuther_logs.head_of(path))] == [
        1
    ]  # a torn last line
    (tmp_path / "20261124_033913_samples_t.jsonl").write_text("no json\n{}\n")
    with pytest.raises(Odd, match="line 1 is not valid JSON"):
        list(eleuther_logs.read(path, eleuther_logs.head_of(path)))


VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=60, deadline=None)
@given(extra=st.dictionaries(st.sampled_from(["versions", "n-shot", "date", "higher_is_better"]), VALUES), row=VALUES)
def test_odd_fields_cost_themselves_alone(tmp_path_factory, extra, row):
    """Whatever optional fields and metrics hold, the rest is imported, or the file is refused in a sentence."""
    folder = tmp_path_factory.mktemp("odd")
    path = lmms(folder, **{k: v for k, v in extra.items() if isinstance(v, dict) or k == "date"})
    text = json.dumps({"doc_id": 0, "target": row, "filtered_resps": row, "acc": row}) + "\n"
    (folder / "20261124_033913_samples_t.jsonl").write_text(text)
    found = bring([path], folder / "results")
    assert len(found.made) + len(found.odd) == 1


def lm(folder, task="toyqa", name="results.json", rows=(), samples="", **more):
    """A results file of lm-eval 0.4, and samples beside it."""
    head = {
        "results": {task: {"acc,none": 0.25, "acc_stderr,none": 0.09}},
        "configs": {task: {"task": task}},
        "versions": {task: 1.0},
        "config": {"model": "hf", "model_args": "pretrained=org/gpt2,dtype=float", "limit": None},
    }
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(json.dumps(head | more))
    if rows:
        (folder / samples).write_text(rows if isinstance(rows, str) else "".join(json.dumps(r) + "\n" for r in rows))
    return folder / name


ROWS = [
    {"doc_id": i, "doc": {}, "target": "a", "arguments": [["q", ""]], "resps": [["a"]], "filtered_resps": ["a"],
     "acc": float(i % 4 == 0)}
    for i in range(24)
]  # fmt: skip
OLD = "pretrained__org__gpt2,dtype__float_toyqa.jsonl"
"""How lm-eval 0.4.0 to 0.4.2 named it: / and = of the model's arguments are two underscores."""


@pytest.mark.parametrize(
    ("name", "samples", "rows"),
    [
        ("results.json", OLD, json.dumps(ROWS, indent=2)),
        ("results.json", OLD, ROWS),
        ("results_2024-07-03T10-00-02.123456.json", "samples_toyqa_2024-07-03T10-00-02.123456.jsonl", ROWS),
        ("mine_2026-01-03T10-00-02.5.json", "samples_toyqa_2026-01-03T10-00-02.5.jsonl", ROWS),
    ],
)
def test_samples_of_all_versions_of_lm_eval_0_4(tmp_path, name, samples, rows):
    lm(tmp_path / "log", name=name, rows=rows, samples=samples)
    found = bring([tmp_path / "log"], tmp_path / "results")
    assert (len(found.made), found.odd, found.notes) == (1, [], [])
    ((record, metrics, kept),) = written(tmp_path / "results").values()
    assert record["counts"]["samples"] == len(kept) == 24 and metrics["acc"]["clusters"] == 24
    assert record["model"] == "gpt2" and kept[0]["scores"] == {"acc": 1.0}


def test_a_log_with_missing_samples_is_partial(tmp_path):
    counted = {"n-samples": {"toyqa": {"original": 24, "effective": 24}}}
    lm(tmp_path / "log", rows=ROWS[:13], samples=OLD, **counted)
    found = bring([tmp_path / "log"], tmp_path / "results")
    assert found.notes == [f"{tmp_path / 'log' / OLD}: 13 of 24 documents: its metrics are of all of them"]
    ((record, metrics, kept),) = written(tmp_path / "results").values()
    assert record["status"] == "partial" and len(kept) == 13 and metrics["acc"]["value"] == 0.25
    lm(tmp_path / "whole", rows=ROWS, samples=OLD, **counted)
    assert bring([tmp_path / "whole"], tmp_path / "all").notes == []
    assert written(tmp_path / "all")["lm_eval.toyqa"][0]["status"] == "done"


def test_a_document_is_answered_once(tmp_path):
    """By each filter; a row that was written twice alike counts once."""
    lm(tmp_path / "same", rows=[*ROWS, ROWS[3]], samples=OLD)
    assert len(bring([tmp_path / "same"], tmp_path / "a").made) == 1
    assert len(written(tmp_path / "a")["lm_eval.toyqa"][2]) == 24
    lm(tmp_path / "unlike", rows=[*ROWS, ROWS[3] | {"resps": [["b"]], "acc": 1.0}], samples=OLD)
    (said,) = bring([tmp_path / "unlike"], tmp_path / "b").odd
    assert "answers doc_id 3 twice, and not alike" in said
    filtered = [row | {"filter": name} for row in ROWS for name in ("strict", "loose")]
    lm(tmp_path / "filters", rows=filtered[:-1], samples=OLD)
    assert len(bring([tmp_path / "filters"], tmp_path / "c").made) == 1
    rows = written(tmp_path / "c")["lm_eval.toyqa"][2]
    assert rows[0]["scores"] == {"acc,strict": 1.0, "acc,loose": 1.0} and rows[-1]["scores"] == {"acc,strict": 0.0}


def test_half_an_emoji_in_a_question(tmp_path):
    rows = [{k: v for k, v in r.items() if k != "prompt_hash"} | {"arguments": [["half \ud83d"]]} for r in ROWS]
    lm(tmp_path / "log", rows=rows, samples=OLD)
    found = bring([tmp_path / "log"], tmp_path / "results")
    assert (len(found.made), found.odd) == (1, [])
    ((_, _, kept),) = written(tmp_path / "results").values()
    assert kept[0]["details"]["question"].startswith("half") and len(kept[0]["prompt"]) == 64


def test_results_of_lm_eval_0_3(workdir, capsys):
    found = {"acc": 0.25, "acc_stderr": 0.09, "word_perplexity": 12.5, "odd": "12"}
    config = {"model": "hf-causal", "model_args": "pretrained=gpt2", "num_fewshot": 3, "limit": None}
    Path("any.json").write_text(json.dumps({"results": {"t": found}, "versions": {"t": 0}, "config": config}))
    assert main(["import", "any.json"]) == 0
    assert "metrics only, there are no samples beside it" in capsys.readouterr().err
    ((record, metrics, rows),) = written(workdir / "results").values()
    assert record["config"]["imported"]["version"] == "0.3" and record["task_facts"]["num_fewshot"] == 3
    assert metrics["acc"]["stderr"] == 0.09 and not rows
    assert metrics["acc"]["higher_is_better"] and not metrics["word_perplexity"]["higher_is_better"]


def test_samples_alone_say_what_they_need(workdir, capsys):
    for name in ("samples_toyqa_2024-07-03T10-00-02.1.jsonl", "20261124_033913_samples_t.jsonl", OLD):
        Path(name).write_text(json.dumps(ROWS[0]) + "\n")
        assert main(["import", name]) == 2
        err = capsys.readouterr().err
        assert "holds samples alone" in err and "with this file beside it" in err
    assert "its results file (results.json)" in err


@pytest.mark.parametrize("task", ["org/two", "x" * 300, "../up", "a\nb", "\ud800", ""])
def test_a_task_of_any_name_is_imported_and_so_are_the_logs_after_it(tmp_path, task):
    for name, own in (("a", "one"), ("b", task), ("c", "three")):
        lm(tmp_path / "log", own, f"results_{name}.json")
    found = bring([tmp_path / "log"], tmp_path / "results")
    assert len(found.made) == 3 and not found.odd
    assert len(list((tmp_path / "results" / "runs").iterdir())) == 3
    every_eval_ever.write(stored(tmp_path / "results"), tmp_path / "out", "me", "third_party")
    assert len(list((tmp_path / "out").rglob("*_samples.jsonl"))) == 3
    assert len(slug("lm_eval", task)) < 256


def test_copies_of_other_programs_are_no_logs(tmp_path):
    path = lm(tmp_path / "log", "one", "results_a.json")
    for name in (".ipynb_checkpoints/results_a-checkpoint.json", "results_a-checkpoint.json", "._results_a.json"):
        (path.parent / name).parent.mkdir(exist_ok=True)
        (path.parent / name).write_bytes(path.read_bytes())
    found = bring([tmp_path / "log"], tmp_path / "results")
    assert len(found.made) == 1 and not found.odd


def test_numbers_that_are_none_are_left_out(workdir, capsys):
    """NaN and infinity of metrics and samples, and a whole number that no float can hold."""
    rows = [{**r, "acc": float("nan") if r["doc_id"] % 2 else r["acc"]} for r in ROWS]
    path = lm(Path("log"), rows=rows, samples=OLD)
    text = path.read_text()
    path.write_text(text.replace("0.09", "Infinity").replace('"acc,none"', f'"big,none": {"9" * 400}, "acc,none"'))
    assert main(["import", "log"]) == 0
    ((_, metrics, kept),) = written(workdir / "results").values()
    assert list(metrics) == ["acc"] and metrics["acc"]["stderr"] is None
    assert [r["scores"] for r in kept[:2]] == [{"acc": 1.0}, {}]
    path.write_text(text.replace("0.25", "NaN"))
    assert main(["import", "log"]) == 0 and main(["ls"]) == 0
    assert "nan" not in capsys.readouterr().out
    assert all("NaN" not in p.read_text() for p in Path("results/runs").glob("*/*.json*"))


def bomb(path, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method, compresslevel=9) as packed:
        packed.writestr("header.json", json.dumps({"version": 2, "status": "success", "eval": {}}))
        with packed.open("samples/1_epoch_1.json", "w", force_zip64=True) as member:
            for _ in range(300):
                member.write(b" " * 2**20)
    return path


def test_a_log_that_unpacks_to_a_thousand_times_its_size_is_not_read(workdir, capsys):
    bomb(Path("bomb.eval"))
    assert main(["import", "bomb.eval", str(LOGS / "sums.eval")]) == 3
    printed = capsys.readouterr()
    assert "bomb.eval is not read: its 0.3 MB unpack to 315 MB" in printed.err and "1 runs imported" in printed.out


@pytest.mark.parametrize(
    "damage",
    [
        "[" * 100_000,
        '{"results": ' + "[" * 100_000,
        '{"results": {"t": {}}, "configs": {"t": 1}, "config": [], "versions": 3}',
        '{"version": 2, "status": "success", "eval": {}, "samples": [1, {"scores": 5}, {"scores": {"a": 1}}]}',
        '{"version": 2, "status": "success", "eval": {"task": 7, "config": []}, "results": {"scores": [1]}, "plan": 3}',
        '{"version": 2, "status": "success", "eval": {}, "samples": [{"output": {"usage": {"input_tokens": "x"}}}]}',
    ],
)
def test_damaged_logs_are_a_line_and_the_others_are_imported(workdir, capsys, damage):
    Path("log").mkdir()
    Path("log/a.json").write_text(damage)
    with zipfile.ZipFile("log/b.eval", "w") as packed:
        packed.writestr("header.json", damage)
    lm(Path("log"), name="results_c.json")
    assert main(["import", "log"]) in (0, 3)
    printed = capsys.readouterr()
    assert "Traceback" not in printed.err and any(n.startswith("lm_eval.toyqa") for n in printed.out.splitlines())
    assert all(len(line) < 400 for line in printed.err.splitlines())
    assert main(["ls"]) == 0


def test_what_is_not_a_file_and_other_encodings(workdir, capsys):
    """A pipe would be waited for; Windows' editors write byte order marks and UTF-16."""
    os.mkfifo("pipe.json")
    assert main(["import", "pipe.json"]) == 2
    assert "pipe.json is not a file" in capsys.readouterr().err
    text = lm(Path("log")).read_text()
    for name, encoding in (("a", "utf-8-sig"), ("b", "utf-16")):
        Path(f"log/results_{name}.json").write_text(text.replace("gpt2", name), encoding=encoding)
    assert main(["import", "log"]) == 0
    assert "3 runs imported" in capsys.readouterr().out


def test_old_logs_of_inspect(tmp_path):
    """As 0.3.30 wrote them: no completion, one scorer, one score."""
    message = {"message": {"role": "assistant", "content": [{"type": "text", "text": "Yes"}]}}
    rows = [
        {"id": i, "epoch": 1, "input": "q", "target": "Yes", "output": {"choices": [message]}, "score": {"value": v}}
        for i, v in enumerate(["yes", "No", "TRUE", "0.5", "C", "P", "huh", [1]])
    ]
    metrics = {"accuracy": {"name": "accuracy", "value": 4 / 6}, "stderr": {"name": "stderr", "value": float("nan")}}
    head = {
        "version": 1,
        "status": "success",
        "eval": {"task": "t", "model": "openai/gpt-4", "created": "2024-09-01T00:00:00"},
        "results": {"scorer": {"name": "match"}, "metrics": metrics},
        "samples": rows,
    }
    (tmp_path / "old.json").write_text(json.dumps(head))
    assert len(bring([tmp_path / "old.json"], tmp_path / "results").made) == 1
    ((_, found, kept),) = written(tmp_path / "results").values()
    assert [r["scores"].get("match") for r in kept] == [1.0, 0.0, 1.0, 0.5, 1.0, 0.5, None, None]
    assert kept[0]["answer"] == "Yes" and found["match"]["clusters"] == 6


@pytest.mark.parametrize("order", [("mean", "max"), ("max", "mean")])
def test_reducers_of_inspect_are_told_apart(tmp_path, order):
    """Whichever comes first, the mean bears the scorer's name."""
    values = {"mean": 0.5, "max": 0.75}
    scores = [
        {"name": "match", "reducer": r, "metrics": {"accuracy": {"name": "accuracy", "value": values[r]}}}
        for r in order
    ]
    head = {
        "version": 2,
        "status": "success",
        "eval": {"task": "t", "model": "openai/gpt-4", "created": "2026-01-01T00:00:00"},
        "results": {"scores": scores},
        "samples": [{"id": 1, "epoch": 1, "input": "q", "target": "a", "output": {"completion": "a"}}],
    }
    (tmp_path / "log.json").write_text(json.dumps(head))
    assert len(bring([tmp_path / "log.json"], tmp_path / "results").made) == 1
    ((_, found, _),) = written(tmp_path / "results").values()
    assert {name: m["value"] for name, m in found.items()} == {"match": 0.5, "match.max": 0.75}


def test_no_secret_of_a_log_is_taken_over(workdir, monkeypatch, capsys):
    """A key in another tool's errors and settings; its answers are what they are."""
    monkeypatch.setenv("MY_TOKEN", "canary-of-ours-0123")
    said = f"{'x' * 270} Authorization: Bearer canary-of-theirs, canary-of-ours-0123"
    with zipfile.ZipFile(LOGS / "sums.eval") as old, zipfile.ZipFile("leak.eval", "w") as new:
        for name in old.namelist():
            value = json.loads(inspect_logs._member(LOGS / "sums.eval", name))
            if name.startswith("samples/3"):
                value["error"] = {"message": said, "traceback": said}
            if name == "header.json":
                value["eval"]["model_args"] = {"api_key": "canary-in-a-setting"}
                value["eval"]["model_base_url"] = "http://me:canary-pass@host/v1"
            new.writestr(name, json.dumps(value))
    assert main(["import", "leak.eval"]) == 0
    assert main(["site", "build"]) == 0 and main(["ls"]) == 0 and main(["export", "--out", "export"]) == 0
    (run,) = Path("results/runs").iterdir()
    assert main(["show", run.name, "--samples", "12"]) == 0
    assert "canary" not in "".join(capsys.readouterr())
    (error,) = [r for line in (run / "samples.jsonl").read_text().splitlines() if (r := json.loads(line)["error"])]
    assert "[redacted]" in error["message"]
    for path in (workdir / "results", workdir / "export"):
        assert not [p for p in path.rglob("*") if p.is_file() and b"canary" in p.read_bytes()]

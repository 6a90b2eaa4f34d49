"""The command line on the toy task: words, exit codes, one-line errors, resume."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.cli import COMMANDS, main, usage
from harness.runs.journal import read

PLUGINS = f"plugins=[{Path(__file__).parents[1] / 'plugins'}]"
SUMS = ("eval", "task=sums", PLUGINS)


def runs(folder=Path("results")):
    return sorted(p for p in (folder / "runs").iterdir())


def record(run):
    return json.loads((run / "run.json").read_text())


def test_a_run_leaves_its_record_journal_and_metrics(workdir, capsys):
    assert main([*SUMS]) == 0
    (run,) = runs()
    facts = record(run)
    assert facts["status"] == "done" and facts["counts"] == {
        "samples": 40, "done": 40, "errors": 0, "requests": 40, "asked": 40,
    }  # fmt: skip
    assert facts["environment"]["packages"]["numpy"] and facts["config"]["task"]["n"] == 40
    assert len(read(run / "samples.jsonl")) == 40
    assert json.loads((run / "metrics.json").read_text())[0]["value"] == 1
    assert run.name in capsys.readouterr().out
    assert (workdir / "results" / "harness.duckdb").exists()


def test_the_same_command_answers_from_the_store(workdir, capsys):
    main([*SUMS])
    (run,) = runs()
    before = {p.name: p.stat().st_mtime_ns for p in run.iterdir()}
    assert main([*SUMS]) == 0
    assert before == {p.name: p.stat().st_mtime_ns for p in run.iterdir()}
    assert "from the store" in capsys.readouterr().out


def test_a_torn_journal_is_mended(workdir):
    main([*SUMS])
    (run,) = runs()
    whole = read(run / "samples.jsonl")
    data = (run / "samples.jsonl").read_bytes()
    (run / "samples.jsonl").write_bytes(data[: len(data) // 2])
    facts = record(run)
    (run / "run.json").write_text(json.dumps(facts | {"status": "running"}))
    assert main([*SUMS]) == 0
    assert sorted(read(run / "samples.jsonl"), key=lambda r: r.id) == sorted(whole, key=lambda r: r.id)
    assert 40 < record(run)["counts"]["asked"] < 80, "what the first session asked counts as well"


def test_error_rows_make_a_partial_run(workdir, capsys):
    assert main([*SUMS, "task.bad=[3,5]"]) == 3
    err = capsys.readouterr().err
    assert "2 of 40 samples ended in an error row" in err and "sample s3 has no text" in err
    assert main([*SUMS, "task.bad=[3,5]"]) == 3
    assert main([*SUMS, "task.bad=[3,5]", "retry=errors"]) == 3
    (run,) = runs()
    assert len(read(run / "samples.jsonl")) == 40


def test_nothing_scored_is_a_failed_run(workdir):
    assert main([*SUMS, "task.n=2", "task.bad=[0,1]"]) == 1
    assert record(runs()[0])["status"] == "failed"


def test_limit_and_seed(workdir):
    assert main([*SUMS, "limit=12", "seed=1"]) == 0
    results = read(runs()[0] / "samples.jsonl")
    assert len(results) == 12 and len({r.cluster for r in results}) == 3


def test_a_sweep_goes_on_after_an_error(workdir, capsys):
    assert main([*SUMS, "-m", "limit=0,4"]) == 2
    assert "limit=0 leaves nothing to do" in capsys.readouterr().err
    assert any(record(r)["status"] == "done" for r in runs())
    assert [p.name for p in workdir.iterdir()] == ["results"]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["evla"], "unknown command: evla: did you mean eval"),
        (["eval", "task=pop"], "did you mean pope"),
        (["eval", "task=sums", PLUGINS, "task.m=3"], "unknown setting task.m"),
        (["eval", "task=sums", PLUGINS, "batch_size=0"], "invalid batch_size=0"),
        (["eval", "task=sums", PLUGINS, "method=vista"], "has none to edit"),
        (["list", "metods"], "unknown kind: metods: did you mean methods"),
        (["show", "method=vsta"], "did you mean vista"),
        (["show", "metod=vista"], "did you mean method"),
        (["ls", "tsk=pope"], "unknown filter: tsk: did you mean task"),
        (["ls", "pope"], "invalid filter 'pope': write KEY=VALUE"),
        (["ls", "--nope"], "unrecognized arguments"),
        (["completion", "tcsh"], "unknown shell: tcsh: did you mean zsh"),
    ],
)
def test_wrong_words_are_one_line_and_exit_2(workdir, capsys, words, says):
    (workdir / "results" / "runs").mkdir(parents=True)
    assert main(words) == 2
    err = capsys.readouterr().err
    assert says in err and len(err.strip().splitlines()) <= 2 and "Traceback" not in err


def test_no_results_folder_is_missing(workdir, capsys):
    assert main(["ls"]) == 3
    assert "holds no runs" in capsys.readouterr().err


def test_show_ls_and_compare(workdir, capsys):
    main([*SUMS])
    main([*SUMS, "model=chance"])
    capsys.readouterr()
    assert main(["ls"]) == 0
    out = capsys.readouterr().out
    assert "sums-default-vanilla-oracle" in out and "accuracy 1.000" in out
    assert main(["ls", "model=chance", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["model"] == "chance" and row["status"] == "done"
    assert main(["show", "sums-default-vanilla-oracle", "--samples", "2"]) == 0
    out = capsys.readouterr().out
    assert "40 of 40 samples" in out and "s0 [even] target '0'" in out
    assert main(["compare", "sums-default-vanilla-chance", "sums-default-vanilla-oracle", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    whole = next(r for r in found["rows"] if r["group"] == "all")
    assert whole["difference"]["value"] > 0.7 and whole["difference"]["low"] > 0.5
    assert main(["compare", "sums-default-vanilla-chance", "sums-default-vanilla-oracle"]) == 0
    out = capsys.readouterr().out
    assert "40 samples paired" in out and "also differs: model chance and oracle\n" in out
    main([*SUMS, "limit=12", "seed=1"])
    capsys.readouterr()
    assert main(["compare", "method=vanilla", "method=vanilla", "limit=12"]) == 0
    assert "also differs" not in capsys.readouterr().out
    (cut,) = [r.name for r in runs() if record(r)["limit"] == 12]
    assert main(["compare", "sums-default-vanilla-chance", cut]) == 0
    assert "also differs: model chance and oracle; limit none and 12; seed 0 and 1\n" in capsys.readouterr().out


def test_runs_on_other_records_are_not_comparable(workdir, capsys):
    main([*SUMS])
    main([*SUMS, "task.n=8"])
    assert main(["compare", *(r.name for r in runs())]) == 3
    assert "cannot be compared" in capsys.readouterr().err


def test_ingest_rebuilds(workdir, capsys):
    main([*SUMS])
    (workdir / "results" / "harness.duckdb").unlink()
    assert main(["ingest"]) == 0
    assert (workdir / "results" / "harness.duckdb").exists()


def test_every_command_has_help_and_is_documented(capsys):
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    for name in COMMANDS:
        assert name in usage()
        try:
            code = main([name, "--help"])
        except SystemExit as end:
            code = end.code
        assert code == 0
        assert "usage: harness" in capsys.readouterr().out
        assert f"harness {name}" in readme, f"README.md does not mention harness {name}"


@pytest.mark.parametrize(
    ("words", "says"),
    [(["ls", "--jsn"], "did you mean --json"), (["eval", "task=pope", "--cgf", "job"], "did you mean --cfg")],
)
def test_a_misspelt_option_is_answered_with_the_nearest(workdir, capsys, words, says):
    assert main(words) == 2
    assert says in capsys.readouterr().err


SLOW = """
import sys, time
import tests.engine.toys as toys
real = toys.Sums.oracle
toys.Sums.oracle = lambda *a: (time.sleep(0.02), real(*a))[1]
from harness.cli import main
sys.exit(main(sys.argv[1:]))
"""


def start(folder, *words):
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(
        [sys.executable, "-c", SLOW, *SUMS, "batch_size=4", *words],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def wait_for_rows(folder, n):
    for _ in range(500):
        found = list(folder.glob("results/runs/*/samples.jsonl"))
        if found and len(found[0].read_bytes().splitlines()) >= n:
            return
        time.sleep(0.02)
    raise AssertionError("the run wrote nothing")


def test_ctrl_c_finishes_the_batch_and_says_how_to_go_on(workdir):
    process = start(workdir, "task.n=200")
    wait_for_rows(workdir, 8)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "rerun the same command to resume" in err and "Traceback" not in err
    (run,) = runs(workdir / "results")
    kept = read(run / "samples.jsonl")
    assert record(run)["status"] == "interrupted" and len(kept) % 4 == 0 and 8 <= len(kept) < 200
    assert main([*SUMS, "task.n=200", "batch_size=4"]) == 0
    assert read(run / "samples.jsonl")[: len(kept)] == kept
    assert len(read(run / "samples.jsonl")) == 200


def test_a_killed_run_is_interrupted_where_it_stopped(workdir, capsys):
    """Also after a resumed session that is killed; each session's requests are counted."""
    for least in (8, 60):
        process = start(workdir, "task.n=200")
        wait_for_rows(workdir, least)
        assert main(["ls", "status=running"]) == 0 and "running" in capsys.readouterr().out
        process.kill()
        process.communicate()
        (run,) = runs(workdir / "results")
        done = len(read(run / "samples.jsonl"))
        assert least <= done < 200 and record(run)["status"] == "running"
        assert main(["ls", "--json"]) == 0
        (row,) = json.loads(capsys.readouterr().out)
        assert row["status"] == "interrupted"
        assert [row["counts"][k] for k in ("samples", "done", "errors")] == [200, done, 0]
    for command in ("rescore", "submit"):
        assert main([command, run.name]) != 0 and "it is interrupted" in capsys.readouterr().err
    assert main([*SUMS, "task.n=200", "batch_size=4"]) == 0
    assert record(run)["counts"]["requests"] == 200


def test_a_session_that_fails_keeps_what_the_run_had(workdir, monkeypatch):
    process = start(workdir, "task.n=200")
    wait_for_rows(workdir, 8)
    process.kill()
    process.communicate()
    (run,) = runs(workdir / "results")
    done = len(read(run / "samples.jsonl"))

    def fails(*_):
        raise RuntimeError("no")

    monkeypatch.setattr("harness.models.reference.Oracle.load", fails)
    with pytest.raises(RuntimeError):
        main([*SUMS, "task.n=200", "batch_size=4"])
    found = record(run)
    assert (found["status"], found["counts"]["done"], found["counts"]["requests"]) == ("interrupted", done, done)


def test_two_at_once_on_one_run_and_on_two(workdir):
    processes = [start(workdir), start(workdir), start(workdir, "seed=1")]
    errors = [p.communicate(timeout=120)[1] for p in processes]
    assert [p.returncode for p in processes] == [0, 0, 0], errors
    assert len(runs(workdir / "results")) == 2
    for run in runs(workdir / "results"):
        assert len(read(run / "samples.jsonl")) == 40


def test_a_method_says_first_how_far_it_is_verified(capsys):
    assert main(["show", "method=vista"]) == 0
    out = capsys.readouterr().out
    lines = out.split("\n\n")[1].splitlines()
    assert lines[0].startswith("  verified    end to end: the authors' program and ours")
    assert "  code        https://github.com/LzVv123456/VISTA" in lines
    assert "  commit      dc6225260d0e54997d6c597e3c977113c606bff6" in lines
    assert any(line.startswith("  difference  ") for line in lines)
    assert max(map(len, lines)) <= 80
    assert "verified: " not in out  # once only
    assert main(["show", "method=truthprint"]) == 0
    out = capsys.readouterr().out
    assert "  verified    formulas only: no code of the authors is public" in out and "  commit  " not in out
    assert main(["show", "task=pope"]) == 0
    assert "verified    " not in capsys.readouterr().out


def test_ids_that_an_answer_file_may_give(workdir, capsys):
    rows = [{"question_id": i, "image": f"{i}.jpg", "text": f"Is there a cat {i}?", "label": "no"} for i in (7, 8)]
    (workdir / "coco_pope_random.json").write_text("\n".join(json.dumps(r) for r in rows))
    words = ["task=pope", "task.data=coco", "task.root=.", "task.splits=[random]"]
    assert main(["show", *words, "--ids"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "task=pope task.data=coco: 2 samples"
    assert out[1] == "  random:7: question_id 7, image 7.jpg, group random, asks 'Is there a cat 7?'"
    assert main(["show", *words]) == 2
    assert "settings go with --ids" in capsys.readouterr().err


def test_the_list_of_methods_has_their_levels(capsys, tmp_path):
    (tmp_path / "mine.yaml").write_text("_target_: mine.Mine\nkind: pipeline\ncard: {title: My method}\n")
    assert main(["list", "methods", "--plugins", str(tmp_path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(re.fullmatch(r"  vista +end to end +VISTA .*", line) for line in lines)
    assert any(re.fullmatch(r"  iri +formulas only +IRI .*", line) for line in lines)
    assert any(re.fullmatch(r"  mine +none +My method", line) for line in lines)


def test_an_unknown_level_of_a_third_party_is_one_line(capsys, tmp_path):
    card = "card: {title: My method, verified: {level: mostly, note: Trust me.}}\n"
    (tmp_path / "mine.yaml").write_text(f"_target_: mine.Mine\nkind: pipeline\n{card}")
    assert main(["show", "method=mine", "--plugins", str(tmp_path)]) == 2
    err = capsys.readouterr().err
    assert "mine.yaml: card: verified: unknown level 'mostly': choose one of end to end, function" in err
    assert len(err.strip().splitlines()) == 1

"""`harness eval --dry-run` and `harness show prompts`: what would be asked, and what a model really gets."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import main
from harness.runs.stored import stored
from tests.models.openai.local import said, serving

SUMS = ("eval", "task=sums", f"plugins=[{Path(__file__).parents[1] / 'plugins'}]")
TINY = ("task=pope", "limit=18", "task.splits=[random]")


def dry(capsys, *words):
    capsys.readouterr()
    assert main([*SUMS, *words, "--dry-run"]) == 0
    out = capsys.readouterr().out
    assert all(len(line) <= 80 for line in out.splitlines() if line.startswith("  ") and "sums-" not in line)
    return " ".join(out.split())


def test_a_dry_run_counts_and_writes_nothing(workdir, capsys):
    out = dry(capsys, "limit=12", "system=Add.")
    assert "samples 12 in 3 clusters (cluster), 0 different pictures" in out and "groups even 6, odd 6" in out
    assert "store nothing: every sample is asked" in out and "time no stored run to estimate from" in out
    assert out.count("] target ") == 3 and "at most 4 new tokens" in out
    assert not list(workdir.iterdir())


def test_a_dry_run_knows_the_store(workdir, capsys):
    assert main([*SUMS, "logger=quiet"]) == 0
    (run,) = stored(Path("results"))
    before = {p: p.stat().st_mtime_ns for p in workdir.rglob("*")}
    assert f"store {run.name} is done: the command returns its results" in dry(capsys)
    assert "store nothing" in dry(capsys, "seed=1")
    assert before == {p: p.stat().st_mtime_ns for p in workdir.rglob("*")}
    lines = run.directory.journal.read_bytes().splitlines(keepends=True)
    run.directory.journal.write_bytes(b"".join(lines[:16]))
    facts = json.loads((run.directory.path / "run.json").read_text())
    (run.directory.path / "run.json").write_text(json.dumps(facts | {"status": "interrupted"}))
    assert "has 16 of 40 samples: the command asks the others" in dry(capsys)


def test_a_dry_run_estimates_by_the_run_that_is_most_like_it(workdir, capsys):
    for words in ([], ["method=vista"]):
        assert main(["eval", *TINY, "logger=quiet", *words]) == 0
    vista, vanilla = (r.name for r in stored(Path("results")))
    for words, name in (([], vanilla), (["method=vista"], vista)):
        capsys.readouterr()
        assert main(["eval", "task=pope", "limit=1800", *words, "--dry-run"]) == 0
        out = " ".join(capsys.readouterr().out.split())
        assert f"for 1,800 samples, by {name} (of 18 samples: a rough guess)" in out
        assert "100 different pictures" in out and "picture 1: 288 x 288" in out


def test_a_dry_run_shows_errors_and_refuses_as_a_run_does(workdir, capsys):
    assert "error: Unusable: sample s1 has no text" in dry(capsys, "task.bad=[1]")
    assert main([*SUMS, "limit=0", "--dry-run"]) == 2
    assert "limit=0 leaves nothing to do" in capsys.readouterr().err


def test_a_dry_run_of_vanilla_imports_no_torch(workdir):
    words = ["eval", "task=pope", "--dry-run"]
    code = f"import sys; from harness.cli import main; main({words}); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def prompts(capsys, *words):
    capsys.readouterr()
    assert main(["show", "prompts", *TINY, *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_prompts_are_what_the_model_gets(workdir, capsys):
    rows = prompts(capsys, "fewshot=1", "system=Be brief.", "--samples", "2")
    assert main(["eval", *TINY, "fewshot=1", "system=Be brief.", "logger=quiet"]) == 0
    tokens = {r.id: r.prompt_tokens for r in stored(Path("results"))[0].results()}
    assert len(rows) == 2
    for row in rows:
        (one,) = row["prompts"]
        assert row["pictures"] == ["288 x 288"] * 2 and one["pixels"] == [2, 3, 96, 96]
        assert one["tokens"] == len(one["ids"]) == tokens[row["id"]] and one["visual"] == 128
        assert one["text"].startswith("<s>Be brief.") and one["text"].count("<image>[x 64]") == 2
        assert "</s>" in one["text"] and one["text"].endswith("ASSISTANT:")


def test_what_a_method_contrasts_with_is_shown(workdir, capsys):
    (row,) = prompts(capsys, "method=icd", "--samples", "1")
    assert [p["name"] for p in row["prompts"]] == ["", "icd"]
    plain, disturbed = (p["text"] for p in row["prompts"])
    assert plain != disturbed
    assert main(["show", "prompts", *TINY, "method=icd"]) == 0
    out = capsys.readouterr().out
    assert out.count("picture 1: 288 x 288") == 3 and "of them visual, pixels 1 x 3 x 96 x 96" in out
    assert not Path("results").exists()


def test_what_a_server_would_get(workdir, capsys):
    pytest.importorskip("httpx")
    pytest.importorskip("tenacity")
    with serving(lambda body, n: said("Yes")) as served:
        (row,) = prompts(
            capsys, "task.data=embedded", "model=openai", "model.name=m", f"model.base_url={served.address}",
            "decoding.extra.min_p=0.1", "--samples", "1",
        )  # fmt: skip
    assert not served.bodies
    body = json.loads(row["prompts"][0]["text"])
    assert body["min_p"] == 0.1 and body["max_tokens"] == 32
    url = body["messages"][0]["content"][0]["image_url"]["url"]
    assert url.startswith("data:image/") and ";base64,... (" in url and url.endswith(" bytes)")


def test_a_model_without_prompts_is_refused(workdir, capsys):
    assert main(["show", "prompts", *TINY, "model=oracle"]) == 2
    assert "model=oracle reads no prompts" in capsys.readouterr().err

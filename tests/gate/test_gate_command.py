"""harness gate and harness baseline through the command line."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from contextlib import chdir
from pathlib import Path
from xml.etree import ElementTree

import pytest

from harness.cli import main
from tests.gate.common import PLUGINS, N, answers, play, replies
from tests.loggers.offline import data


@pytest.fixture(scope="module")
def accepted_once(tmp_path_factory):
    folder = tmp_path_factory.mktemp("accepted")
    with chdir(folder):
        name = play(answers(0.2))
        assert main(["baseline", "update", name, "--reason", "first"]) == 0
        shutil.rmtree("results/runs")
    return folder


@pytest.fixture
def base(accepted_once, workdir):
    """A baseline of one run, 80 % right, accepted; the results folder is empty again."""
    shutil.copytree(accepted_once, workdir, dirs_exist_ok=True)
    return Path("results/baseline")


def gate(capsys, *words: str) -> tuple[int, str]:
    code = main(["gate", *words])
    return code, capsys.readouterr().out


def policy(**settings) -> None:
    Path("gate.yaml").write_text(json.dumps(settings))


def test_equal_answers_are_identical(base, capsys):
    play(answers(0.2, seed=0))
    code, out = gate(capsys)
    assert code == 0 and f"identical: all {N} answers equal" in out


def test_a_regression_fails_and_lists_what_flipped(base, capsys):
    play(answers(0.2, flip=0.05))
    capsys.readouterr()
    code, out = gate(capsys)
    assert code == 1 and "correct (all) regressed: -0.04" in out
    assert "'y' now" in out and out.count(" before, ") == 20


def test_an_improvement_passes(base, capsys):
    play(answers(0.1))
    assert gate(capsys)[0] == 0


def test_a_small_loss_slips_and_strict_fails_it(base, capsys):
    play(answers(0.2, flip=0.02))
    policy(checks=[{"delta": 0.05}])
    code, out = gate(capsys)
    assert code == 0 and "slipped" in out
    policy(checks=[{"delta": 0.05}], strict=True)
    assert gate(capsys)[0] == 1


def test_other_answers_of_equal_quality_are_undecided_with_a_narrow_margin(base, capsys):
    play(answers(0.2, seed=7))
    code, out = gate(capsys, "--tolerance", "0.001")
    assert code == 4 and "inconclusive" in out and "clusters would do" in out
    policy(inconclusive="warn", checks=[{"delta": 0.001}])
    assert gate(capsys)[0] == 0
    policy(checks=[{"delta": 0.15}])
    assert gate(capsys)[0] == 0


def test_missing_and_incomparable(base, capsys):
    code, out = gate(capsys)
    assert code == 3 and "no finished run to compare: harness eval task=sums" in out
    other = play(answers(0.2), "results", 800)
    assert gate(capsys)[0] == 3
    whole = play(answers(0.2))
    code, out = gate(capsys, "--baseline", whole, "--candidate", other)
    assert code == 3 and "incomparable: " in out


def test_advisory_checks_and_groups(base, capsys):
    play(answers(0.2, flip=0.1))
    policy(checks=[{"group": "odd", "blocking": False}, {"group": "even", "delta": 0.3}])
    code, out = gate(capsys)
    assert code == 0 and "correct (odd) regressed (advisory)" in out
    policy(checks=[{"group": "prime"}])
    code, out = gate(capsys)
    assert code == 3 and "no such score or group: it has scores correct and groups" in out


def test_flips_decide_a_smoke_test(workdir, capsys):
    name = play(answers(0.2, n=16), "results", 16)
    assert main(["baseline", "update", name, "--reason", "smoke"]) == 0
    shutil.rmtree("results/runs")
    play(answers(0.2, flip=0.3, n=16), "results", 16)
    assert gate(capsys)[0] == 4
    policy(checks=[{"flips": 16}])
    assert gate(capsys)[0] == 0
    policy(checks=[{"flips": 0}])
    assert gate(capsys)[0] == 1


def test_a_budget_of_changes_sees_what_no_score_shows(base, capsys):
    play(answers(0.2, odd=next(i for i, a in enumerate(replies(answers(0.2))) if a == "x")))
    assert gate(capsys)[0] == 0
    policy(checks=[{"changes": 0}])
    code, out = gate(capsys)
    assert code == 1 and "1 changed, 0 allowed" in out and "'z' now" in out
    policy(checks=[{"changes": 1}])
    assert gate(capsys)[0] == 0


def test_speed_is_judged_by_repeats(workdir, capsys):
    """A hundred times as long, five times over; one run each judges nothing, and speed never blocks."""
    assert main(["eval", "task=pope", "limit=18", "logger=quiet"]) == 0
    (name,) = [p.name for p in Path("results/runs").iterdir()]
    assert main(["baseline", "update", name, "--reason", "x", "--timings", "5"]) == 0
    policy(limits={"seconds": 1.1, "passes": 1.0})
    capsys.readouterr()
    code, out = gate(capsys)
    assert code == 0 and "not judged (5 and 0 timings, 5 needed" in out
    path = Path("results/baseline/manifest.json")
    manifest = json.loads(path.read_text())
    for timing in manifest["runs"][0]["timings"]:
        timing["seconds"] /= 100  # a busy machine delays some runs tenfold
    path.write_text(json.dumps(manifest))
    code, out = gate(capsys, "--timings", "5")
    assert code == 0 and "seconds over (advisory)" in out and "p 0.0079 (5 and 5 timings)" in out


def test_a_tampered_or_missing_file_is_refused_by_name(base, capsys):
    play(answers(0.2))
    (file,) = base.glob("*.parquet")
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + b"!")
    for command in (["gate"], ["baseline", "verify"]):
        assert main(command) == 3
        err = capsys.readouterr().err
        assert file.stem in err and "not the file that was accepted" in err
    file.unlink()
    assert main(["gate"]) == 3 and f"{file.stem}.parquet is missing" in capsys.readouterr().err
    file.write_bytes(whole)
    assert main(["gate"]) == 0


@pytest.mark.parametrize("damage", [Path.unlink, lambda file: file.write_bytes(b"x")])
def test_an_update_takes_the_place_of_a_run_whose_file_is_lost(base, capsys, damage):
    name = play(answers(0.2, flip=0.05))
    (file,) = base.glob("*.parquet")
    damage(file)
    assert main(["gate"]) == 3 and "harness baseline update" in capsys.readouterr().err
    assert main(["baseline", "update", name, "--reason", "again"]) == 0
    assert f"is missing or damaged: {name} takes its place without a comparison" in capsys.readouterr().out
    assert main(["baseline", "verify"]) == 0 and main(["gate"]) == 0


@pytest.mark.parametrize("text", ["[]", "{", '{"schema": 1}', '{"schema": 1, "runs": [{}]}', "[" * 100_000])
def test_a_damaged_manifest_is_one_line(base, capsys, text):
    (base / "manifest.json").write_text(text)
    for command in (["gate"], ["baseline", "show"]):
        assert main(command) == 3
        err = capsys.readouterr().err
        assert "manifest.json" in err and "restore it" in err and err.count("\n") == 1


def test_bad_then_fixed_then_bad_again_is_bad(base, capsys):
    """The newest run that was started is the fixed one; what the command gives now is the bad one, from the store."""
    bad = play(answers(0.2, flip=0.05))
    play(answers(0.2))
    words = ["eval", "task=sums", f"task.n={N}", PLUGINS, "model=replay", f"model.path={answers(0.2, flip=0.05)}"]
    assert main(words) == 0 and f"run {bad} (done, from the store)" in capsys.readouterr().out
    for run in ([], ["--run"]):
        code, out = gate(capsys, *run)
        assert code == 1 and "regressed" in out
    answers(0.2)
    assert gate(capsys)[0] == 0


@pytest.mark.parametrize(
    ("accepted", "explored"),
    [
        (("task=pope", "method=vcd", "limit=18"), ("method.vcd.alpha=3.5",)),
        (("task=pope", "model=chance", "limit=18"), ("task.suffix=Say yes or no.",)),
        (("task=sums", PLUGINS, "model=chance"), ("seed=1",)),
    ],
)
def test_exploring_other_settings_leaves_the_gate_as_it_was(workdir, capsys, accepted, explored):
    assert main(["eval", *accepted, "logger=quiet"]) == 0
    (name,) = [p.name for p in Path("results/runs").iterdir()]
    assert main(["baseline", "update", name, "--reason", "x"]) == 0
    assert main(["eval", *accepted, *explored, "logger=quiet"]) == 0
    for run in ([], ["--run"]):
        code, out = gate(capsys, *run)
        assert code == 0 and "identical" in out
    (other,) = [p.name for p in Path("results/runs").iterdir() if p.name != name]
    assert main(["baseline", "update", other, "--reason", "explored"]) == 0
    code, out = gate(capsys)
    assert code == 0 and out.count("identical") == 2  # beside the first, which it does not replace


BOOM = """
from pathlib import Path
from harness.core import Pipeline

class Boom(Pipeline):
    name = "boom"

    def respond(self, request):
        if Path("broken").exists():
            raise RuntimeError(Path("broken").read_text())
        return (yield request)
"""


def test_a_crash_is_judged_and_the_other_runs_are_too(workdir, capsys, monkeypatch):
    Path("mine").mkdir()
    Path("mine/boom.yaml").write_text("_target_: boom.Boom\nkind: pipeline\ncard: {title: Boom}\n")
    Path("mine/boom.py").write_text(BOOM)
    plugins = PLUGINS.replace("]", ",mine]")
    for method in ("vanilla", "boom"):
        assert main(["eval", "task=sums", f"method={method}", plugins, "logger=quiet"]) == 0
        assert main(["baseline", "update", f"sums-default-{method}", "--reason", "x"]) == 0
    Path("broken").write_text("out of\nluck")
    capsys.readouterr()
    code, out = gate(capsys, "--run", "--results", "fresh", "--baseline", "results/baseline", "--json", "g.json")
    assert code == 1 and "sums-default-vanilla-oracle: correct (all) identical" in out
    (said,) = [line for line in out.splitlines() if line.startswith("x ")]
    assert said.startswith("x sums-default-boom-oracle: run crashed: no sample has a score: 40 x ") and "out of" in said
    assert {e["state"] for e in json.loads(Path("g.json").read_text())["entries"]} == {"crashed", "identical"}
    assert gate(capsys, "--results", "fresh", "--baseline", "results/baseline")[0] == 1
    manifest = json.loads(Path("results/baseline/manifest.json").read_text())
    manifest["runs"][0]["words"].append("task.nothing=1")
    Path("results/baseline/manifest.json").write_text(json.dumps(manifest))
    code, out = gate(capsys, "--run")
    assert code == 3 and "run missing: unknown setting task.nothing" in out and "identical" in out


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "from harness.core import Pipeline",
            "from harness.core import Gone",
            "cannot be imported: cannot import name",
        ),
        ("from harness.core import Pipeline", "from harness.core import (", "SyntaxError: "),
        (
            '    name = "boom"',
            "    def __init__(self):\n        self.k = None + 1\n",
            "Boom refuses its values: unsupp",
        ),
        ('    name = "boom"', "    def __init__(self):\n        {}['k']\n", "raised KeyError ('k') at"),
        ("        if Path", "        raise SystemExit(3)\n        if Path", "raised SystemExit (3) at"),
    ],
)
def test_code_that_cannot_begin_is_a_crash_too(workdir, capsys, old, new, says):
    """One line and exit 1, with all reports and the other runs' verdicts: the command was accepted with other code."""
    Path("mine").mkdir()
    name = f"boom{abs(hash(new)) % 10**8}"  # a module of its own, since Python keeps those that it has imported
    Path(f"mine/{name}.yaml").write_text(f"_target_: {name}.Boom\nkind: pipeline\ncard: {{title: Boom}}\n")
    Path(f"mine/{name}.py").write_text(BOOM)
    plugins = PLUGINS.replace("]", ",mine]")
    for method in (name, "vanilla"):
        assert main(["eval", "task=sums", f"method={method}", plugins, "logger=quiet", "limit=4"]) == 0
        assert main(["baseline", "update", f"sums-default-{method}", "--reason", "x"]) == 0
    assert old in BOOM
    Path(f"mine/{name}.py").write_text(BOOM.replace(old, new))
    sys.modules.pop(name)
    importlib.invalidate_caches()
    capsys.readouterr()
    reports = [w for kind in ("json", "junit", "sarif", "markdown") for w in (f"--{kind}", f"g.{kind}")]
    code, out = gate(capsys, "--run", "--results", "fresh", "--baseline", "results/baseline", *reports)
    (crash,) = [line for line in out.splitlines() if line.startswith("x ")]
    assert code == 1 and "run crashed: " in crash and says in crash and "vanilla-oracle: correct (all) identical" in out
    assert all(Path(f"g.{kind}").stat().st_size for kind in ("json", "junit", "sarif", "markdown"))


def test_a_run_that_no_check_fits_is_named(base, capsys):
    play(answers(0.2))
    policy(checks=[{"task": "sums", "blocking": False}])
    assert gate(capsys)[0] == 0
    again = answers(0.2, n=40)
    assert main(["baseline", "update", play(again, "results", 40, "seed=1"), "--reason", "x"]) == 0
    policy(checks=[{"method": "vanilla", "data": "default", "model": "replay"}])
    capsys.readouterr()
    assert "unjudged" not in gate(capsys)[1]
    manifest = json.loads((base / "manifest.json").read_text())
    manifest["runs"][0]["record"]["model"] = "other"
    (base / "manifest.json").write_text(json.dumps(manifest))
    code, out = gate(capsys)
    assert "run unjudged (advisory): no check of gate.yaml fits it" in out and code == 0


@pytest.mark.parametrize(
    ("checks", "says"),
    [
        ([{"task": "sum"}], "check 1: task=sum fits no run of the baseline: did you mean sums?"),
        ([{}, {"task": "sums", "method": "vista"}], "check 2: method=vista fits no run of the baseline"),
    ],
)
def test_a_check_that_judges_nothing_is_an_error(base, capsys, checks, says):
    name = play(answers(0.2))
    policy(checks=checks)
    capsys.readouterr()
    assert main(["gate"]) == 2
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1
    assert main(["gate", "--baseline", name, "--candidate", name]) == (0 if len(checks) > 1 else 2)


def test_an_update_that_is_killed_leaves_a_baseline(base, capsys, monkeypatch):
    """Wherever it dies: between any two files that it puts in place."""
    name, real, dies = play(answers(0.3)), Path.replace, iter(())

    def replace(self, target):
        if next(dies, False):
            raise KeyboardInterrupt
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    update = ["baseline", "update", name, "--reason", "second", "--even-if-worse"]
    for at in range(10):
        dies = iter([False] * at + [True])
        code = main(update)
        dies = iter(())
        assert main(["baseline", "verify"]) == 0 and main(["baseline", "show"]) == 0
        assert gate(capsys)[0] in (0, 1)
        if code == 0:
            break
        assert code == 130
    assert at >= 2 and "second" in (base / "SUMMARY.md").read_text()
    assert len(list(base.iterdir())) == 3  # with its samples, and nothing that was left behind


def test_a_score_that_is_no_number_decides_nothing(base, capsys):
    """In a baseline that was accepted when that was possible."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    from harness.gate.baseline import _sha256

    play(answers(0.2))
    (file,) = base.glob("*.parquet")
    table = pq.read_table(file)
    at, whole = table.schema.get_field_index("scores"), table["scores"].to_pylist()
    for column in [[[("correct", float("nan"))]] * N, [[("correct", float("inf"))]] * 3 + whole[3:]]:
        pq.write_table(table.set_column(at, "scores", pa.array(column, table.schema.field("scores").type)), file)
        manifest = json.loads((base / "manifest.json").read_text())
        manifest["runs"][0]["sha256"] = _sha256(file)
        (base / "manifest.json").write_text(json.dumps(manifest))
        code, out = gate(capsys)
        assert code == (0 if column[3:] == whole[3:] else 3), out


def test_an_update_takes_the_place_of_a_file_that_older_versions_named(base, capsys):
    name = play(answers(0.2))
    (file,) = base.glob("*.parquet")
    old = file.rename(base / "sums-default-vanilla-replay.parquet")
    manifest = (base / "manifest.json").read_text()
    (base / "manifest.json").write_text(manifest.replace(file.name, old.name))
    assert main(["baseline", "verify"]) == 0
    assert main(["baseline", "update", name, "--reason", "again"]) == 0
    assert [p.name for p in base.glob("*.parquet")] == [file.name] and main(["baseline", "verify"]) == 0


@pytest.mark.parametrize("broken", [N, 3])
def test_runs_of_old_that_hold_nan_are_incomplete(base, capsys, broken):
    """No loss is shown and none is excluded, whichever run it is, and however it is compared."""
    good, bad = play(answers(0.3)), play(answers(0.2))
    journal = Path("results/runs", bad, "samples.jsonl")
    rows = [json.loads(line) for line in journal.read_text().splitlines()]
    for row in rows:
        del row["crc32"]
    for row in rows[:broken]:
        row["scores"]["correct"] = float("nan")
    journal.write_text("".join(json.dumps(row) + "\n" for row in rows))
    two = ["--baseline", good, "--candidate", bad], ["--baseline", bad, "--candidate", good]
    for words in (["gate"], ["compare", good, bad], ["compare", bad, good], *(["gate", *w] for w in two)):
        capsys.readouterr()
        assert main(words) == 3, words
        printed = "".join(capsys.readouterr())
        assert "regressed" not in printed and "Traceback" not in printed


def test_reports(base, capsys, monkeypatch):
    play(answers(0.2, flip=0.05))
    capsys.readouterr()
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "summary.md")
    code, out = gate(capsys, "--json", "o/g.json", "--junit", "o/g.xml", "--sarif", "o/g.sarif", "--markdown", "o/g.md")
    assert code == 1 and "::error title=gate sums-default-vanilla-replay::correct (all) regressed" in out
    found = json.loads(Path("o/g.json").read_text())
    assert found["verdict"] == "failed" and found["entries"][0]["state"] == "regressed"
    assert len(found["entries"][0]["flipped"]) == 20
    suite = ElementTree.parse("o/g.xml").getroot()
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("1", "1", "0")
    sarif = json.loads(Path("o/g.sarif").read_text())
    (result,) = sarif["runs"][0]["results"]
    assert result["level"] == "error" and result["ruleId"] == "gate/regressed"
    assert Path("o/g.md").read_text() == Path("summary.md").read_text()
    assert "Regression gate: failed" in Path("summary.md").read_text()


def test_the_gate_plays_its_runs(workdir, capsys):
    path = answers(0.2)
    name = play(path, "elsewhere")
    assert main(["baseline", "update", name, "--reason", "x", "--results", "elsewhere"]) == 0
    capsys.readouterr()
    code, out = gate(capsys, "--run", "--results", "fresh", "--baseline", "elsewhere/baseline")
    assert code == 0 and "identical" in out


def test_two_runs_by_name(workdir, capsys):
    a, b = play(answers(0.2)), play(answers(0.2, flip=0.05))
    capsys.readouterr()
    assert gate(capsys, "--baseline", a, "--candidate", b)[0] == 1
    assert gate(capsys, "--baseline", a, "--candidate", a)[0] == 0
    assert main(["gate", "--baseline", a]) == 2 and "add --candidate RUN" in capsys.readouterr().err
    assert main(["gate"]) == 3 and "holds no baseline: harness baseline update RUN" in capsys.readouterr().err


def test_update_wants_a_reason_and_no_red_run(base, capsys):
    name = play(answers(0.2, flip=0.05))
    capsys.readouterr()
    assert main(["baseline", "update", name]) == 2 and "--reason" in capsys.readouterr().err
    assert main(["baseline", "update", name, "--reason", "x"]) == 2
    assert "worse than the baseline" in capsys.readouterr().err
    assert main(["baseline", "update", name, "--reason", "new model", "--even-if-worse"]) == 0
    assert main(["baseline", "show"]) == 0
    out = capsys.readouterr().out
    assert "new model" in out and "first" not in out


def test_an_incomplete_run_is_no_baseline(workdir, capsys):
    path = answers(0.2)
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[20:]))
    words = ["eval", "task=sums", f"task.n={N}", PLUGINS, "model=replay", f"model.path={path}"]
    assert main(words) == 3
    assert main(["baseline", "update", "sums", "--reason", "x"]) == 3
    assert "1.7% of its samples have no score" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("alpha: 0.7", "alpha=0.7 must lie between"),
        ("cheks: []", "cheks is unknown"),
        ("checks: [{detla: 1}]", "check 1: detla is unknown"),
        ("checks: [{delta: -1}]", "delta=-1 must be a number"),
        ("limits: {sekonds: 1}", "sekonds is unknown"),
        ("inconclusive: maybe", "must be fail or warn"),
        ("[1]", "holds no mapping"),
        ("a: [", "not valid YAML"),
        ("checks: [{delta: 0.1, delta: 0.2}]", "delta stands twice: leave one out"),
        ("checks: 5", "checks=5 must be a list"),
        ("limits: 5", "limits=5 must be a mapping"),
        ("limits: {seconds: fast}", "limits: seconds=fast must be a number"),
        ("alerts: ADDRESS", "alerts=ADDRESS must be a list of texts"),
        ("alpha: .nan", "alpha=nan must be a number"),
        ("checks: [{flips: x}]", "check 1: flips=x must be a whole number"),
        ("checks: [{flips: -1}]", "check 1: flips=-1 must be a whole number, 0 or more"),
        ("checks: [{changes: -1}]", "check 1: changes=-1 must be a whole number, 0 or more"),
        ("limits: {seconds: 0}", "limits: seconds=0 must be a number above 0"),
        ("checks: [{delta: .inf}]", "check 1: delta=inf must be a number"),
        ("\xff", "not valid YAML in UTF-8"),
    ],
)
def test_bad_policies_are_one_line(base, capsys, text, says):
    Path("gate.yaml").write_text(text, encoding="latin-1")
    assert main(["gate"]) == 2
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1


def test_wandb_alert_offline(base, capsys, monkeypatch):
    pytest.importorskip("wandb").teardown()  # it reads the environment once
    monkeypatch.setenv("WANDB_MODE", "offline")
    policy(alerts=["wandb"])
    play(answers(0.2, flip=0.05))
    capsys.readouterr()
    code, out = gate(capsys)
    assert code == 1 and "alert: wandb sent" in out
    assert b"harness gate: failed" in data(lambda found: b"harness gate: failed" in found)
    assert "nothing new" in gate(capsys)[1]


def test_alerts_are_sent_once_and_keep_their_secrets(base, capsys, monkeypatch):
    apprise = pytest.importorskip("apprise")
    sent = []
    monkeypatch.setattr(apprise.Apprise, "notify", lambda self, title, body: sent.append(title) or True)
    monkeypatch.setenv("GATE_URL", "json://user:s3cret@localhost")
    policy(alerts=["GATE_URL"])
    play(answers(0.2, flip=0.05))
    capsys.readouterr()
    assert "alert: GATE_URL sent" in gate(capsys)[1]
    out = gate(capsys)[1]
    assert "alert: nothing new" in out and "s3cret" not in out
    play(answers(0.2))
    assert gate(capsys)[0] == 0
    assert sent == ["harness gate: failed", "harness gate: passed"]
    assert all("s3cret" not in p.read_text() for p in Path("results").glob("*.json"))
    monkeypatch.delenv("GATE_URL")
    assert main(["gate"]) == 2 and "the environment has no GATE_URL" in capsys.readouterr().err

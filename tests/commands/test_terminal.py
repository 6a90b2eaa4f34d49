"""What the commands print: at 60, 80 and 200 columns, in a pipe, of runs with one label, and of a sweep."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import main
from harness.commands.sweep import Sweep
from harness.commands.tune import _print
from harness.config.heading import heading
from harness.core.types import Metric
from harness.plugins.registry import Registry
from harness.runs.record import RunRecord, Status
from harness.stats import Difference

PLUGINS = f"plugins=[{Path(__file__).parents[1] / 'plugins'}]"
SUMS = ("eval", "task=sums", PLUGINS)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Four runs of one label, one of another."""
    place = tmp_path_factory.mktemp("runs")
    for words in ((), ("seed=1", "limit=20"), ("task.n=48",), ("decoding.max_new_tokens=9",), ("model=chance",)):
        assert main([*SUMS, *words, f"results={place}", "logger=quiet"]) == 0
    return place


def said(capsys, *words):
    capsys.readouterr()
    assert main([*words]) == 0
    return capsys.readouterr().out


def names(results):
    return sorted(p.name for p in (results / "runs").iterdir())


@pytest.mark.parametrize("width", ["60", "80", "200", ""])
def test_no_command_cuts_what_it_prints(results, capsys, monkeypatch, width):
    """Every value of the narrow output is in the wide one, and the other way round."""
    runs = names(results)
    chance = next(r for r in runs if "chance" in r)
    listed = json.loads(said(capsys, "ls", "--json", "--results", str(results)))
    whole = next(r["run"] for r in listed if r["limit"] is None and r["model"] != "chance")
    history = ("history", "sums")
    for words in (("ls",), ("show", whole), ("compare", chance, whole), history, (*history, "--plot")):
        monkeypatch.delenv("COLUMNS", raising=False)
        wide = said(capsys, *words, "--results", str(results))
        monkeypatch.setenv("COLUMNS", width)
        narrow = said(capsys, *words, "--results", str(results))
        lines = narrow.splitlines()
        if width:
            long = [line for line in lines if len(line) > int(width)]
            assert all(len(max(line.split(), key=len)) > int(width) - 12 for line in long), long
        letters = {c: "".join(t.split()) for c, t in (("wide", wide), ("narrow", narrow))}
        for value in {w for w in wide.split() if any(c.isdigit() for c in w)}:
            assert value in letters["narrow"], (words, value)


def test_ls_says_what_runs_of_one_label_differ_in(results, capsys):
    rows = said(capsys, "ls", "--results", str(results)).splitlines()
    told = {line.split()[0]: line for line in rows[1:]}
    assert rows[0].endswith("differs from others of its label")
    assert sum("limit=20, seed=1" in line for line in told.values()) == 1
    assert sum("n=48" in line for line in told.values()) == 1
    assert sum("max_new_tokens=9" in line for line in told.values()) == 1
    (chance,) = [line for line in told.values() if "chance" in line]
    assert "=" not in chance


def test_compare_by_methods_takes_runs_that_belong_together(workdir, capsys):
    """The newest vanilla run asked another model; the newest of both that asked one model are compared."""
    for words in (("seed=1",), ("model=chance", "seed=1"), ("model=chance",)):
        assert main([*SUMS, *words, "logger=quiet"]) == 0
    Path("mine").mkdir()
    Path("mine/same.yaml").write_text("_target_: same.Same\nkind: pipeline\ncard: {title: Same}\ndefaults: {k: 1}\n")
    Path("mine/same.py").write_text(
        "from harness.core import Pipeline\n\nclass Same(Pipeline):\n    def __init__(self, k: int): ...\n"
    )
    both = PLUGINS.replace("]", ",mine]")
    for words in (("seed=1",), ("seed=1", "k=2"), ("seed=2",)):
        assert main(["eval", "task=sums", both, "method=same", *words, "logger=quiet"]) == 0
    out = said(capsys, "compare", "method=vanilla", "method=same")
    assert out.startswith("same against vanilla\n") and "also differs" not in out
    assert main([*SUMS, "seed=2", "logger=quiet"]) == 0
    out = said(capsys, "compare", "method=vanilla", "method=same")
    assert "these methods have runs on 1 other set of samples and model: add task=" in out
    out = said(capsys, "compare", "method=vanilla", "method=same", "seed=1", "model=oracle")
    assert "these methods have runs" not in out
    out = said(capsys, "compare", *(n for n in names(workdir / "results") if "same" in n and _seed(n) == 1))
    assert "same, k=" in out.splitlines()[0]


def _seed(name):
    return json.loads(Path("results/runs", name, "run.json").read_text())["seed"]


def test_a_sweep_ends_with_a_table_of_its_runs(workdir, capsys):
    assert main([*SUMS, "-m", "limit=0,4", "seed=0,1"]) == 2
    out, err = capsys.readouterr()
    lines = out.splitlines()
    at = lines.index("4 runs of this sweep")
    assert len(lines) == at + 6 and lines[at + 1].split() == ["run", "differs", "score", "samples", "status"]
    assert [line.partition("  ")[0] for line in lines[at + 2 : at + 4]] == ["-", "-"]
    assert "limit=0, seed=1" in lines[at + 3] and "not run (exit 2)" in lines[at + 3]
    assert "limit=4, seed=1  accuracy 1.000  4/4      done" in lines[at + 5]
    assert err.count("limit=0 leaves nothing to do") == 2
    assert "metric" not in out  # one table, not one a run


def test_a_sweep_says_what_of_the_cache_its_runs_kept(tmp_path, capsys):
    sweep = Sweep(tmp_path)
    for method, share in (("vanilla", None), ("window", 0.25)):
        config = {"overrides": [f"method={method}", "limit=4"]}
        record = RunRecord(status=Status.DONE, task="sums", model="m", method=method, run=method, config=config)
        metrics = [Metric("accuracy", 0.5, primary=True), *([Metric("kept_share", share)] if share else [])]
        sweep.note(record, metrics)
    sweep.print()
    heads, plain, kept = capsys.readouterr().out.splitlines()[-3:]
    assert heads.split() == ["run", "differs", "score", "cache", "samples", "status"]
    assert "kept 0.250" in kept and "kept" not in plain


def test_the_first_line_names_what_runs_and_its_preset(capsys):
    def head(*words, sweep=False):
        return heading(words, Registry(), sweep=sweep)

    what, preset = head("task=pope", "method=vista", "model=llava-1.5-7b")
    assert what == "pope, method vista, model llava-1.5-7b"
    assert preset.startswith("  vista: preset for llava-1.5 on pope: lam=") and "window" not in preset
    (_, given) = head("task=pope", "method=vista", "method.vista.lam=3")
    assert given == "  vista: preset for tiny-llava on pope: gamma=0.0"
    (_, none) = head("task=chair", "method=vista", "model.family=mine")
    assert none.startswith("  vista: no preset for the family mine on chair: defaults lam=")
    (_, none) = head("task=chair", "method=vista", "model=oracle")
    assert "no preset for model oracle, which names no family" in none
    assert head("task=pope") == ["pope, method vanilla, model tiny-llava"]
    sweep = head("task=pope,chair", "method=vanilla,[vista,vcd]", "method.vista.lam=0.1", sweep=True)
    assert sweep[0] == "sweep of pope, chair, method vanilla, vista+vcd, model tiny-llava"
    assert not any("lam=" in line for line in sweep[1:])


def test_the_heading_comes_before_anything_heavy(workdir, capsys, monkeypatch):
    """Also before Hydra; not where a configuration is printed, words are wrong, or the logger is quiet."""
    import harness.config.compose

    seen = []
    monkeypatch.setattr(harness.config.compose, "offer", lambda *_: seen.append(capsys.readouterr().out) or 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main([*SUMS])
    assert seen == ["sums, method vanilla, model oracle\n"]
    for words in (["--cfg", "job"], ["logger=quiet"]):
        with pytest.raises(ZeroDivisionError):
            main([*SUMS, *words])
        assert seen[-1] == ""
    assert main([*SUMS, "model=nobody"]) == 2 and capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "words", [["--help"], ["eval", "--help"], ["gate", "--help"], ["list"], ["show", "method=vista"]]
)
def test_help_and_lists_fit(capsys, monkeypatch, words):
    """Also what stands in a column of its own; no word is lost."""
    from contextlib import suppress

    said = {}
    for width in ("200", "60"):
        monkeypatch.setenv("COLUMNS", width)
        with suppress(SystemExit):
            assert main(words) == 0
        said[width] = capsys.readouterr().out
    assert sorted(said["200"].split()) == sorted(said["60"].split())
    assert all(len(line) <= 60 or " " not in line.strip() for line in said["60"].splitlines())


class Tuned:
    """What `harness tune` prints of four points with five settings each."""

    plugin, where, metric = Registry().methods["vista"], "pope/calibration with tiny-llava", "accuracy"
    names = ("lam", "gamma", "window", "form", "norm")
    vanilla = Metric("accuracy", 0.9)

    def rows(self):
        for at in range(4):
            values = dict(zip(self.names, (at / 100, 0.3, 6, "code", False), strict=True))
            yield values, 0.9 + at / 1000, Difference(0.001, 0.01, -0.0191, 0.0211, 0.5, 180, 30)


@pytest.mark.parametrize("width", ["60", "80", "200"])
def test_tune_keeps_every_value(capsys, monkeypatch, width):
    monkeypatch.setenv("COLUMNS", width)
    _print(Tuned(), {"values": {"lam": 0.0, "gamma": 0.3, "window": 6, "form": "code", "norm": False}})
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= int(width) and out.count("chosen") == 1
    assert out.count("0.001 [-0.019, 0.021]") == 4 and "0.903" in out
    assert all(f" {v} " in out for v in (0.0, 0.01, 0.03, 6, "code", False))


def test_standard_error_is_clean(workdir):
    """In a process of its own: no warnings and no bars of libraries; one line of progress, none with quiet."""
    words = ["eval", "task=pope", "method=vcd", "limit=18"]
    done = subprocess.run([sys.executable, "-m", "harness", *words], capture_output=True, text=True, check=True)
    assert done.stderr == "pope (embedded), method vcd, model tiny-llava: 18 samples\n"
    assert done.stdout.splitlines()[0] == "pope, method vcd, model tiny-llava"
    again = [sys.executable, "-m", "harness", *words, "logger=quiet"]
    done = subprocess.run(again, capture_output=True, text=True, check=True)
    assert done.stderr == "" and done.stdout.splitlines()[0] == "pope (embedded), vcd, tiny-llava"

"""`import harness` in Python: the numbers of the commands, errors as exceptions, and what a notebook shows."""

from __future__ import annotations

import asyncio
import json
import shlex
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import harness
from harness.cli import main

ORACLE = {"model": "oracle", "limit": 18, "logger": "quiet"}


@pytest.fixture(scope="module")
def once(tmp_path_factory):
    """Where two runs lie, and their names: one with all right, and one that guesses."""
    where = tmp_path_factory.mktemp("results")
    return where, [harness.evaluate("pope", results=where, **ORACLE | {"model": m}).name for m in ("oracle", "chance")]


@pytest.fixture
def two(workdir, once):
    where, names = once
    shutil.copytree(where, "results")
    return tuple(harness.runs()[name] for name in names)


def test_the_import_loads_nothing(workdir):
    heavy = {"torch", "numpy", "hydra", "rich", "duckdb", "pandas", "polars", "IPython", "pyarrow", "yaml"}
    code = f"import sys, harness; assert 'evaluate' in dir(harness); print({heavy!r} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    assert set(harness.__all__) <= set(dir(harness)) and all(getattr(harness, name) for name in harness.__all__)
    with pytest.raises(AttributeError):
        _ = harness.nothing


def test_the_package_of_runs_is_the_function_of_that_name(two):
    from harness.runs.stored import find

    assert harness.runs()[0].name in (two[0].name, two[1].name)
    assert find(Path("results"), two[0].name).name == harness.runs.stored.find(Path("results"), two[0].name).name


def test_a_run_is_the_one_of_the_command(workdir, capsys):
    run = harness.evaluate("pope", model="oracle", limit=18, seed=2, results="there", logger="quiet")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")
    words = "task=pope method=vanilla model=oracle limit=18 results=there seed=2 logger=quiet"
    assert run.record.command == f"harness eval {words}"
    assert main(run.record.command.split()[1:]) == 0
    assert f"run {run.name} (done, from the store)" in capsys.readouterr().out
    assert (run.status, run.task, run.method, run.model) == ("done", "pope", "vanilla", "oracle")
    assert run.folder == Path("there/runs") / run.name
    assert run.primary == run.metric("accuracy", "mean") and run.primary.value == 1


def test_samples_by_their_ids(two):
    run = two[1]
    wrong = run.samples().df().query("correct == 0")["sample"]
    again = harness.evaluate("pope", ids=wrong, model="oracle", logger="quiet")
    assert again.samples()["sample"] == list(wrong) and again.primary.value == 1
    assert harness.evaluate("pope", ids=",".join(wrong), model="oracle", logger="quiet").name == again.name
    assert main(shlex.split(again.record.command)[1:]) == 0


def test_tables(two):
    run, guessed = two
    samples = guessed.samples()
    assert len(samples) == 18 and samples.columns[:4] == ["sample", "group", "target", "answer"]
    assert set(samples["correct"]) == {0.0, 1.0}
    assert [row["sample"] for row in samples] == [r.id for r in guessed.results()]
    assert samples.df()["correct"].mean() == sum(samples["correct"]) / 18
    assert samples.relation().aggregate("avg(correct)").fetchall() == [(sum(samples["correct"]) / 18,)]
    metrics = run.metrics().df().set_index(["metric", "group"])
    assert metrics.loc[("f1", "popular"), "value"] == 1
    assert len(harness.runs(model="chance")) == 1 and len(harness.runs().samples()) == 36
    assert set(harness.runs().metrics()["run"]) == {run.name, guessed.name}


def test_a_missing_package_names_its_extra(two, monkeypatch):
    table = two[0].metrics()
    for package, way in (("pandas", "df"), ("polars", "pl")):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(harness.Missing, match=rf"pip install 'harness\[{package}\]'"):
            getattr(table, way)()


def test_polars(two):
    pytest.importorskip("polars")
    assert two[1].samples().pl()["correct"].sum() == sum(two[1].samples()["correct"])


def test_a_comparison_has_the_numbers_of_the_command(two, capsys):
    a, b = two
    found = harness.compare(a, b)
    assert main(["compare", a.name, b.name, "--json"]) == 0
    assert [json.loads(json.dumps(found.as_json()))] == json.loads(capsys.readouterr().out)
    row = next(r for r in found.table() if r["group"] == "all" and r["score"] == "correct")
    assert (row["difference"], row["p"]) == (found.judged.difference.value, found.judged.difference.p)
    assert harness.compare(a.name, b.name[:-3]).as_json() == found.as_json()
    several = harness.compare(a, b, a)
    assert [c.b for c in several] == [b.name, a.name] and several[0].holm is not None
    main(["compare", a.name, b.name])
    printed = capsys.readouterr().out
    assert all(line.strip() in printed for line in repr(found).splitlines() if "|" in line)
    assert "model oracle and chance" in repr(found) and "model oracle and chance" in found._repr_html_()
    with pytest.raises(harness.HarnessError, match="task is pope in one and chair"):
        harness.compare(a, harness.evaluate("chair", model="oracle", limit=3, logger="quiet"))


def test_filters_and_names(two):
    run = two[0]
    assert harness.runs(method="vanilla", status="done", limit=18)[0:1][0].name
    assert not harness.runs(method=["vista", "vcd"])
    assert "no runs" in repr(harness.runs(task="chair")) + harness.runs(task="chair")._repr_html_()
    assert harness.runs()["pope-embedded-vanilla-oracle"].name == run.name
    with pytest.raises(harness.UsageError, match="may mean 2 runs"):
        harness.runs()["pope"]
    with pytest.raises(harness.Missing, match="nowhere holds no runs"):
        harness.runs("nowhere")
    with pytest.raises(harness.UsageError, match="did you mean precision"):
        run.metric("precison")
    with pytest.raises(harness.UsageError, match="did you mean popular"):
        run.metric("f1", "populr")
    (Path("results/runs") / run.name / "run.json").write_text("{")
    with pytest.warns(UserWarning, match="left out"):
        assert len(harness.runs()) == 1


def test_one_sample_with_its_picture(two):
    run = two[1]
    id_ = run.samples()["sample"][0]
    shown = run.show(id_)
    assert len(shown.pictures) == 1 and "Is there a" in shown.prompt and "<picture>" in shown.prompt
    assert shown.answer == run.results()[0].outcome.answer and shown.scores.keys() >= {"correct"}
    page = shown._repr_html_()
    assert page.count('<img src="data:image/') == 1 and "Is there a" in page
    assert "Is there a" in repr(shown) and id_ in repr(shown)
    with pytest.raises(harness.UsageError, match=f"did you mean .*{id_}"):
        run.show(id_ + "x")


def test_the_prompt_is_the_one_that_was_sent(two, monkeypatch):
    run = harness.evaluate("pope", ids="popular:40", system="Be brief.", model="oracle", logger="quiet")
    shown = run.show("popular:40")
    assert shown.prompt.startswith("[system] Be brief.\n[user] <picture>Is there a") and not shown.note
    node = run.record.config["task"] | {"suffix": " Now?"}
    monkeypatch.setitem(run.record.config, "task", node)
    assert "have changed since" in harness.api.run.Run(run.stored).show("popular:40").note
    monkeypatch.setattr("harness.core.types.Request.key", "another prompt")
    assert "another prompt was asked then" in two[0].show(two[0].samples()["sample"][0]).note


def test_what_others_wrote_is_escaped(two):
    run = two[1]
    lines = run.stored.directory.journal.read_text().splitlines()
    row = json.loads(lines[0])
    row.pop("crc32")
    row["answer"] = "<script>alert(1)</script>\x1b[2J"
    run.stored.directory.journal.write_text("\n".join([json.dumps(row), *lines[1:]]) + "\n")
    run = harness.runs()[run.name]
    for page in (run.show(row["id"])._repr_html_(), run.samples()._repr_html_()):
        assert "<script>" not in page and "&lt;script&gt;" in page and "\x1b" not in page
    assert "\x1b" not in repr(run.show(row["id"])) + repr(run.samples()) + repr(run)


def test_records_that_changed_show_no_picture_of_another_sample(two):
    run = two[1]
    record = json.loads((run.folder / "run.json").read_text())
    record["identity"]["task"]["fingerprint"] = "0"
    (run.folder / "run.json").write_text(json.dumps(record))
    run = harness.runs()[run.name]
    shown = run.show(run.samples()["sample"][0])
    assert not shown.pictures and "have changed since" in shown.note and shown.answer


def test_reprs_of_runs(two):
    assert "accuracy" in repr(two[0]) and f"run {two[0].name} (done, 18 of 18 samples)" in repr(two[0])
    assert "<td" in two[0]._repr_html_() and two[0].name in two[0]._repr_html_()
    assert all(run.name[:25] in repr(harness.runs()) for run in two) and two[0].name in harness.runs()._repr_html_()
    (two[0].folder / "metrics.json").write_text("[{")
    assert "cannot be read" in repr(harness.runs()[two[0].name]) and "cannot be read" in repr(harness.runs())
    assert "cannot be read" in harness.runs()[two[0].name]._repr_html_()


def test_a_grid_of_cells_is_a_table_of_its_own(workdir):
    run = harness.evaluate("niah", model="oracle", limit=12, logger="quiet")
    page = run._repr_html_()
    cells = [m for m in run.stored.metrics if m.name == "cell"]
    assert cells and page.count("<table>") == 2 and cells[0].group not in page
    assert page.count("<th") < 40


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"task": "pop"}, "did you mean pope"),
        ({"task": "pope", "lam": 0.1}, "unknown setting lam"),
        ({"task": "pope", "method": "vista", "lam": "x"}, "method.vista.lam=x must be a number"),
        ({"task": {"pope": {"suffix": 5}}}, "would be read as '5'"),
        ({"task": "pope", "limit": 0}, "limit=0 leaves nothing to do"),
        ({"task": "pope", "model": "hf"}, "model.path needs a value"),
    ],
)
def test_errors_are_exceptions(workdir, capsys, settings, says):
    with pytest.raises(harness.UsageError, match=says):
        harness.evaluate(**settings | {"logger": "quiet"})
    assert capsys.readouterr() == ("", "")


def plugin(respond: str) -> None:
    Path("toy.yaml").write_text("_target_: toy.Toy\nkind: pipeline\ncard: {title: Toy}\ndefaults: {}\n")
    Path("toy.py").write_text(
        "import harness\nfrom harness.core import Pipeline\n\n\nclass Toy(Pipeline):\n"
        f"    def respond(self, request):\n        yield request\n        {respond}\n"
    )


def test_error_rows_are_a_run(workdir):
    plugin("raise ValueError('<b>')")
    run = harness.evaluate("pope", "toy", plugins=".", **ORACLE)
    assert run.status == "failed" and not run.primary and "failed" in repr(run)
    first = run.samples()["sample"][0]
    assert "correct" not in run.samples().columns and run.samples()["error"][0].startswith("<b> (method=toy")
    assert "&lt;b&gt;" in run.show(first)._repr_html_() and run.show(first).answer is None
    assert main(["show", run.name]) == 0
    with pytest.raises(Exception, match="ValueError: <b>") as e:
        harness.evaluate("pope", "toy", plugins=".", debug=True, **ORACLE | {"seed": 1})
    assert isinstance(e.value.__cause__, ValueError)


def test_a_run_inside_a_run_is_refused(workdir):
    plugin("harness.evaluate('pope')")
    with pytest.raises(harness.UsageError, match="was called by code of a run"):
        harness.evaluate("pope", "toy", plugins=".", **ORACLE)
    assert harness.evaluate("pope", **ORACLE).status == "done"


def test_an_edited_plugin_and_one_of_the_same_name_elsewhere_are_read(workdir, monkeypatch):
    """A cell writes the file anew and calls again; another folder has a module of that name."""
    names = []
    for folder, more in (("a", "yes"), ("a", "yes, edited"), ("b", "of the other folder")):
        Path(folder).mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        plugin(f"return (yield request.changed(text=lambda _: {more!r}))")
        monkeypatch.chdir("..")
        run = harness.evaluate("pope", "toy", plugins=folder, **ORACLE)
        names.append(run.name)
        assert Path(folder).resolve() == Path(sys.modules["toy"].__file__).parent
    assert len(set(names)) == 3 and harness.evaluate("pope", "toy", plugins="b", **ORACLE).name == names[-1]
    assert "numpy" in sys.modules and str(Path("a").resolve()) not in sys.path


def test_an_interrupted_run_continues(workdir, capsys):
    """Ctrl-C stops after the batch, and is a KeyboardInterrupt for the cell."""
    code = (
        "import os, signal, harness\n"
        "from harness.models.reference import Oracle as O\n"
        "answer, O.plan = O.answer, lambda self, calls, rows: ([c] for c in calls)\n"
        "def stop(self, calls, decoding):\n"
        "    os.kill(os.getpid(), signal.SIGINT); O.answer = answer\n"
        "    return answer(self, calls, decoding)\n"
        "O.answer = stop\n"
        "try: harness.evaluate('pope', model='oracle', limit=18)\n"
        "except KeyboardInterrupt: pass\n"
        "else: raise SystemExit('not interrupted')\n"
        "run = harness.runs()[0]; assert run.status == 'interrupted', run\n"
        "done = run.record.counts.done; assert 0 < done < 18, done\n"
        "run = harness.evaluate('pope', model='oracle', limit=18); assert run.status == 'done'\n"
        "assert run.record.counts.asked == 18 - done or run.record.counts.asked <= 18, run.record.counts\n"
        "assert signal.getsignal(signal.SIGINT) is signal.default_int_handler\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "rerun the same command to resume" in done.stderr and done.stdout == ""


def test_in_a_running_loop_and_in_threads(workdir):
    from hydra.core.global_hydra import GlobalHydra

    async def cell():
        return harness.evaluate("pope", **ORACLE)

    async def other():
        return await asyncio.to_thread(harness.evaluate, "pope", **ORACLE | {"seed": 1})

    assert asyncio.run(cell()).record.seed == 0 and asyncio.run(other()).record.seed == 1
    found, settings = {}, [ORACLE | {"limit": n} for n in (6, 18)]
    threads = [
        threading.Thread(target=lambda s=s: found.update({s["limit"]: harness.evaluate("pope", **s)})) for s in settings
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {limit: run.record.limit for limit, run in found.items()} == {6: 6, 18: 18}
    assert not GlobalHydra.instance().is_initialized()


def test_the_callers_own_hydra_stays(workdir):
    from hydra import compose, initialize
    from hydra.core.global_hydra import GlobalHydra

    with initialize(None, version_base="1.3"):
        harness.evaluate("pope", **ORACLE)
        assert GlobalHydra.instance().is_initialized() and compose(overrides=["+a=1"]).a == 1

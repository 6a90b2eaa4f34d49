"""What a plug-in raises outside of an episode is one line that names the plug-in and the place."""

from __future__ import annotations

import json
import math
import re
import sys
from pathlib import Path

import pytest

import harness
from harness.cli import main
from harness.core import HarnessError, Metric
from harness.plugins import raised
from harness.plugins.registry import forget
from harness.runs.stored import stored

RAISING = """
import sys
from harness.core import Metric, Outcome, Pipeline, Request, Sample, Task, user

class Raising(Task):
    def __init__(self, where, how):
        self.where, self.how = where, how
        self.at("__init__")

    def at(self, where):
        if where == self.where:
            exec(self.how)

    def fingerprint(self):
        self.at("fingerprint")
        return f"{self.where} {self.how}"

    def samples(self):
        for i in range(12):
            if i == 7:
                self.at("samples")
            yield Sample(f"{i}", f"{i}", "all", "1")

    def episode(self, sample):
        reply = yield Request(user("1?"), 4)
        return Outcome(reply.text, {"right": 1.0})

    def aggregate(self, results):
        self.at("aggregate")
        made = [Metric("right", 1.0, primary=True)]
        return eval(self.how) if self.where == "metrics" else made

    def oracle(self, sample, request):
        return sample.target

    def describe(self):
        self.at("describe")
        return {}

    def close(self):
        self.at("close")

    def courses(self):
        self.at("courses")
        return {}

class Odd(Pipeline):
    def __init__(self, how):
        self.how = how

    def begin(self, sample):
        if sample.id == "3":
            exec(self.how)
        return self

    def respond(self, request):
        return (yield request)
"""
PLACE = r"plug/raising\.py, line 12: fix it, and run the same command again \(HARNESS_TRACEBACK=1 shows"


@pytest.fixture
def words(workdir):
    folder = workdir / "plug"
    folder.mkdir()
    (folder / "raising.py").write_text(RAISING)
    (folder / "raising.yaml").write_text(
        "_target_: raising.Raising\nkind: task\nversion: 1\nofficial: embedded\nvariants: {embedded: x}\n"
        "card: {title: x}\ndefaults: {where: '', how: ''}\n"
    )
    (folder / "odd.yaml").write_text("_target_: raising.Odd\nkind: pipeline\ncard: {title: x}\ndefaults: {how: ''}\n")
    forget()
    yield lambda where, how, *more: [
        *("eval", "task=raising", "plugins=[plug]", "model=oracle", "logger=quiet"),
        *(f"task.where={where}", f"task.how='{how}'", *more),
    ]
    forget()


@pytest.mark.parametrize("where", ["__init__", "fingerprint", "samples", "aggregate", "describe"])
def test_the_plug_in_the_error_and_its_place_are_named(words, where, capsys):
    assert main(words(where, '{}["x"]')) == 1
    said = capsys.readouterr().err
    owner = "Raising" if where == "__init__" else "task=raising"
    assert re.search(rf"^harness: {owner}: `{where}` raised KeyError \('x'\) at .*{PLACE}", said)
    assert "Traceback" not in said and said.count("\n") == 1


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("raise ValueError", "raised ValueError at"),
        ('raise RuntimeError("one\\ntwo")', "raised RuntimeError (one) at"),
        ('sys.exit("bye")', "raised SystemExit (bye) at"),
        ("raise StopIteration", "raised StopIteration at"),
        ("raise MemoryError", "raised MemoryError at"),
        ('open("nowhere/x")', "raised FileNotFoundError ([Errno 2]"),
    ],
)
def test_whatever_is_raised(words, how, says, capsys):
    assert main(words("samples", how)) == 1
    assert f"task=raising: `samples` {says}" in capsys.readouterr().err


def test_a_sweep_continues_and_debug_shows_all(words, capsys):
    assert main(words("samples,x", '{}["x"]', "-m")) == 1
    told = capsys.readouterr()
    assert "not run (exit 1)" in told.out and "done" in told.out and "`samples` raised KeyError" in told.err
    assert "Traceback" not in told.err
    for more in (["debug=true"], ["-m", "debug=true"]):
        assert main(words("samples", '{}["x"]', *more)) == 1
        said = capsys.readouterr().err
        assert "exec(self.how)" in said and re.search(r"^harness: task=raising: `samples`", said, re.MULTILINE)


def test_a_variable_shows_the_traceback_of_any_command(words, monkeypatch, capsys):
    for command in (words("samples", '{}["x"]', "--dry-run"), ["zoo", "train", "mixer=softmax", *_words(words)]):
        monkeypatch.delenv(raised.VARIABLE, raising=False)
        assert main(command) == 1
        assert "Traceback" not in capsys.readouterr().err
        monkeypatch.setenv(raised.VARIABLE, "1")
        assert main(command) == 1
        assert "exec(self.how)" in capsys.readouterr().err


def _words(words):
    return [w for w in words("courses", '{}["x"]') if w.startswith(("task", "plugins"))]


def test_from_python_the_cause_is_kept(words):
    with pytest.raises(raised.Raised, match="`samples` raised KeyError") as found:
        harness.evaluate({"raising": {"where": "samples", "how": '{}["x"]'}}, model="oracle", plugins="plug")
    assert isinstance(found.value, HarnessError) and isinstance(found.value.__cause__, KeyError)


def test_a_slip_in_a_constructor_is_told_with_its_line(words, capsys):
    assert main(words("__init__", "None + 1")) == 2
    assert re.search(
        r"Raising refuses its values: unsupported .* at .*plug/raising\.py, line 12$", capsys.readouterr().err
    )
    assert main(words("__init__", 'raise ValueError("how is odd")')) == 2
    assert "Raising refuses its values: how is odd\n" in capsys.readouterr().err


def test_a_close_that_raises_loses_no_answer(words, capsys):
    assert main([w for w in words("close", '{}["x"]') if w != "logger=quiet"]) == 0
    assert "task=raising: `close` raised KeyError ('x')" in capsys.readouterr().err
    (run,) = stored(Path("results"))
    assert run.record.status == "done" and run.record.counts.done == 12


def test_an_error_of_aggregate_keeps_the_answers(words, capsys):
    assert main(words("aggregate", '{}["x"]')) == 1
    (path,) = Path("results/runs").glob("*/run.json")
    facts = json.loads(path.read_text())
    assert facts["status"] == "interrupted" and facts["counts"]["done"] == 12


def test_a_pipeline_that_cannot_begin_costs_its_sample(words, capsys):
    assert main(words("", "", "method=odd", "method.odd.how='{}[\"x\"]'")) == 3
    assert "1 of 12 samples ended in an error row" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("def f(:", "task: SyntaxError: invalid syntax at"),
        ("undefined", "its import raised NameError (name 'undefined' is not defined) at"),
        ("import numpy\nnumpy.nothing", "its import raised AttributeError ("),
        ("x = 1", "module raising has no class Raising: fix _target_"),
    ],
)
def test_a_module_that_cannot_be_imported(words, text, says, capsys):
    Path("plug/raising.py").write_text(text)
    assert main(words("", "")) in (1, 2)
    said = capsys.readouterr().err
    assert says in said and said.count("\n") == 1


def test_a_package_of_the_same_name_is_pointed_out(words, capsys):
    folder = Path("plug/yaml")
    folder.mkdir()
    (folder / "task.py").write_text("")
    (folder / "task.yaml").write_text("_target_: yaml.task.T\nversion: 1\ncard: {title: x}\n")
    assert main(["eval", "task=yaml", "plugins=[plug]", "model=oracle"]) == 2
    assert re.search(r"No module named 'yaml.task' \(yaml is .*__init__\.py: rename", capsys.readouterr().err)


def test_a_signal_in_code_of_a_plug_in_is_not_its_fault():
    wandb = {"__name__": "wandb.sdk.lib.exit_hooks"}
    exec("def exit(code): raise SystemExit(code)", wandb)
    for leave in (sys.exit, wandb["exit"]):
        ours = {"__name__": "harness.commands.site", "leave": leave}
        exec("def stop(): leave(143)", ours)
        with pytest.raises(SystemExit), raised.named():
            exec("stop()", {"__name__": "harness.methods.mine", "stop": ours["stop"]})
        with pytest.raises(raised.Raised), raised.named():
            exec("leave(143)", {"__name__": "harness.methods.mine", "leave": leave})


def test_faults_of_other_code_pass():
    with pytest.raises(KeyError), raised.named():
        raise KeyError("ours")


@pytest.mark.parametrize("value", ['float("nan")', 'float("inf")', "None"])
def test_an_undefined_metric_is_missing_with_a_note(words, value, capsys):
    assert main(words("metrics", f'[Metric("right", {value}, low=0.1, high=0.2, primary=True)]')) == 0
    assert "undefined" in capsys.readouterr().out
    (path,) = Path("results/runs").glob("*/metrics.json")
    (metric,) = json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(name))
    assert [metric[k] for k in ("value", "low", "high", "note")] == [None, None, None, "undefined"]
    name = path.parent.name
    assert main(words("metrics", f'[Metric("right", {value}, low=0.1, high=0.2, primary=True)]')) == 0
    for command in (["ls"], ["show", name], ["ingest"], ["export"], ["compare", name, name]):
        assert main(command) == 0, command
    capsys.readouterr()
    assert main(["show", name, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["metrics"][0]["value"] is None
    assert math.isnan(stored(Path("results"))[0].metrics[0].value)


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ('[Metric("right", "0.5")]', "a metric that cannot be stored: right: its value is '0.5', not a number"),
        (
            '[Metric("right", 1.0, group=None)]',
            "a metric that cannot be stored: 'right': its group is None, not a text",
        ),
        ('{"right": 1.0}', "'right' where a Metric should be"),
        ('[made[0], Metric("right", 0.5)]', "2 metrics right of group all"),
    ],
)
def test_what_is_no_metric_is_refused(words, made, says, capsys):
    assert main(words("metrics", made)) == 1
    assert f"task=raising: `aggregate` returned {says}" in capsys.readouterr().err


def test_numbers_of_numpy_are_metrics(words):
    assert main(words("metrics", '[Metric("right", __import__("numpy").float32(0.5), primary=True)]')) == 0
    (path,) = Path("results/runs").glob("*/metrics.json")
    assert json.loads(path.read_text())[0]["value"] == Metric("right", 0.5).value


@pytest.mark.parametrize(
    ("made", "says"),
    [
        ("None", "returned NoneType: return tensors by their names"),
        ("{'shift': 3.0}", "returned float as shift: return tensors by their names"),
        ("{'shift': torch.tensor([1.0, float('nan')])}", "returned NaN in its tensor shift"),
    ],
)
def test_what_is_no_artefact_is_refused(workdir, made, says, capsys):
    Path("plug").mkdir()
    Path("plug/shift.py").write_text(
        "import torch\nfrom harness.steering import Steering\nclass Shift(Steering):\n"
        f"    def calibrate(self, bench):\n        return {made}\n"
        "    def residual(self, l, h, batch):\n        return h + self.artefact['shift']\n"
    )
    Path("plug/shift.yaml").write_text("_target_: shift.Shift\nkind: steering\ncard: {title: x}\n")
    forget()
    assert main(["calibrate", "method=shift", "plugins=[plug]"]) == 1
    assert f"method=shift: `calibrate` {says}" in capsys.readouterr().err
    forget()

"""What the first errors of a run do: `debug=true` raises one, and a run that cannot succeed is given up."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cli import main
from harness.core import Outcome, Result
from harness.engine.alike import Alike
from harness.engine.episode import FirstError

SUMS = ("eval", "task=sums", f"plugins=[{Path(__file__).parents[1] / 'plugins'}]", "task.n=60")
FAULTY = (*SUMS, "method=faulty", "batch_size=4")


def record():
    (path,) = Path("results/runs").glob("*/run.json")
    return json.loads(path.read_text())


def test_equal_errors_and_no_success_end_the_run(workdir, capsys):
    assert main([*FAULTY]) == 1
    said = capsys.readouterr().err
    facts = record()
    assert facts["status"] == "failed" and facts["counts"]["done"] == facts["counts"]["errors"] == 20
    assert facts["stopped"] == "20 equal errors and no success (max_equal_errors=20)"
    assert f"stopped: {facts['stopped']}" in re.sub(r"\s+", " ", said)
    assert main([*FAULTY]) == 1 and record()["counts"]["done"] == 20
    assert main(["show", record()["run"]]) == 0
    assert facts["stopped"] in capsys.readouterr().out


def test_samples_that_fail_before_they_ask_end_the_run(workdir):
    assert main([*SUMS[:3], "task.n=600", f"task.bad={list(range(600))}".replace(" ", "")]) == 1
    facts = record()
    assert facts["counts"]["done"] == 256 and facts["stopped"].startswith("256 equal errors")


def test_a_run_that_was_given_up_continues_with_another_limit(workdir):
    assert main([*FAULTY, "max_equal_errors=8"]) == 1
    assert record()["counts"]["done"] == 8
    assert main([*FAULTY, "max_equal_errors=0"]) == 1
    assert record()["counts"]["done"] == 60 and "stopped" not in record()


def test_one_success_keeps_the_run_going(workdir):
    assert main([*FAULTY, "method.faulty.but=2+2"]) == 3
    assert record()["counts"]["done"] == 60 and record()["status"] == "partial"


def test_debug_raises_the_first_error(workdir, capsys):
    with pytest.raises(FirstError, match="sample s0: ValueError: cannot use") as found:
        main([*FAULTY, "debug=true"])
    assert isinstance(found.value.__cause__, ValueError)
    facts = record()
    assert facts["status"] == "interrupted" and facts["stopped"].startswith("debug=true, sample s0: ValueError")
    assert main([*SUMS, "task.bad=[3]"]) == 3
    with pytest.raises(FirstError, match="sample s3: Unusable"):  # also of a finished run
        main([*SUMS, "task.bad=[3]", "debug=true"])


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("max_equal_errors=-1", "max_equal_errors=-1 is negative"),
        ("max_equal_errors=many", "max_equal_errors=many must be a whole number"),
        ("debug=yes", "debug=yes must be true or false"),
    ],
)
def test_wrong_values_are_one_line(workdir, capsys, word, says):
    assert main([*SUMS, word]) == 2
    assert says in capsys.readouterr().err and not Path("results/runs").exists()


@given(st.lists(st.tuples(st.sampled_from(["a 1", "a 2", "b /x/y.png", "b z/1.png", ""]))), st.integers(0, 4))
def test_reasons(messages, most):
    alike = Alike(most)
    for (message,) in messages:
        error = {"type": "E", "message": message, "traceback": ""} if message else None
        alike.add([Result("i", "c", "g", None, None if error else Outcome("", {}), error)])
    kinds = [m[:1] for (m,) in messages]
    worst = max(kinds.count("a"), kinds.count("b"))
    assert alike.hopeless() == bool(most and worst >= most and "" not in kinds)

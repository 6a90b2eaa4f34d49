"""harness check task=NAME: an author's task, and what is wrong with it, found and named."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from harness.checks import tasks
from harness.checks.check import Check, Failed, Skipped, found
from harness.cli import main
from harness.commands.check import report
from harness.core import UsageError
from harness.plugins.registry import Registry
from tests.tasks.test_add_a_task import written as page

CHANCE = "    def chance(self, sample, request, rng):\n        return rng.choice(['red', 'green', 'blue'])\n"
NUMBER = itertools.count()
"""Modules are imported once: each task has a name of its own."""


def written(folder: Path, *changes: tuple[str, str], chance: str = CHANCE) -> str:
    """The task of the page with a chance level, with changes; its name."""
    name = f"colours{next(NUMBER)}"
    page("colours", folder)
    (folder / "colours").rename(folder / name)
    for path in (folder / name).iterdir():
        text = path.read_text().replace("colours.task", f"{name}.task")
        if path.suffix == ".py":
            text += chance
        for old, new in changes:
            text = text.replace(old, new)
        path.write_text(text)
    return name


def failures(folder: Path, name: str, only: str) -> list[str]:
    plugin = Registry([folder]).tasks[name]
    wanted = [c for c in tasks.checks(plugin, [f"plugins=[{folder}]"], folder / "r") if only in c.title]
    assert wanted
    return [f.note for f in found(wanted) if f.state == "FAILED"]


def test_the_task_of_the_page_passes(workdir, capsys):
    name = written(workdir)
    assert main(["check", f"task={name}", "--plugins", "."]) == 0
    out = capsys.readouterr().out
    assert "9 checks passed, 0 failed" in out and "30 samples with 30 pictures" in out
    assert not (workdir / "results").exists()


WRONG = {
    "yaml": ([("cluster: picture ", "klaster: picture ")], "YAML", "states no cluster"),
    "twice": (
        [('Sample(f"{i}", ', 'Sample(f"{i // 2}", ')],
        "samples",
        "15 ids occur more than once: '0' 2 times",
    ),
    "number": ([('Sample(f"{i}", ', "Sample(i, ")], "samples", "sample 0: its id is 0, not a text"),
    "order": (
        [("for i in range(self.n)", "import random\n        for i in random.sample(range(self.n), self.n)")],
        "samples",
        "another order",
    ),
    "hash": ([('f"colours-{self.n}"', 'f"colours-{hash(str(self.n))}"')], "fingerprint", "in another process"),
    "picture": (
        [("Picture(buffer.getvalue())", "Picture(buffer.getvalue()[:40])")],
        "pictures",
        "sample 0: picture of 40 bytes",
    ),
    "oracle": (
        [("return sample.target\n", "return sample.target.upper() + '!'\n"), (".lower()", "")],
        "oracle",
        "'RED!' scores correct=0.0, its target is 'red'",
    ),
    "chance": ([("rng.choice(['red', 'green', 'blue'])", "sample.target")], "chance", "with another target it draws"),
    "parser": (
        [("float(sample.target in", "float(1 / len(reply.text) and sample.target in")],
        "any answer",
        "answer '': ZeroDivisionError",
    ),
    "errors": (
        [
            ("scored = [r for r in results if r.outcome]", "scored = results"),
            ("r.outcome.scores[", "bool(r.outcome) and r.outcome.scores["),
        ],
        "metrics",
        "they are missing, not wrong",
    ),
    "primary": (
        [(", primary=True)]   #", ")]   #"), ('"accuracy", primary=True', '"accuracy"')],
        "metrics",
        "no metric is primary",
    ),
    "state": (
        [("return Outcome(reply.text", "return Outcome(f\"{__import__('random').random()} {reply.text}\"")],
        "stored answers",
        "in place of",
    ),
}
"""What an author may get wrong: the changes, the check that finds it, and what it says."""


@pytest.mark.parametrize("fault", WRONG)
def test_what_is_wrong_is_named(tmp_path, fault):
    changes, title, says = WRONG[fault]
    name = written(tmp_path, *changes)
    found = failures(tmp_path, name, title)
    assert len(found) == 1 and re.search(re.escape(says), found[0]), found


def test_a_failed_check_is_exit_1_with_its_fix(capsys):
    """Whatever a plug-in raises ends its own check alone, and names its line."""

    def breaks(error):
        raise error

    checks = [
        Check("one", lambda: "noted", "unused"),
        Check("two", lambda: breaks(Failed("sample 3: no")), "do this"),
        Check("three", lambda: breaks(Skipped("it has none")), "unused"),
        Check("four", lambda: breaks(ZeroDivisionError("x")), "do that"),
        Check("five", lambda: breaks(UsageError("task.n=x must be a whole number")), "unused"),
    ]
    assert report(iter(checks)) == 1 and report(iter(checks[:1])) == 0
    out = capsys.readouterr().out
    for line in (
        "  ok       one: noted",
        "  FAILED   two: sample 3: no",
        "           fix: do this",
        "  skipped  three: it has none",
        "  FAILED   four: ZeroDivisionError: x (test_check_tasks.py, line ",
        "           fix: do that",
        "  FAILED   five: task.n=x must be a whole number",
        "1 checks passed, 3 failed, 1 skipped",
    ):
        assert line in out, line
    assert "unused" not in out

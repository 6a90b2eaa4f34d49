"""harness check method=NAME: an author's method, and what is wrong with it, found and named."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import pytest

from harness.checks import methods
from harness.checks.check import found
from harness.cli import main
from harness.plugins.registry import Registry

PAGE = Path(__file__).parents[2] / "docs" / "add-a-method.md"
NUMBER = itertools.count()
"""Modules are imported once: each method has a name of its own."""
RUNS = ("a whole run", "neutral = vanilla in a run", "batch_size=1 gives", "a resumed run")


def written(folder: Path, *changes: tuple[str, str]) -> str:
    """The method of the page, with changes; the folder's word."""
    text = PAGE.read_text(encoding="utf-8")
    code, yaml = (
        re.search(rf"```{k}\n# mine/look.{e}\n(.*?)```", text, re.S)[1] for k, e in (("python", "py"), ("yaml", "yaml"))
    )
    for old, new in changes:
        assert (old in code) + (old in yaml) == 1, old
        code, yaml = code.replace(old, new), yaml.replace(old, new)
    name = f"look{next(NUMBER)}"
    (folder / f"{name}.py").write_text(code)
    (folder / f"{name}.yaml").write_text(yaml.replace("look.Look", f"{name}.Look"))
    return name


def failures(folder: Path, name: str, only: str = "") -> dict[str, str]:
    """Title -> message of what failed on the small models."""
    plugin = Registry([folder]).methods[name]
    wanted = [c for c in methods.checks(plugin, [f"plugins=[{folder}]"], folder / "r") if not c.title.startswith(RUNS)]
    return {f.title: f.note for f in found(c for c in wanted if only in c.title) if f.state == "FAILED"}


def test_the_method_of_the_page_passes(workdir, capsys):
    """All checks, from the command line, in a folder of plug-ins without a checkout."""
    name = written(workdir)
    assert main(["check", f"method={name}", "--plugins", "."]) == 0
    out = capsys.readouterr().out
    assert "10 checks passed, 0 failed" in out and "neutral = vanilla, bit for bit: 9 families of models" in out
    assert not (workdir / "results").exists()


WRONG = {
    "neutral": (
        [("if not self.alpha:", "if self.alpha is None:"), ("a.abs(), a)", "a.abs() + 1, a)")],
        "neutral = vanilla",
        r"on llava: prompt 1: (logits|tokens) differ",
    ),
    "unknown": ([("neutral: {alpha: 0.0}", "neutral: {beta: 0.0}")], "states neutral", "names beta"),
    "unstated": ([("neutral: {alpha: 0.0}", "other: 1")], "states neutral", "no values at which it does nothing"),
    "idle": ([("range(self.start, view.depth)", "()")], "it acts", "changes nothing on any family"),
    "mixed": (
        [("a + self.alpha * a.abs()", "a + self.alpha * len(a) * a.abs()")],
        "a batch =",
        "on llava: prompt 1: (logits|tokens) differ",
    ),
    "raises": (
        [("image = batch", "raise ZeroDivisionError('x') #")],
        "it acts",
        r"ZeroDivisionError: x \(look\d+.py, line 1\d\)",
    ),
    "keeps": (
        [
            (
                "        image = batch",
                "        if batch.prefill:\n            self.first = a.mean((1, 2, 3))\n        image = batch",
            ),
            ("a + self.alpha * a.abs()", "a + self.first[:, None, None, None]"),
            ("    def layers", "    refills = True\n\n    def layers"),
        ],
        "come and go",
        r"on llava: prompt \d says \[.*\] beside others that come and go, alone|IndexError|RuntimeError",
    ),
    "unsupported": (
        [("kind: steering", "kind: steering\nunsupported: [gemma3]")],
        "unsupported",
        "on gemma3: its YAML says unsupported, but it runs",
    ),
    "no family": (
        [("kind: steering", "kind: steering\nunsupported: [gemma]")],
        "unsupported",
        "on gemma: no such family is known: did you mean gemma3",
    ),
    "hooks": (
        [("        return range", "        view.model.register_forward_hook(lambda *a: None)\n        return range")],
        "leaves no trace",
        "of its hooks are left",
    ),
}
"""What an author may get wrong: the changes, the check that finds it, and what it says."""


@pytest.mark.parametrize("fault", WRONG)
def test_what_is_wrong_is_named(tmp_path, fault):
    changes, title, says = WRONG[fault]
    name = written(tmp_path, *changes)
    (message,) = failures(tmp_path, name, title).values()
    assert re.search(says, message), message


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["limit=3"], "name one method or one task"),
        (["task=pope", "task=chair"], "name one method or one task"),
        (["method=vista", "method=vcd", "task=chair"], "name one method or one task"),
        (["method=vsta"], "did you mean vista"),
        (["method=vista", "limit=3"], "limit=3 cannot be set"),
        (["method=vista", "--plugins", "nowhere"], "nowhere is not a folder"),
    ],
)
def test_wrong_words_are_one_line(workdir, capsys, words, says):
    assert main(["check", *words]) == 2
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("vista", [], ["task=pope", "task.data=embedded", "model=tiny-llava"]),
        ("vista", ["task=chair", "method.vista.lam=0.1"], ["model=tiny-llava", "task=chair", "method.vista.lam=0.1"]),
        ("vista", ["model=smol-llava"], ["task=pope", "task.data=embedded", "model=smol-llava"]),
        ("synapse", [], ["task=miniwob", "task.observation=[axtree]", "model=oracle"]),
        ("synapse", ["task.seeds=2"], ["task=miniwob", "model=oracle", "task.seeds=2"]),
        ("synapse", ["task=chair"], ["model=oracle", "task=chair"]),
    ],
)
def test_runs_are_of_the_task_that_is_given_or_that_its_yaml_states(monkeypatch, tmp_path, name, given, words):
    played = []
    monkeypatch.setattr("harness.checks.runs.played", lambda words, _: played.append(words) or 1 / 0)
    whole = [c for c in methods.checks(Registry().methods[name], given, tmp_path) if c.title == "a whole run"]
    assert [f.state for f in found(whole)] == ["FAILED"]
    assert set(words) < set(played[0]) and f"method={name}" in played[0]
    keys = [w.partition("=")[0] for w in played[0]]
    assert len(keys) == len(set(keys)) and ("task.seeds" in keys) == (name == "synapse" and "task=chair" not in given)

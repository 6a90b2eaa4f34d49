"""One results folder for all commands: results=DIR, --results DIR, $HARNESS_RESULTS, else `results`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import COMMANDS, main
from harness.commands.complete import candidates

WORDS = ["task=sums", f"plugins=[{Path(__file__).parents[1] / 'plugins'}]", "logger=quiet"]


@pytest.mark.parametrize("words", [["results=here"], ["--results", "here"], ["--results=here"]])
def test_both_ways_of_saying_it(workdir, capsys, words):
    assert main(["eval", *WORDS, *words]) == 0
    (run,) = (workdir / "here" / "runs").iterdir()
    for command in (["ls"], ["show", run.name], ["history", "sums"], ["export"], ["ingest"], ["site", "build"]):
        capsys.readouterr()
        assert main([*command, *words]) == 0, command
    assert not (workdir / "results" / "runs").exists()


def test_the_variable_is_obeyed_by_all(workdir, monkeypatch, capsys):
    monkeypatch.setenv("HARNESS_RESULTS", str(workdir / "there"))
    assert main(["eval", *WORDS]) == 0
    (run,) = (workdir / "there" / "runs").iterdir()
    assert main(["ls"]) == 0 and run.name in capsys.readouterr().out
    assert candidates(["show"], "sums") == [run.name]
    assert main(["eval", *WORDS, "seed=1", "results=here"]) == 0
    assert len(list((workdir / "there" / "runs").iterdir())) == len(list((workdir / "here" / "runs").iterdir())) == 1
    monkeypatch.setenv("HARNESS_RESULTS", "")
    assert main(["eval", *WORDS, "seed=2"]) == 0
    assert len(list((workdir / "results" / "runs").iterdir())) == 1


@pytest.mark.parametrize("words", [["eval", "task=sums", "results="], ["ls", "results="], ["ls", "--results", ""]])
def test_an_empty_folder_is_refused(workdir, capsys, words):
    assert main(words) == 2
    err = capsys.readouterr().err
    assert "results" in err and "is a shell variable unset?" in err and len(err.strip().splitlines()) == 1


@pytest.mark.parametrize("command", sorted(COMMANDS))
@pytest.mark.parametrize("words", [["--results", "none"], ["results=none"]])
def test_every_command_takes_it(workdir, capsys, command, words):
    """Whatever else each wants to know, it is not what --results is."""
    ends = {"doctor": ["--offline"], "view": ["--port", "70000"]}  # it would serve until it is interrupted
    main([command, *ends.get(command, []), *words])
    err = capsys.readouterr().err
    assert not any(text in err for text in ("unrecognized", "unknown setting", "'none'", "invalid filter")), err


def test_a_run_knows_the_command_that_plays_it_again(workdir):
    """Also in a sweep, or where another command started it: its own words, as typed."""
    assert main(["eval", "-m", *WORDS, "task.n=4,8", "--results", "a b"]) == 0
    commands = [json.loads(p.read_text())["command"] for p in (workdir / "a b" / "runs").glob("*/run.json")]
    assert sorted(c.partition("task.n=")[2][:1] for c in commands) == ["4", "8"]
    assert all(c.startswith("harness eval task=sums") and "'results=a b'" in c for c in commands)


def test_a_folder_that_cannot_be_made_is_one_line(workdir, capsys):
    nowhere = "/proc/nowhere"
    eval_ = ["eval", "task=pope", "limit=6", "model=oracle", "logger=quiet"]
    for words in (["calibrate", "method=iri", f"results={nowhere}"], [*eval_, f"hydra.run.dir={nowhere}"]):
        assert main(words) == 3
        said = capsys.readouterr().err
        assert said.startswith(f"harness: {nowhere}: No such file or directory: choose") and said.count("\n") == 1

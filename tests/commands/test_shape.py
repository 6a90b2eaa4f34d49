"""Every command has one shape: HELP, add_arguments, run; every option has help; a misspelt word gets the nearest."""

from __future__ import annotations

import argparse
import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli import COMMANDS, COMPLETE, MODULES, load, main, parser

FOLDER = Path(__file__).parents[2] / "harness" / "commands"
SHARED = {"__init__", "playing", "probe", "prompts", "sweep", "words"}
"""Modules of the folder that are not commands."""
NAMES = sorted([*COMMANDS, COMPLETE])


def actions(name):
    made = parser(name, load(name))
    return [a for a in made._actions if not isinstance(a, argparse._HelpAction)]


def test_the_table_names_every_module():
    assert {MODULES.get(n, n) for n in NAMES} == {p.stem for p in FOLDER.glob("*.py")} - SHARED


@pytest.mark.parametrize("name", NAMES)
def test_the_shape(name):
    module = load(name)
    assert module.HELP and module.__doc__
    assert list(inspect.signature(module.add_arguments).parameters) == ["parser"]
    assert list(inspect.signature(module.run).parameters) == ["given"]
    assert not hasattr(module, "main")
    found = actions(name)
    assert [a.dest for a in found if not a.help or a.help == argparse.SUPPRESS] == []
    assert "--results" in {o for a in found for o in a.option_strings}


@pytest.mark.parametrize("name", NAMES)
def test_a_misspelt_option_is_answered_with_the_nearest(capsys, name):
    """Each of its options, with a letter left out; none is taken as an abbreviation."""
    known = {o for a in actions(name) for o in a.option_strings if o.startswith("--")}
    for option in known:
        misspelt = f"{option}y" if option[:-1] in known else option[:-1]
        assert main([name, *_needed(name), misspelt]) == 2
        err = capsys.readouterr().err
        assert "unrecognized arguments" in err and option in err.partition("did you mean")[2], err
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "nearest"),
    [
        (["baseline", "updat"], "update"),
        (["site", "biuld"], "build"),
        (["list", "task"], "tasks"),
        (["completion", "bsh"], "bash"),
        (["export", "--format", "parqet"], "parquet"),
        (["export", "--relationship", "first"], "first_party"),
        (["eval", "task=pope", "--cfg", "jobs"], "job"),
        (["history", "pope", "--mark", "a=acepted", "--reason", "x"], "accepted"),
    ],
)
def test_a_misspelt_word_is_answered_with_the_nearest(workdir, capsys, words, nearest):
    assert main(words) == 2
    err = capsys.readouterr().err
    assert "unknown" in err and nearest in err.partition("did you mean")[2] and err.count("\n") == 1


def test_every_number_has_a_range():
    """int and float take -1 for a count."""
    assert [(n, a.dest) for n in NAMES for a in actions(n) if a.type in (int, float)] == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["show", "prompts", "task=pope", "--samples", "-1"], "--samples: '-1' must be a whole number, 1 or more"),
        (["show", "prompts", "task=pope", "--samples", "0"], "--samples: '0' must be"),
        (["show", "pope", "--samples", "x"], "--samples: 'x' must be"),
        (["show", "pope", "--wrong"], "--wrong goes with a run and --samples N"),
        (["show", "prompts", "task=pope", "--wrong", "--samples", "1"], "--wrong goes with a run"),
        (["show", "method=vcd", "--samples", "1"], "--samples goes with a run or with prompts"),
        (["show", "prompts", "task=pope", "limit=-1"], "limit=-1 leaves nothing to do: give 1 or more"),
        (["power", "task=pope", "effect=0.1", "limit=-1"], "limit=-1 leaves nothing to do: give 1 or more"),
        (["history", "pope", "--delta", "-1"], "--delta: '-1' must be a number, 0 or more"),
        (["gate", "--tolerance", "-0.1"], "--tolerance: '-0.1' must be a number, 0 or more"),
        (["gate", "--timings", "-1"], "--timings: '-1' must be a whole number, 0 or more"),
        (["baseline", "update", "pope", "--timings", "1.5"], "--timings: '1.5' must be a whole number, 0 or more"),
        (["compare", "a", "b", "--flips", "-1"], "--flips: '-1' must be a whole number, 0 or more"),
        (["view", "--port", "65536"], "--port: '65536' must be a whole number, 0 to 65535"),
        (["site", "serve", "--port", "-1"], "--port: '-1' must be a whole number, 0 to 65535"),
    ],
)
def test_a_number_out_of_range_is_one_line(workdir, capsys, words, says):
    assert main(words) == 2
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1 and not list(workdir.iterdir())


def test_only_the_named_command_is_loaded():
    """And none of them loads what is heavy for its help."""
    script = (
        "import sys; from harness.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit: pass\n"
        "print(*(m for m in sys.modules), file=sys.stderr)"
    )
    heavy = {"hydra", "omegaconf", "numpy", "scipy", "rich", "pyarrow", "duckdb", "torch", "transformers"}
    for words, own in (["--help"], set()), (["gate", "--help"], {"gate", "playing"}), (["ls", "--help"], {"ls"}):
        done = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=True)
        loaded = done.stderr.split()
        found = {m.rpartition(".")[2] for m in loaded if m.startswith("harness.commands.")} - SHARED
        assert found == own - SHARED
        assert not heavy & set(loaded)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda p: p.stem)
def test_what_others_wrote_is_printed_through_a_sink(path):
    """`say` takes any text; what `print` formats itself goes through `cell` or `line`."""
    calls = [n for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Call)]
    printed = [a for c in calls if isinstance(c.func, ast.Name) and c.func.id == "print" for a in c.args]
    parts = [
        v.value for a in printed if isinstance(a, ast.JoinedStr) for v in a.values if isinstance(v, ast.FormattedValue)
    ]
    names = [ast.unparse(p.func).rpartition(".")[2] if isinstance(p, ast.Call) else ast.unparse(p) for p in parts]
    assert set(names) <= {"cell", "line", "join"}


def test_default_folders_lie_in_the_results_folder(workdir, monkeypatch, capsys):
    """Of the baseline, the marks, and the pages, whichever way the folder is named; gate.yaml may name another."""
    monkeypatch.setenv("HARNESS_RESULTS", "there")
    for words in (["gate"], ["baseline", "show"], ["baseline", "verify"]):
        assert main(words) == 3 and "there/baseline holds no baseline" in capsys.readouterr().err
        assert main([*words, "results=here"]) == 3 and "here/baseline holds no baseline" in capsys.readouterr().err
    assert main(["history", "pope", "--mark", "a=noise", "--reason", "x"]) == 0
    assert Path("there/baseline/steps.json").is_file() and not Path("results").exists()
    Path("gate.yaml").write_text("baseline: kept\n")
    assert main(["gate"]) == 3 and "kept holds no baseline" in capsys.readouterr().err
    Path("gate.yaml").write_text("baseline: [1]\n")
    assert main(["gate"]) == 2 and "baseline=[1] must be a text or null" in capsys.readouterr().err
    Path("gate.yaml").write_text("baseline: ''\n")
    assert main(["gate"]) == 2 and "baseline is empty: give a folder's path" in capsys.readouterr().err


def _needed(name):
    """Positionals without which the parser would stop earlier."""
    needed = [a for a in actions(name) if not a.option_strings and a.nargs in (None, "+")]
    return [a.metavar.split("|")[0] for a in needed]

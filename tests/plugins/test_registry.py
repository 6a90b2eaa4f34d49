from __future__ import annotations

import subprocess
import sys

import pytest

from harness.core import UsageError
from harness.plugins import registry
from harness.plugins.registry import Registry, unknown

METHOD = """_target_: mine.Mine
kind: pipeline
card: {title: My method}
defaults: {k: 2}
"""


def test_own_plugins_are_found_and_complete():
    registry = Registry()
    assert "pope" in registry.tasks
    assert {"vanilla", "vista", "vcd"} <= registry.methods.keys()
    assert {"tiny-llava", "hf", "replay", "chance", "oracle"} <= registry.models.keys()
    for plugin in registry.methods.values():
        assert plugin.title != plugin.name, f"{plugin.path} has no card.title"
        for preset in plugin.presets:
            assert preset.get("source"), f"{plugin.path}: a preset names no source"


def test_a_folder_of_plugins(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "mine.yaml").write_text(METHOD)
    (tmp_path / "notes.yaml").write_text("just: notes")
    (tmp_path / "puzzle").mkdir()
    (tmp_path / "puzzle" / "task.yaml").write_text("_target_: puzzle.Puzzle\n")
    registry = Registry([tmp_path])
    assert registry.methods["mine"].defaults == {"k": 2}
    assert registry.tasks["puzzle"].target == "puzzle.Puzzle"
    assert str(tmp_path) in sys.path


def test_a_file_is_parsed_once_and_again_when_it_changes(tmp_path, monkeypatch):
    """What one registry changes no other sees. A file of this moment is parsed each time."""
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "mine.yaml").write_text(METHOD)
    parsed, parse = [], registry._parsed
    monkeypatch.setattr(registry, "_parsed", lambda path: parsed.append(path.name) or parse(path))
    for tick, times in ((registry.TICK, 2), (0, 1)):
        parsed.clear()
        monkeypatch.setattr(registry, "TICK", tick)
        for _ in range(2):
            mine = Registry([tmp_path]).methods["mine"]
            assert mine.defaults == {"k": 2}
            mine.defaults["k"] = 3
        assert parsed.count("mine.yaml") == times
    (tmp_path / "mine.yaml").write_text(METHOD.replace("2", "45"))
    assert Registry([tmp_path]).methods["mine"].defaults == {"k": 45}


def test_faults_name_the_file(tmp_path):
    with pytest.raises(UsageError, match="is not a folder"):
        Registry([tmp_path / "gone"])
    (tmp_path / "bad.yaml").write_text("a: [1,\nb: 2")
    for group in ("task", "method"):
        with pytest.raises(UsageError, match=r"bad.yaml, line \d+"):
            Registry([tmp_path]).get(group, "bad")
    (tmp_path / "bad.yaml").write_text("_target_: a.B\nkind: steering\nneutral:\n  k: 1\n  k: 2")
    with pytest.raises(UsageError, match=r"bad.yaml, line 5: this is not valid YAML \(k stands twice: leave one out\)"):
        Registry([tmp_path]).get("method", "bad")
    (tmp_path / "bad.yaml").write_text("card: {title: Größe}", encoding="latin-1")
    with pytest.raises(UsageError, match=r"bad\.yaml is not a text in UTF-8"):
        Registry([tmp_path]).get("method", "bad")


def test_copies_of_other_programs_are_no_plugins(tmp_path):
    before = Registry().groups
    for name in (".ipynb_checkpoints/task-checkpoint.yaml", "task-checkpoint.yaml", "._task.yaml", "__MACOSX/a.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("_target_: a.B\nkind: thing")
    assert {g: list(v) for g, v in Registry([tmp_path]).groups.items()} == {g: list(v) for g, v in before.items()}


def test_misspelt_names_get_the_nearest():
    assert unknown("method", "vsita", ["vista", "vcd"]).endswith("did you mean vista?")
    assert "choose one of a, b" in unknown("method", "zzzz", ["b", "a"])


def test_listing_imports_nothing_heavy():
    code = (
        "import sys; from harness.cli import main; main(['list', 'methods']); main(['--help']);"
        "heavy = {'torch', 'transformers', 'duckdb', 'hydra', 'numpy', 'datasets'} & set(sys.modules);"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "vista" in done.stdout

"""Modules are parsed once: what is remembered of a text is what the parser would say of it now."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.runs import sources, syntax, texts

ROOTS = ["harness.engine.play", "harness.stats.paired"]


@pytest.fixture
def fresh(tmp_path, monkeypatch):
    """A new process each time it is called."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))

    def process():
        made = texts.Remembered(Path(syntax.__file__))
        for module in (syntax, sources):
            monkeypatch.setattr(module, "REMEMBERED", made)
        monkeypatch.setattr(sources, "_READ", {})

    process()
    return process


def test_the_second_process_parses_nothing(fresh, monkeypatch):
    first = sources.code(ROOTS)
    reached = {name: kept for name, _, kept in sources._reached(ROOTS)}
    fresh()
    monkeypatch.setattr(syntax, "parsed", lambda *_: pytest.fail("parsed again"))
    assert sources.code(ROOTS) == first and len(first) > 20
    again = {name: kept for name, _, kept in sources._reached(ROOTS)}
    assert {n: k.source for n, k in again.items()} == {n: k.source for n, k in reached.items()}


def test_another_text_package_or_reader_is_parsed(fresh, tmp_path):
    one = syntax.remembered(b"from . import a\n", "pack")
    assert syntax.remembered(b"from . import b\n", "pack") != one != syntax.remembered(b"from . import a\n", "other")
    syntax.REMEMBERED.save()
    assert texts.Remembered(Path(syntax.__file__)).get(texts.Remembered.key(b"from . import a\n", "pack"))
    (tmp_path / "reader.py").write_text("other")
    assert texts.Remembered(tmp_path / "reader.py").get(texts.Remembered.key(b"from . import a\n", "pack")) is None


@pytest.mark.parametrize("damage", ["", "[]", '{"%s": 3}', '{"%s": [1, 2]}'])
def test_a_damaged_memory_costs_time_alone(fresh, tmp_path, damage):
    text, package = b"import json\nx = 1\n", "pack"
    made = syntax.remembered(text, package)
    syntax.REMEMBERED.save()
    (path,) = (tmp_path / "sources").iterdir()
    path.write_text(damage.replace("%s", texts.Remembered.key(text, package)))
    fresh()
    assert syntax.remembered(text, package) == made == syntax.parsed(text, package)


def test_a_folder_that_cannot_be_written_is_left(fresh, tmp_path, monkeypatch):
    (tmp_path / "sources").write_text("a file")
    assert sources.code(["harness.stats.paired"])

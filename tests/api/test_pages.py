"""docs/notebook.md runs from its first block to its last, and docs/python.md names what there is."""

from __future__ import annotations

import contextlib
import inspect
import io
import re
import sys
from pathlib import Path

import pytest

import harness

DOCS = Path(__file__).parents[2] / "docs"


def shape(text: str) -> str:
    """Without what may differ from machine to machine."""
    return re.sub(r"[\d.]+", "0", text)


def test_the_notebook(workdir, monkeypatch):
    """Each block prints what the page says, and what its last line shows has HTML where the page shows something."""
    blocks = re.findall(r"```(python|text)\n(.*?)```", (DOCS / "notebook.md").read_text(encoding="utf-8"), re.DOTALL)
    monkeypatch.setenv("COLUMNS", "120")
    names, said, shown = {}, "", []
    for kind, block in blocks:
        if kind == "text":
            missing = [line for line in block.splitlines() if shape(line) not in shape(said)]
            assert not missing, said
            continue
        block = block.replace("limit=54", "limit=18")
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(block, "docs/notebook.md", "exec"), names)
        last = block.rstrip().splitlines()[-1]
        value = eval(last, names) if not re.match(r"print\(|\s|.* = ", last) else None
        said = f"{out.getvalue()}{value!r}"
        if hasattr(value, "_repr_html_"):
            shown.append(type(value).__name__)
            assert "<td" in value._repr_html_()
    assert shown == ["Run", "Comparison", "SampleView", "Comparison"]
    assert "matplotlib" not in sys.modules
    assert names["careful"].method == "careful" and names["vista"].primary.value != names["vanilla"].primary.value


def test_the_reference_names_what_there_is():
    page = (DOCS / "python.md").read_text(encoding="utf-8")
    assert all(f"harness.{name}" in page or f"`{name}`" in page or f"## {name}" in page for name in harness.__all__)
    for name in re.findall(r"`run\.(\w+)", page):
        assert hasattr(harness.Run, name), name
    for name in re.findall(r"`table\.(\w+)", page):
        assert hasattr(harness.Table, name), name
    for name in re.findall(r"found\.(\w+)", page):
        assert hasattr(harness.Comparison, name) or name in harness.Comparison.__dataclass_fields__, name
    kinds = [getattr(harness, n) for n in harness.__all__ if n != "runs"]
    public = [m for k in kinds if inspect.isclass(k) for n, m in vars(k).items() if not n.startswith("_")]
    assert all(inspect.getdoc(f) for f in (*kinds, harness.public("runs")))
    unsaid = [m.__qualname__ for m in public if inspect.isfunction(m) and not m.__doc__]
    assert not unsaid


@pytest.mark.parametrize(
    "line", re.findall(r"^ {4}(harness\.evaluate\(.*?\)) *(?:#.*)?$", (DOCS / "python.md").read_text(), re.M)
)
def test_the_calls_of_the_reference_are_words_that_are_read(line):
    from harness.api.words import pairs
    from harness.config.compose import check_names, lengthened
    from harness.config.settings import check_keys, settings
    from harness.plugins.registry import Registry

    given = inspect.signature(harness.evaluate)
    bound = eval(line.replace("harness.evaluate", "bind"), {"bind": given.bind}).arguments
    values = {k: v for k, v in bound.items() if k not in ("settings", "plugins")} | bound.get("settings", {})
    if values.get("method") == "look":
        return
    words = [w for w, _ in pairs(values)]
    registry = Registry()
    made = lengthened(words, registry, ("limit", "seed", "batch_size", "retry", "results", "logger"))
    check_names(made, registry)
    check_keys(made, settings(made, registry), registry)

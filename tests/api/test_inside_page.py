"""docs/inside.md runs from its first block to its last, on fewer samples; its figures are drawn."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

from benchmarks.inside_figures import draw

PAGE = Path(__file__).parents[2] / "docs/inside.md"


def shape(text: str) -> str:
    """Without what depends on the samples."""
    return re.sub(r"[-+]?[\d.]+", "0", text)


def test_the_page(workdir):
    text = PAGE.read_text(encoding="utf-8")
    said, names = "", {}
    for kind, block in re.findall(r"```(python|text)\n(.*?)```", text, re.DOTALL):
        if kind == "text":
            assert shape(block) == shape(said)
            continue
        block = block.replace("limit=120", "limit=10").replace("limit=900", "limit=180")
        with contextlib.redirect_stdout(io.StringIO()) as out:
            exec(compile(block, PAGE.name, "exec"), names)
        said = out.getvalue()
    figures = re.findall(r"\]\(inside/(\S+\.svg)\)", text)
    assert len(figures) == 3
    draw(names["plain"], names["vista"], names["pope"], workdir)
    for name in figures:
        assert (PAGE.parent / "inside" / name).read_text(encoding="utf-8").startswith("<svg")
        assert (workdir / name).read_text(encoding="utf-8").count("<") > 12

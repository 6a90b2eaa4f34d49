"""The documentation's examples run, and its commands name things that exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from harness.cli import COMMANDS
from harness.config.compose import check_names
from harness.plugins.registry import Registry

REPO = Path(__file__).parents[1]
PAGES = [REPO / "README.md", *sorted((REPO / "docs").glob("*.md")), *sorted((REPO / "tasks").glob("*/README.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(REPO)))
def test_commands_in_the_pages_name_what_exists(page):
    registry = Registry()
    text = re.sub(r"\s*\\\n\s*", " ", page.read_text())  # a command may continue on the next line
    for line in text.splitlines():
        for command in re.findall(r"^ {4}(?:\S+=\S+ )*harness (.+?)(?: {2,}#.*| {3,}.*)?$", line):
            words = shlex.split(command.split(" && ")[0], comments=True)
            assert words[0] in COMMANDS, line
            own = {"my-method", "colours", "plugins=[.]"}
            if words[0] == "eval" and not any(o in command for o in own) and "plugins=" not in command:
                check_names([w for w in words[1:] if not w.startswith("-") and w != "job"], registry)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(REPO)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


NARROW = [
    *PAGES,
    *(REPO / n for n in ("CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")),
    *REPO.glob("harness/embedded/*/README.md"),
]


@pytest.mark.parametrize("page", NARROW, ids=lambda p: str(p.relative_to(REPO)))
def test_lines_are_under_120_columns(page):
    lines = enumerate(page.read_text().splitlines(), 1)
    assert [n for n, line in lines if len(line) >= 120 and not line.startswith("|") and "://" not in line] == []

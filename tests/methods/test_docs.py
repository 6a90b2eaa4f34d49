"""The method of docs/add-a-method.md is complete and passes the tests that it promises; the table of docs/methods.md is
that of the cards. `python -m tests.methods.test_docs` writes the table anew."""

from __future__ import annotations

import re
import textwrap
from functools import partial

from harness.core.verified import LEVELS, Verified
from harness.plugins.registry import ROOT, Registry
from tests.methods import test_every_method as checks

PAGE = ROOT / "docs/methods.md"
START, END = "<!-- From the cards: python -m tests.methods.test_docs -->\n", "<!-- end -->\n"


def verified() -> str:
    """The levels, and the table of all methods, as docs/methods.md has them."""
    fill = partial(textwrap.fill, width=118, subsequent_indent="  ", break_on_hyphens=False)
    levels = "".join(fill(f"- **{level}**: {words}.") + "\n" for level, words in LEVELS.items())
    head = "| method | level | authors' code | largest difference | what was compared |\n|---|---|---|---|---|\n"
    rows = [_row(name, plugin.verified) for name, plugin in sorted(Registry().methods.items())]
    return f"{levels}\n{head}{''.join(rows)}"


def _row(name: str, verified: Verified) -> str:
    code = f"[{verified.source}]({verified.link})" if verified.link else ""
    return f"| `{name}` | {verified.level} | {code} | {verified.difference or ''} | {verified.note} |\n"


def _parts() -> tuple[str, str, str]:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(START)
    inside, _, after = rest.partition(END)
    return before, inside, after


def test_the_table_of_verified_methods_is_that_of_the_cards():
    assert _parts()[1] == verified(), "docs/methods.md is not what the cards say: python -m tests.methods.test_docs"


def test_the_example_is_a_method(tmp_path, monkeypatch):
    text = (ROOT / "docs/add-a-method.md").read_text()
    for kind, name in (("python", "look.py"), ("yaml", "look.yaml")):
        block = re.search(rf"```{kind}\n# mine/{name}\n(.*?)```", text, re.DOTALL)
        assert block
        (tmp_path / name).write_text(block[1])
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(checks, "REGISTRY", Registry([tmp_path]))
    for family in checks.NAMES:
        checks.test_neutral_strength_is_vanilla("look", family)
        checks.test_defaults_change_something_and_leave_no_trace("look", family)
        checks.test_batch_and_shared_prefix_equal_singles("look", family)
    for other in ("vista", "vcd"):
        checks.test_composition_runs_or_is_refused_by_name("look", other)
    checks.test_text_alone_is_left_alone_or_refused("look", "llava")


if __name__ == "__main__":
    before, _, after = _parts()
    PAGE.write_text(f"{before}{START}{verified()}{END}{after}", encoding="utf-8")

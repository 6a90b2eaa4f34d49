"""The methods of docs/add-a-method.md are complete and pass the tests that it promises; the table of docs/methods.md is
that of the cards. `python -m tests.methods.test_docs` writes the table anew."""

from __future__ import annotations

import re
import textwrap
from functools import partial

import pytest
import torch

from harness.checks.playing import play
from harness.checks.zoo import sample, view
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


@pytest.fixture
def mine(tmp_path, monkeypatch):
    """Both methods of docs/add-a-method.md in a folder, and among the methods that are checked."""
    text = (ROOT / "docs/add-a-method.md").read_text(encoding="utf-8")
    for name, block in re.findall(r"```(?:python|yaml)\n# mine/(\S+)\n(.*?)```", text, re.DOTALL):
        (tmp_path / name).write_text(block)
    assert {p.name for p in tmp_path.iterdir()} == {f"{n}.{kind}" for n in ("look", "prior") for kind in ("py", "yaml")}
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(checks, "REGISTRY", Registry([tmp_path]))
    return tmp_path


@pytest.mark.parametrize("name", ["look", "prior"])
def test_the_examples_are_methods(mine, name):
    for family in checks.NAMES:
        checks.test_neutral_strength_is_vanilla(name, family)
        checks.test_defaults_change_something_and_leave_no_trace(name, family)
        checks.test_batch_and_shared_prefix_equal_singles(name, family)
    for other in ("vista", "vcd"):
        checks.test_composition_runs_or_is_refused_by_name(name, other)
    checks.test_beam_search_runs_unless_a_contrast_is_on(name, "llava")
    checks.test_text_alone_is_left_alone_or_refused(name, "llava")


def test_the_decoding_example_divides_by_the_answer_without_a_picture(mine):
    """Two words alone: softmax(z - alpha log p_blind), and the mean over them is kept."""
    v, inputs = view("llava"), [sample("llava", 0)]
    ids = [10, 20]
    assert [v.begins(word) for word in ("yes", "no")] == [(10,), (20,)]
    (plain,), (blind,) = play(v, inputs, steps=1), play(v, [v.without_image(inputs[0])], steps=1)
    (got,) = play(v, inputs, [checks.make("prior", alpha=0.5)], steps=1)
    z, prior = plain.scores[0, ids], blind.scores[0].log_softmax(-1)[ids]
    torch.testing.assert_close(got.scores[0, ids], z - 0.5 * (prior - prior.mean()), atol=2e-4, rtol=1e-4)
    others = [i for i in range(len(plain.scores[0])) if i not in ids]
    torch.testing.assert_close(got.scores[0, others], plain.scores[0, others], atol=2e-4, rtol=1e-4)


if __name__ == "__main__":
    before, _, after = _parts()
    PAGE.write_text(f"{before}{START}{verified()}{END}{after}", encoding="utf-8")

"""The method of docs/add-a-method.md is complete and passes the tests that it promises."""

from __future__ import annotations

import re

from harness.core.registry import ROOT, Registry
from tests.methods import test_every_method as checks


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

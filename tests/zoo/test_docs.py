"""docs/add-a-mixer.md: its file is a mixer (tests/zoo/test_command.py trains and asks it)."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import torch

from harness.zoo.mixer import find, make

PAGE = Path(__file__).parents[2] / "docs" / "add-a-mixer.md"


@pytest.fixture
def fade(tmp_path, monkeypatch):
    name, text = re.findall(r"```python\n# (\w+)\.py\n(.*?)```", PAGE.read_text(), re.DOTALL)[0]
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield name
    sys.modules.pop(name, None)


def test_the_page_is_followed(fade):
    mixer = make(fade, 8, {"bias": 1.0}, 0, 1)
    assert type(mixer) is find(fade) and mixer.state_bytes(5) == 32
    x = torch.randn(2, 6, 8)
    moved = x.clone()
    moved[:, 4] += 1
    before, after = mixer(x), mixer(moved)
    assert torch.equal(before[:, :4], after[:, :4]) and not torch.equal(before[:, 4], after[:, 4])

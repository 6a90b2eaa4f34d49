"""Layers that methods name in 32nds take the same part of deeper and shallower models."""

from __future__ import annotations

import pytest

from harness.plugins.registry import Registry
from harness.steering import View
from tests.methods.made import made

LAYERS = {"vhr": {"second": False}, "gift": {}, "pai": {}, "paint": {}}
"""Methods that edit a window of layers, and what to leave out of it."""
READS = {"vista": {}, "dola": {}, "truthprint": {}}
"""Methods that read one."""


class Deep:
    """What is looked at in a model when layers are chosen."""

    scaled = View.scaled
    image_token_id = None

    def __init__(self, depth: int):
        self.depth = depth


def span(name: str, depth: int) -> tuple[float, float]:
    """Where the window begins and ends, as shares of the depth."""
    method = made(name, **{**LAYERS, **READS}[name])
    found = list((method.reads if name in READS else method.layers)(Deep(depth)))
    assert found and -1 <= min(found) <= max(found) < depth  # -1: the embeddings
    return min(found) / depth, (max(found) + 1) / depth


DEPTHS = (6, 24, 28, 30, 36, 40, 80)


@pytest.mark.parametrize(
    ("name", "depth"),
    [(n, d) for n in (*LAYERS, *READS) for d in DEPTHS if (n, d) != ("dola", 80)],  # there the authors take 20 layers
)
def test_a_window_takes_the_same_part_of_every_depth(name, depth):
    assert span(name, depth) == pytest.approx(span(name, 32), abs=1.5 / min(depth, 32))


def test_no_method_with_a_window_is_left_out():
    texts = {n: p.path.read_text(encoding="utf-8").partition("\ndefaults:")[2] for n, p in Registry().methods.items()}
    counted = {n for n, text in texts.items() if any(" of 32" in line for line in text.splitlines() if "  #" in line)}
    assert counted == {*LAYERS, *READS}

"""Peak memory of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.engine import memory

MIB = 2**20


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the peak can be reset on Linux only")
def test_a_run_is_charged_for_itself_alone():
    block = bytearray(200 * MIB)
    high = memory.peak()
    del block
    memory.start()
    low = memory.peak()
    assert high is not None and low is not None
    assert high - low > 150 * MIB
    block = bytearray(100 * MIB)
    again = memory.peak()
    assert again is not None and 50 * MIB < again - low < 150 * MIB and len(block) == 100 * MIB

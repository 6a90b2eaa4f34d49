"""Runs of increments: the key knows everything and forgets nothing, chance does not know, and a head that forgets is
told from one that never knew."""

from __future__ import annotations

import numpy as np
import pytest

from harness.cli import main
from harness.tasks.increments.course import EACH, LEARNT, SESSIONS
from harness.tasks.increments.scoring import figures
from tests.tasks.measured import metrics


@pytest.mark.parametrize("model", ["oracle", "chance"])
def test_the_key_and_chance(workdir, model):
    assert main(["eval", "task=increments", "task.samples=24", "logger=quiet", f"model={model}"]) == 0
    found = metrics(workdir)
    assert {g for name, g in found if name == "map"} == {f"session {t + 1}" for t in range(SESSIONS)}
    assert found["unread", "all"] == 0
    values = [found[name, "all"] for name in ("precision", "last", "amap", "map_last")]
    if model == "oracle":
        assert values == [1, 1, 1, 1] and found["forgetting", "all"] == 0
    else:
        assert max(values) < 0.6


def test_what_is_known_once_and_lost_is_forgotten():
    shown = np.random.default_rng(0).random((40, len(LEARNT))) < 0.3
    key = np.repeat(np.where(shown, 1.0, -1.0)[:, None], SESSIONS, 1)
    assert figures(key, shown)["forgetting"] == 0
    lost = key.copy()
    lost[:, -1, :EACH] *= -1  # behind the last session the first categories are turned around
    never = key.copy()
    never[:, :, :EACH] *= -1  # they were wrong all along
    assert figures(lost, shown)["forgetting"] > 0.1 > figures(never, shown)["forgetting"]
    assert figures(lost, shown)["map_last"] == pytest.approx(figures(never, shown)["map_last"])

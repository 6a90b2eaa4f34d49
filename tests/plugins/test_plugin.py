from __future__ import annotations

from pathlib import Path

import pytest

from harness.core import Task, UsageError
from harness.core.model import Model
from harness.plugins.plugin import Plugin
from harness.plugins.registry import Registry, folders_of

REGISTRY = Registry()


def test_a_name_becomes_an_object():
    task = REGISTRY.tasks["pope"].build(data="embedded", splits=["random"])
    assert isinstance(task, Task) and (task.name, task.cluster) == ("pope", "image")
    assert {s.group for s in task.samples()} == {"random"}
    assert isinstance(REGISTRY.models["chance"].build(), Model)
    vista = REGISTRY.methods["vista"].build(lam=0.25)
    assert (vista.name, vista.lam) == ("vista", 0.25)


def test_refusals_name_the_setting():
    with pytest.raises(UsageError, match="pope: data follows other settings of a run"):
        REGISTRY.tasks["pope"].build()
    with pytest.raises(UsageError, match=r"unknown setting method\.vista\.lambda"):
        REGISTRY.methods["vista"].build(**{"lambda": 1.0})


def test_the_most_specific_preset_wins():
    presets = [
        {"model": "m", "values": {"k": 2}},
        {"model": "m", "task": "t", "values": {"k": 3}},
        {"task": "t", "values": {"k": 4}},
    ]
    plugin = Plugin("p", "method", Path(), "x", defaults={"k": 1, "j": 0}, presets=presets)
    assert plugin.preset("k", "m", "t") == 3
    assert plugin.preset("k", "m", "u") == 2
    assert plugin.preset("k", None, "u") == 1
    assert plugin.preset("j", "m", "t") == 0


def test_folders_of_stored_runs(tmp_path):
    (tmp_path / "here").mkdir()
    here, gone = str(tmp_path / "here"), str(tmp_path / "gone")
    assert folders_of([None, {}, {"plugins": [here, gone]}, {"plugins": here}, {"plugins": []}]) == [here]

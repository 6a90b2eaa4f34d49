from __future__ import annotations

import hashlib
import json
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType

import pytest

from harness.core import Missing, UsageError
from harness.plugins.registry import Registry
from harness.tasks.pope import photos
from harness.tasks.pope.scoring import SPLITS

ROWS = [json.loads(line) for line in photos.ANNOTATIONS.read_text().splitlines()]


def test_annotations_are_balanced_and_without_contradiction():
    for row in ROWS:
        assert tuple(row["absent"]) == SPLITS and row["licence"] and row["by"] and len(row["sha256"]) == 64
        assert {len(absent) for absent in row["absent"].values()} == {len(row["present"])}
        things = [*row["present"], *(thing for absent in row["absent"].values() for thing in absent)]
        assert len(set(things)) == len(things)
    asked = list(photos.questions())
    assert len(asked) == 120 and len({r["question"] + r["image"] for r in asked}) == 80
    assert sum(r["label"] == "yes" for r in asked) == 60


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Stand-ins of the two packages, with files of other content in the places of the photographs."""
    digests = {}
    for row in ROWS:
        path = tmp_path / row["image"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(row["image"].encode())
        digests[row["image"]] = hashlib.sha256(path.read_bytes()).hexdigest()
    for name in ("skimage", "sklearn"):
        module = ModuleType(name)
        module.__spec__ = ModuleSpec(name, None, origin=str(tmp_path / name / "__init__.py"))
        monkeypatch.setitem(sys.modules, name, module)
    return digests


def test_another_picture_of_that_name_is_refused(packages):
    with pytest.raises(UsageError, match=r"astronaut.png is not the picture that was annotated"):
        photos.pictures()


def test_questions_and_their_pictures(packages, tmp_path, monkeypatch):
    own = tmp_path / "annotations.jsonl"
    own.write_text("".join(json.dumps({**r, "sha256": packages[r["image"]]}) + "\n" for r in ROWS))
    monkeypatch.setattr(photos, "ANNOTATIONS", own)
    task = Registry().tasks["pope"].build(data="photos", splits=["popular"])
    samples = list(task.samples())
    assert len(samples) == 40 and len({s.cluster for s in samples}) == 7
    assert samples[0].id == "popular:astronaut person" and samples[0].target == "yes"
    assert samples[0].data["record"].picture.encoded() == b"skimage/data/astronaut.png"
    assert task.describe()["images"] == 7


def test_packages_that_are_not_installed(monkeypatch):
    for name in ("skimage", "sklearn"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(Missing, match=r"pip install 'harness\[photos\]'"):
        photos.pictures()

"""What a method's code raises or returns by mistake is told with the method's name and the place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli import main
from harness.plugins.registry import forget

STEERING = """
from harness.steering import Steering

class Mine(Steering):
    def residual(self, l, h, batch):
        return None

    def {slip}
"""
PIPELINE = """
from harness.core import Pipeline

class Mine(Pipeline):
    def {slip}
"""


@pytest.fixture
def play(workdir):
    """A run of 12 questions under a method with a slip: exit code, and the errors of its samples."""
    Path("plug").mkdir()

    def played(kind: str, slip: str):
        Path("plug/mine.py").write_text((STEERING if kind == "steering" else PIPELINE).format(slip=slip))
        Path("plug/mine.yaml").write_text(f"_target_: mine.Mine\nkind: {kind}\ncard: {{title: Mine}}\n")
        forget()
        words = ["eval", "task=pope", "task.data=embedded", "limit=12", "method=mine", "plugins=[plug]", "results=r"]
        code = main([*words, "logger=quiet"])
        journals = [file.read_text() for file in Path("r").glob("runs/*/samples.jsonl")]
        found = [json.loads(line) for text in journals for line in text.splitlines()]
        return code, {row["error"]["message"] for row in found if row["error"]}

    yield played
    forget()


@pytest.mark.parametrize(
    ("kind", "slip", "said"),
    [
        (
            "steering",
            "prepare(self, batch):\n        raise KeyError('boo')",
            "'boo' (method=mine: `prepare`, mine.py, line 9)",
        ),
        (
            "steering",
            "logits(self, z, batch):\n        return helped(z)\n\ndef helped(z):\n    return z.nothing",
            "(method=mine: `logits`, mine.py, line 12)",
        ),
        (
            "pipeline",
            "respond(self, request):\n        yield request\n        return {}['x']",
            "'x' (method=mine: `respond`, mine.py, line 7)",
        ),
    ],
)
def test_the_place_is_named(play, kind, slip, said, capsys):
    code, messages = play(kind, slip)
    assert code != 0 and len(messages) == 1
    assert said in messages.pop()
    assert "Traceback" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("kind", "slip", "said"),
    [
        ("pipeline", "respond(self, request):\n        return request", "method=mine: `respond` must be a generator"),
        (
            "pipeline",
            "respond(self, request):\n        yield request\n        return 'yes'",
            "method=mine: `respond` returned an object of type str, not a Reply",
        ),
        (
            "pipeline",
            "begin(self, sample):\n        pass\n\n    def respond(self, request):\n        return (yield request)",
            "method=mine: `begin` must return a pipeline",
        ),
        (
            "steering",
            "contrast(self, sample, view):\n        return 'no'",
            "method=mine: `contrast` returned an object of type str",
        ),
        (
            "steering",
            "rewrite(self, sample, view):\n        return [1]",
            "method=mine: `rewrite` returned an object of type list",
        ),
    ],
)
def test_what_it_must_return_is_named(play, kind, slip, said, capsys):
    code, messages = play(kind, slip)
    told = capsys.readouterr().err
    assert code == 2 and not messages
    assert said in told and told.count("\n") == 1

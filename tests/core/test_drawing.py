"""What readers of samples are shown, as journals store it."""

from __future__ import annotations

import io
import json

import pytest
from PIL import Image

from harness.core import Mark, Outcome, Picture, Result, Step
from harness.runs import journal
from harness.runs.pictures import kept


def png(colour: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 3), colour).save(file, "PNG")
    return file.getvalue()


def row(*steps: Step) -> Result:
    return Result("s1", "c", "g", None, Outcome("a", {"correct": 1.0}, steps=steps))


def test_steps_come_back_from_the_journal_with_their_pictures_beside_it(tmp_path):
    click = Mark("click", "wrong", point=(0.25, 0.5), words=("ok",))
    result = kept(tmp_path, row(Step("click(1)", "", Picture(png("red")), (click,)), Step("noop()", "failed: x")))
    path = tmp_path / journal.FILE
    journal.write(path, [result])
    (read,) = journal.read(path)
    assert read.outcome
    first, second = read.outcome.steps
    assert (first.action, first.marks, second.told) == ("click(1)", (click,), "failed: x")
    assert (tmp_path / "pictures" / first.file).read_bytes() == png("red") and not second.file


def test_a_picture_is_stored_once_and_one_that_cannot_be_shown_is_left_out(tmp_path):
    result = kept(tmp_path, row(*[Step("a", "", Picture(png("red")))] * 3, Step("b", "", Picture(b"no picture"))))
    assert result.outcome and [bool(s.file) for s in result.outcome.steps] == [True, True, True, False]
    assert len(list((tmp_path / "pictures").iterdir())) == 1


@pytest.mark.parametrize(
    "steps", [[{"told": "x"}], [{"action": "a", "marks": [{"label": "m", "role": "x", "box": [1]}]}]]
)
def test_a_damaged_step_is_a_damaged_line(tmp_path, steps):
    path = tmp_path / journal.FILE
    made = json.loads(journal.encode(row()))
    made.pop("crc32")
    path.write_text(journal.sealed({**made, "steps": steps}) + "\n")
    assert journal.scan(path)[0] == [] and len(journal.scan(path)[1]) == 1

from __future__ import annotations

from collections import Counter

from harness.core import Picture
from harness.models.reference import Chance, Oracle
from tests.engine.test_schedule import play
from tests.engine.toys import Sums
from tests.tasks.vqa.made import row, vqa, written


def test_the_oracle_marks_the_ceiling_and_chance_is_seeded():
    scores = {}
    for cls in (Oracle, Chance, Chance):
        model, task = cls("m", None, "embedded"), Sums(400)
        model.bind(task)
        results, _, _ = play(task, model)
        answers = [r.outcome.answer for r in results]
        scores.setdefault(cls, []).append((sum(r.outcome.scores["correct"] for r in results) / 400, answers))
    assert scores[Oracle][0][0] == 1
    assert 0.03 < scores[Chance][0][0] < 0.2
    assert scores[Chance][0] == scores[Chance][1]


def test_the_oracle_looks_at_each_picture_once_and_chance_at_none(tmp_path, monkeypatch):
    names = ("bad.png", "a.png", "a.png", "cut.png", "gone.png", "a.png")
    written(tmp_path / "rows.jsonl", [row("yes", image=name) for name in names])
    (tmp_path / "bad.png").write_bytes(b"abc")
    (tmp_path / "cut.png").write_bytes((tmp_path / "b.png").read_bytes()[:60])
    looks: Counter[str] = Counter()
    load = Picture.load
    monkeypatch.setattr(Picture, "load", lambda self: (looks.update([str(self.source)[-5:]]), load(self))[1])
    for cls, sound in ((Chance, [True] * 6), (Oracle, [False, True, True, False, False, True])):
        model, task = cls("m", None, "local"), vqa(tmp_path)
        model.bind(task)
        results, _, _ = play(task, model)
        by = {r.id: r for r in results}
        assert [by[s.id].error is None for s in task.samples()] == sound
        assert looks["a.png"] == (cls is Oracle)
    said = [r.error["message"] for r in results if r.error]
    assert any("bad.png cannot be decoded" in s for s in said) and any("image gone.png is not in" in s for s in said)

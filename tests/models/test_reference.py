from __future__ import annotations

from harness.models.reference import Chance, Oracle
from tests.engine.test_schedule import play
from tests.engine.toys import Sums


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

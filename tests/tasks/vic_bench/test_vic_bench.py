"""ViC-Bench: hand-made transcripts for every measure, ThinkGain, whole runs."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from harness.cli import main
from harness.core import Outcome, Result
from harness.tasks.vic_bench.judge import Play, read, replayed
from harness.tasks.vic_bench.scoring import aggregate
from harness.tasks.vic_bench.worlds import WORLDS
from tests.tasks.measured import stored

# Start in the upper left, goal in the lower left; a wall between them, so that the way is right, down, left.
MAZE = {"n": 2, "walls": [[0, 0, 1]], "start": [0, 0], "goal": [0, 1], "options": [], "answer": 0}
CROWD = {"radius": 6, "faces": [[20, 20], [60, 20], [200, 20], [20, 200]], "options": [], "answer": 0}
TABLE = {"blocks": ["red", "blue", "green"], "where": ["left", "red", "middle"], "open": False}
TABLE["goal"] = [["red", "box"], ["blue", "right"]]
DONE = "".join(
    f"ACTION: {a}\n" for a in ("pick(blue)", "place(blue, right)", "open(box)", "pick(red)", "place(red, box)")
)
COUNTED = """ACTION: count left-top 2
ACTION: count right-top 1
ACTION: count left-bottom 1
ACTION: count right-bottom 0
FINAL: 4"""
PUZZLE = WORLDS["jigsaw"].make(random.Random(1))


def played(world: str, item: dict, text: str) -> dict[str, float]:
    turn = read(text)
    return replayed(WORLDS[world], item, turn.actions, turn.final).scores()


@pytest.mark.parametrize(
    ("text", "correct", "recall", "legal", "steps"),
    [
        ("ACTION: right\nACTION: down\nACTION: left\nFINAL: done", 1, 1, 3, 3),
        ("ACTION: down\nACTION: right\nACTION: down\nACTION: left\nFINAL: done", 1, 1, 3, 4),  # one illegal step
        ("ACTION: right\nACTION: down\nACTION: down", 0, 2 / 3, 2, 3),  # an illegal end
        ("ACTION: right\nFINAL: done", 0, 1 / 3, 1, 1),  # an early stop
        ("ACTION: right\nACTION: left\nACTION: right\nACTION: down\nACTION: left", 1, 1 / 3, 5, 5),  # longer, valid
        ("FINAL: done", 0, 0, 0, 0),  # no steps
        ("I go right, then down.", 0, 0, 0, 0),
        ("ACTION: up\nACTION: up\nACTION: up\nACTION: right", 0, 0, 0, 3),  # three illegal ones end it
    ],
)
def test_mazes(text, correct, recall, legal, steps):
    scores = played("maze", MAZE, text)
    assert (scores["correct"], scores["legal"], scores["steps"]) == (correct, legal, steps)
    assert scores["recall"] == pytest.approx(recall)


@pytest.mark.parametrize(
    ("text", "correct", "recall", "legal", "steps"),
    [
        (DONE, 1, 1, 5, 5),
        ("ACTION: pick(red)\nACTION: pick(blue)\nACTION: place(blue, right)", 0, 0.5, 2, 3),  # red is not free
        ("ACTION: open(box)\nACTION: open(box)", 0, 0, 1, 2),  # a repeated action
        ("ACTION: pick(blue)\nACTION: place(blue, box)", 0, 0, 1, 2),  # the box is closed
        ("ACTION: pick(blue)\nACTION: place(blue, on green)\nFINAL: done", 0, 0, 2, 2),
    ],
)  # fmt: skip
def test_plans(text, correct, recall, legal, steps):
    scores = played("embodied", TABLE, text)
    assert (scores["correct"], scores["recall"], scores["legal"], scores["steps"]) == (correct, recall, legal, steps)


@pytest.mark.parametrize(
    ("text", "correct", "recall", "legal"),
    [
        (COUNTED, 1, 1, 4),
        ("ACTION: count left-top 3\nACTION: count right-top 1\nFINAL: 4", 1, 0.25, 2),
        ("ACTION: count left-top -1\nACTION: count middle 2\nACTION: count left-top 1.5\nFINAL: 5", 0, 0, 0),
        ("ACTION: count left-top 2\nACTION: count left-top 2\nFINAL: 4 faces", 1, 0.25, 1),
        ("FINAL: there are 4", 1, 0, 0),
    ],
)  # fmt: skip
def test_crowds(text, correct, recall, legal):
    scores = played("counting", CROWD, text)
    assert (scores["correct"], scores["recall"], scores["legal"]) == (correct, recall, legal)


def test_jigsaws():
    actions, _ = WORLDS["jigsaw"].plan(PUZZLE)
    text = "".join(f"ACTION: {a}\n" for a in actions)
    assert played("jigsaw", PUZZLE, text)["correct"] == 1
    first, second = actions[0].split(), actions[1].split()
    swapped = [f"place {first[1]} {second[2]}", f"place {second[1]} {first[2]}", *actions[2:]]
    scores = played("jigsaw", PUZZLE, "".join(f"ACTION: {a}\n" for a in swapped))
    n = len(actions)
    assert scores["correct"] == 0 and scores["recall"] == pytest.approx((n - 2) / n) and scores["legal"] == n
    again = played("jigsaw", PUZZLE, f"ACTION: {actions[0]}\nACTION: {actions[0]}\nACTION: place Z 1")
    assert (again["legal"], again["steps"], again["all_legal"]) == (1, 3, 0)


def test_lines():
    turn = read("Thinking.\n**ACTION: right**\n- action: down\nFINAL: done\nACTION: up")
    assert turn.actions == ("right", "down") and turn.final == "done"
    assert read("") == read("nothing") and read("nothing").final is None


@given(st.lists(st.sampled_from(["up", "down", "left", "right", "fly"]), max_size=12), st.integers(0, 11))
@settings(max_examples=60)
def test_an_illegal_step_never_raises_legality(moves, where):
    def share(play: Play) -> float:
        scores = play.scores()
        return scores["legal"] / scores["steps"] if scores["steps"] else 1.0

    plain = Play(WORLDS["maze"], MAZE)
    for move in moves:
        plain.step(move)
    worse = Play(WORLDS["maze"], MAZE)
    for i, move in enumerate(moves):
        if i == where:
            worse.step("fly")
        worse.step(move)
    if where >= len(moves):
        worse.step("fly")
    assert share(worse) <= share(plain) and worse.state == plain.state


def result(item: int, stage: int, correct: float, recall: float) -> Result:
    scores = {"correct": correct, "recall": recall, "legal": 2.0, "steps": 3.0, "all_legal": 0.0, "unread": 0.0}
    outcome = Outcome("x", scores, "x", {"stage": stage, "world": "maze"})
    return Result(f"{item}-s{stage}", f"item{item}", f"maze stage {stage}", None, outcome, calls=1)


def test_think_gain():
    """Equal stages gain 0; otherwise it is the difference of means, also relative to what was left."""
    same = [result(i, s, i % 2, i / 20) for i in range(20) for s in (2, 3)]
    found = {(m.name, m.group): m for m in aggregate(same)}
    for name in ("thinkgain_acc_local", "thinkgain_recall_local"):
        assert found[name, "all"].value == 0 and found[name, "all"].stderr in (0, None)
    better = [result(i, s, float(i % 2 or (s == 3 and i < 10)), 0.5) for i in range(20) for s in (2, 3)]
    found = {(m.name, m.group): m for m in aggregate(better)}
    gain = found["thinkgain_acc_local", "maze"]
    assert gain.value == pytest.approx(0.25) and "+0.500 of the room" in gain.note
    assert gain.low is not None and gain.low > 0 and found["legality_local", "stage 3"].value == pytest.approx(2 / 3)
    assert not any(m.name.startswith("thinkgain") for m in aggregate([r for r in same if r.id.endswith("s3")]))


def test_oracle_and_chance(workdir):
    assert main(["eval", "-m", "task=vic_bench", "model=oracle,chance", "logger=quiet"]) == 0
    best, blind = stored("*oracle*"), stored("*chance*")
    assert {best["acc", f"stage {s}"]["value"] for s in (1, 2, 3)} == {1}
    assert blind["acc", "stage 1"]["low"] <= 0.25 <= blind["acc", "stage 1"]["high"]
    assert blind["acc", "stage 2"]["value"] < 0.05 and blind["acc", "stage 3"]["value"] < 0.1
    for stage in (2, 3):
        assert best["legality_local", f"stage {stage}"]["value"] == 1
        assert blind["legality_local", f"stage {stage}"]["value"] == 1
    assert best["thinkgain_acc_local", "all"]["value"] == 0


@pytest.mark.parametrize("arm", ["text", "same", "wrong", "picture"])
@pytest.mark.parametrize("history", ["newest", "all"])
def test_every_arm(workdir, arm, history):
    words = [f"task.feedback={arm}", f"task.history={history}", "task.stages=3", "limit=8", "logger=quiet"]
    assert main(["eval", "task=vic_bench", "model=oracle", *words]) == 0
    assert stored()["acc", "stage 3"]["value"] == 1


@pytest.mark.parametrize("level", range(5))
def test_every_level(workdir, level):
    words = [f"task.level={level}", "task.stages=[2,3]", "limit=4", "logger=quiet"]
    assert main(["eval", "task=vic_bench", "model=oracle", *words]) == 0
    assert stored()["acc", "all"]["value"] == 1


def test_the_embedded_model_plays(workdir):
    assert (
        main(["eval", "task=vic_bench", "task.max_new_tokens=40", "task.step_tokens=20", "limit=6", "logger=quiet"])
        == 0
    )
    assert stored()["failed", "all"]["value"] == 0


def test_official_records(workdir):
    folder = Path("vic/json")
    folder.mkdir(parents=True)
    Image.new("RGB", (30, 30)).save("vic/m.png")
    good = {"instanceId": 7, "prompt": "<image_1> Which? A. x B. y", "target": "B", "images": {"<image_1>": "m.png"}}
    good["extra_data"] = {"options": ["x", "y"]}
    rows = [good, {**good, "images": {}}, {**good, "target": None}, 4]
    (folder / "vicbench__maze_stage1.json").write_text(json.dumps(rows))
    words = ["task=vic_bench", "task.data=official", "task.root=vic", "model=oracle", "logger=quiet"]
    assert main(["eval", *words]) == 3
    found = stored()
    assert found["acc", "maze stage 1"]["value"] == 1 and found["failed", "all"]["value"] == 0.75


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["task.data=nope"], "choose one of embedded"),
        (["task.worlds=[nope]"], "choose from maze"),
        (["task.stages=[4]"], "4 is unknown: choose from 1, 2, 3"),
        (["task.level=9"], "choose one of 0, 1, 2, 3, 4"),
        (["task.feedback=nope"], "choose one of picture"),
        (["task.data=official"], "task.root=PATH"),
    ],
)
def test_bad_settings_are_one_line(workdir, capsys, words, said):
    assert main(["eval", "task=vic_bench", "model=oracle", *words]) in (2, 3)
    err = capsys.readouterr().err
    assert said in err and len(err.strip().splitlines()) == 1

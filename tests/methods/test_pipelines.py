"""Pipelines: each call by its protocol, with scripted replies; what they measure and did; hostile answers."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from harness.core import Decoding, Pipeline, UsageError
from harness.core.picture import Picture
from harness.core.types import Likelihood, Message, Reply, Request, user
from harness.engine.rescoring import again
from harness.engine.schedule import Scheduler
from harness.methods._shared.crops import WHOLE, crop, pixels, read_box
from harness.methods.pipeline.cot import ANSWER, CUE
from harness.methods.pipeline.deepeyes import SYSTEM, USER, on_grid
from harness.methods.pipeline.self_consistency import same
from harness.methods.pipeline.visrl import PROTOCOLS
from tests.engine.toys import Adder, Sums
from tests.methods.made import REGISTRY, made

PIPELINES = [n for n, m in REGISTRY.methods.items() if m.kind == "pipeline" and not m.raw.get("external")]


def picture(width=200, height=120) -> Picture:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return Picture(out.getvalue())


SHOWN = picture()
QUESTION = Request(user(SHOWN, "Is there a dog?"), 16, stop=("\n",))


def drive(method: Pipeline, *replies: str | Reply, request: Request = QUESTION) -> tuple[list[Request], Reply]:
    """What the method asks, and its reply, where the model says these in turn (the last one for ever)."""
    asked, play = [], method.respond(request)
    try:
        step = next(play)
        while True:
            asked.append(step)
            said = replies[min(len(asked), len(replies)) - 1]
            step = play.send(said if isinstance(said, Reply) else Reply(said))
    except StopIteration as end:
        return asked, end.value


def call(box: object) -> str:
    return (
        f'<think>hm</think> <tool_call>{{"name": "image_zoom_in_tool", "arguments": {{"bbox_2d": {box}}}}}</tool_call>'
    )


@pytest.mark.parametrize("name", PIPELINES)
def test_neutral_values_and_requests_without_one_picture_pass_through(name):
    off = made(name, **REGISTRY.methods[name].raw["neutral"])
    asked, reply = drive(off, "yes")
    assert asked == [QUESTION] and reply == Reply("yes") and not reply.steps and not reply.measures
    if name in ("cot", "self_consistency", "synapse"):
        return
    text = Request(user("Is there a dog?"), 16)
    assert drive(made(name), "yes", request=text)[0] == [text]


def test_cot_thinks_and_then_answers_in_the_form_that_was_asked():
    asked, reply = drive(made("cot", tokens=50), "First, I see grass.", "no")
    first, second = asked
    assert first.messages == user(SHOWN, f"Is there a dog?\n{CUE}")
    assert first.max_new_tokens == 50 and first.stop == () and second.max_new_tokens == 16 and second.stop == ("\n",)
    assert second.messages[1:] == (
        Message("assistant", ("First, I see grass.",)),
        Message("user", (f"Is there a dog?\n{ANSWER}",)),
    )
    assert reply.text == "no" and reply.steps[0].action == "thinks: First, I see grass."
    assert drive(made("cot", repeat=False), "x", "no")[0][1].messages[-1].content == (ANSWER,)


def test_self_consistency_gives_the_most_frequent_answer_and_the_first_of_equals():
    asked, reply = drive(made("self_consistency", n=5), "No", "yes.", "no.", "Yes", "perhaps")
    assert [r.draw for r in asked] == [0, 1, 2, 3, 4] and len({r.key for r in asked}) == 5
    assert reply.text == "No" and reply.measures == {"agreement": 0.4}
    assert same("Yes, it is.") == same("yes it is") and same("0.5, 0.25") != same("0.5, 0.35")


def test_crop_center_shows_the_middle_behind_the_picture():
    (asked,), reply = drive(made("crop_center", share=0.5), "yes")
    shown, part = asked.pictures
    assert shown == SHOWN and part.load() == SHOWN.load().crop((50, 30, 150, 90))
    assert asked.messages[0].content[2] == "Is there a dog?" and reply.steps[0].marks[0].box == (0.25, 0.25, 0.75, 0.75)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_visrl_asks_for_a_box_and_shows_it_without_its_text(protocol):
    asked, reply = drive(made("visrl", protocol=protocol), "[0.25, 0.1, 0.75, 0.6]", "yes")
    first, second = asked
    assert first.messages == user(SHOWN, "Is there a dog?" + PROTOCOLS[protocol]) and first.max_new_tokens == 64
    (message,) = second.messages
    text = "Is there a dog?" if protocol == "test" else "Is there a dog?" + PROTOCOLS["generate"] + "\n"
    assert message.content[:2] == (SHOWN, text)
    assert message.content[2].load() == SHOWN.load().crop((50, 12, 150, 72))
    assert reply.text == "yes" and reply.measures == {"box_found": 1.0} and len(reply.steps) == 2


def test_visrl_without_a_box_shows_the_whole_picture_and_says_so():
    asked, reply = drive(made("visrl"), "somewhere on the left", "no")
    assert asked[1].pictures[1].load() == SHOWN.load()
    assert reply.measures == {"box_found": 0.0} and reply.steps[0].told == "no box: the whole picture"


def test_focus_answers_fast_where_it_is_sure():
    sure = Reply(Reply.said([Likelihood(-9.0, False, 3), Likelihood(-0.3, True, 3)]))
    asked, reply = drive(made("focus", threshold=0.9), "(0.5, 0.5)", sure)
    assert asked[0] == QUESTION and asked[1].continuations == ("(0.5, 0.5)", " (0.5, 0.5)") and len(asked) == 2
    assert reply.text == "(0.5, 0.5)"
    assert reply.measures == {"confidence": pytest.approx(0.904837), "slow": 0.0}


def test_focus_writes_three_stages_where_it_is_not():
    unsure = Reply(Reply.said([Likelihood(-3.0, False, 3)] * 2))
    asked, reply = drive(made("focus"), "(0.5, 0.5)", unsure, "A shop.", "The red button.", "(0.1, 0.2)")
    stages = [r.messages[-1].content[1] for r in asked[2:]]
    assert len(stages) == 3 and "A shop." in stages[1] and "A shop." in stages[2] and "The red button." in stages[2]
    assert (
        all(r.pictures == (SHOWN,) for r in asked) and asked[2].max_new_tokens == 96 and asked[4].max_new_tokens == 16
    )
    assert reply.text == "(0.1, 0.2)" and reply.measures["slow"] == 1.0 and len(reply.steps) == 4
    slow, given = drive(made("focus", mode="slow"), "A shop.", "The red button.", "(0.1, 0.2)")
    assert [r.key for r in slow] == [r.key for r in asked[2:]] and given.measures == {}


def test_focus_may_ask_for_agreement_of_drawn_points():
    close = drive(made("focus", confidence="agreement"), "(0.5, 0.5)", "(0.51, 0.5)", "(0.49, 0.5)", "(0.5, 0.51)")
    assert len(close[0]) == 4 and close[1].measures == {"confidence": 1.0, "slow": 0.0}
    apart = drive(made("focus", confidence="agreement"), "(0.5, 0.5)", "(0.9, 0.5)", "no idea", "(0.5, 0.51)", "x")
    assert apart[1].measures == {"confidence": pytest.approx(1 / 3), "slow": 1.0}
    assert drive(made("focus"), "")[1].measures == {"confidence": 0.0, "slow": 1.0}


def test_deepeyes_answers_at_once_as_the_plain_question_with_its_prompt():
    (asked,), reply = drive(made("deepeyes"), "<think>a</think> <answer> no </answer><answer>yes</answer>")
    assert asked.messages == (Message("system", (SYSTEM,)), *user(SHOWN, "Is there a dog?" + USER))
    assert reply.text == "no" and reply.measures == {"turns": 1, "tool_calls": 0, "bad_calls": 0, "answered": 1.0}
    training = made("deepeyes", form="training")
    assert drive(training, "<answer>no</answer> <answer>yes</answer>")[1].text == "yes"


def test_the_released_prompt_is_kept_byte_for_byte():
    digest = hashlib.sha256((SYSTEM + USER).encode()).hexdigest()
    assert digest == "4085a8e9cda1d986631021dcaf4d1099ff4c2e0e47f3e33df1d67e9356dccce3", (
        "from eval/eval_vstar.py of Visual-Agent/DeepEyes"
    )


def test_deepeyes_crops_the_picture_that_was_asked_about():
    asked, reply = drive(made("deepeyes"), call([10, 20, 94, 76]), call([0, 0, 56, 56]), "<answer>yes</answer>")
    assert len(asked) == 3 and len(asked[2].messages) == 6
    tool = asked[1].messages[-1]
    assert (
        tool.role == "user" and tool.content[0] == "<tool_response>" and tool.content[2:] == (USER, "</tool_response>")
    )
    assert tool.content[1].load() == SHOWN.load().crop((10, 20, 94, 76)), "84 x 56 lies on the grid"
    assert asked[2].pictures[2].load() == SHOWN.load().crop((0, 0, 56, 56)), "no crop of a crop"
    assert reply.measures == {"turns": 3, "tool_calls": 2, "bad_calls": 0, "answered": 1.0}
    assert reply.steps[0].marks[0].box == (0.05, pytest.approx(1 / 6), 0.47, pytest.approx(76 / 120))


@pytest.mark.parametrize("form", ["evaluation", "training"])
@pytest.mark.parametrize(
    "said",
    [
        "<tool_call>{'name': 1}</tool_call>",
        "<tool_call>{</tool_call>",
        call([100, 20, 10, 76]),
        call([0, 0, 1000, 1]),
        call('["a", 0, 1, 2]'),
        call("[1e999, 0, 5, 5]"),
        call([0, 0, 1]),
        call("__import__('os').system('true')"),
        call("[" * 100000),
        call(f"[0, 0, 5, {'9' * 400}]"),
        call([10.2, 10.2, 10.4, 10.4]),
    ],
)
def test_a_bad_call_is_told_and_costs_a_turn(form, said):
    asked, reply = drive(made("deepeyes", form=form, turns=3), said)
    start = "Error: " if form == "training" else "<tool_response>Error: "
    assert len(asked) == 3 and asked[1].messages[-1].content[0].startswith(start)
    assert reply.measures["bad_calls"] == 2 and reply.measures["answered"] == 0.0 and reply.steps[0].told


def test_training_refuses_small_crops_and_clips_large_ones():
    training = made("deepeyes", form="training", turns=2)
    assert "too small" in drive(training, call([0, 0, 30, 90]))[0][1].messages[-1].content[0]
    assert drive(training, call([150, 60, 500, 500]))[0][1].pictures[1].load() == SHOWN.load().crop((150, 60, 200, 120))


def test_each_form_has_its_own_limits():
    """visual_toolbox_v2 of the training: five turns, closed calls of its tool by name, sides of float boxes."""
    again = call([0, 0, 60, 60])
    assert [len(drive(made("deepeyes", form=f), again)[0]) for f in ("evaluation", "training")] == [11, 5]
    unclosed = again.removesuffix("</tool_call>")
    assert [len(drive(made("deepeyes", form=f), unclosed)[0]) for f in ("evaluation", "training")] == [11, 1]
    asked, _ = drive(made("deepeyes", form="training"), again.replace("zoom_in", "rotate"))
    assert asked[1].messages[-1] == Message("user", ("Error: the only tool is image_zoom_in_tool",))
    assert drive(made("deepeyes", form="training", turns=2), call([0, 0, 30.4, 90]))[1].measures["bad_calls"] == 0


def test_boxes_are_rounded_as_the_script_does():
    asked, _ = drive(made("deepeyes", turns=2), call([9.6, 19.5, 93.7, 75.6]))
    cut = SHOWN.load().crop((10, 20, 94, 76))
    assert asked[1].pictures[1].load() == cut.resize((84, 56), Image.Resampling.BICUBIC)
    refused, _ = drive(made("deepeyes", turns=2), call([0, 0, 10**6, 10**6]))
    assert "too large" in refused[1].messages[-1].content[0]


def test_neither_call_nor_answer_ends_the_loop():
    asked, reply = drive(made("deepeyes"), "I cannot say.")
    assert len(asked) == 1 and reply.text == "I cannot say." and reply.measures["answered"] == 0.0


@given(st.integers(1, 5000), st.integers(1, 5000))
def test_the_grid_holds_its_limits(width, height):
    w, h = on_grid(width, height)
    assert w % 28 == h % 28 == 0
    if max(width / height, height / width) <= 100:
        assert 4 * 28 * 28 <= w * h <= 16384 * 28 * 28


@pytest.mark.parametrize(
    ("said", "box"),
    [
        ("[0.1, 0.2, 0.5, 0.6]", (0.1, 0.2, 0.5, 0.6)),
        ("The box is (0.5,0.6),(0.1,0.2).", (0.1, 0.2, 0.5, 0.6)),
        ('{"box": [10%, 20%, 50%, 60%]}', (0.1, 0.2, 0.5, 0.6)),
        ("[20, 24, 100, 72]", (0.1, 0.2, 0.5, 0.6)),
        ("[-0.2, 0.2, 1.3, 0.6]", (0.0, 0.2, 1.0, 0.6)),
        ("<bbox>0.1 0.2 0.5 0.6</bbox>", (0.1, 0.2, 0.5, 0.6)),
        ("from x=0.1 to a box with y=0.2 and x=0.5, y=0.6", None),
        ("[0.5, 0.5, 0.5, 0.6]", None),
        ("[0.1, 0.2]", None),
        ("", None),
    ],
)
def test_boxes_are_read(said, box):
    assert read_box(said, (200, 120)) == (box if box is None else pytest.approx(box))


@given(st.text(), st.integers(1, 400), st.integers(1, 400), st.integers(1, 64))
def test_any_text_gives_a_box_inside_or_none(said, width, height, least):
    box = read_box(said, (width, height)) or WHOLE
    x0, y0, x1, y1 = pixels(box, (width, height), least)
    assert 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height
    assert x1 - x0 >= min(least, width) and y1 - y0 >= min(least, height)


def test_a_whole_box_is_the_picture():
    assert crop(SHOWN, pixels(WHOLE, SHOWN.size)).load() == SHOWN.load()


class Votes(Pipeline):
    """Asks twice and says what it did."""

    name = "votes"

    def respond(self, request):
        return (yield from made("self_consistency", n=2).respond(request))


def test_measures_and_steps_of_a_pipeline_are_kept_with_the_sample():
    results, task = [], Sums(3)
    Scheduler(task, Adder(), [Votes()], Decoding(), seed=0, rows=None, report=results.extend).run(list(task.samples()))
    for sample, row in zip(task.samples(), results, strict=True):
        assert row.measures == ("agreement",) and row.outcome.scores["agreement"] == 1.0
        assert [s.action for s in row.outcome.steps] == [f"draws: {sample.target}"] * 2
        rescored = again(task, sample, row)
        assert rescored == row and rescored.outcome.steps == row.outcome.steps


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("cot", {"tokens": -1}, "tokens=-1 must be 0 or more"),
        ("self_consistency", {"n": 0}, "n=0 must be 1 or more"),
        ("crop_center", {"share": 0}, r"share=0 must lie in \(0, 1\]"),
        ("visrl", {"protocol": "x"}, "protocol=x is unknown: choose test, generate or none"),
        ("visrl", {"least": 0}, "needs least and tokens of at least 1"),
        ("deepeyes", {"form": "x"}, "form=x is unknown: choose evaluation or training"),
        ("deepeyes", {"turns": -1}, "needs turns of at least 0 and tokens of at least 1"),
        ("focus", {"mode": "x"}, "mode=x is unknown: choose adaptive, fast, slow"),
        ("focus", {"confidence": "x"}, "confidence=x is unknown: choose likelihood or agreement"),
        ("focus", {"tokens": 0}, "tokens=0 must be 1 or more"),
    ],
)
def test_wrong_values_are_named(name, values, words):
    with pytest.raises(UsageError, match=words):
        made(name, **values)

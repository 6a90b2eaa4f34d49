"""The model of benchmarks/copier.py: demonstrations of a Synapse prompt, with the present page's elements and words."""

from __future__ import annotations

import sys

import pytest

from harness.plugins.registry import ROOT

sys.path.append(str(ROOT / "benchmarks"))
from copier import adapted, answer, said, trajectories

PAGE = '[4] textbox\n[5] button "Cancel"\n[6] button "Send"'


@pytest.mark.parametrize(
    ("code", "task", "page", "made"),
    [
        ("click('6')", "Click Cancel.", '[7] button "Send"\n[9] button "Cancel"', "click('9')"),  # as the task says
        ("click('5')", "Click Save.", '[7] button "Save"\n[9] button "Cancel"', "click('9')"),  # of the same name
        ("click('4')", "Click Save.", '[1] button "x"\n[2] textbox\n[3] textbox', "click('2')"),  # of the same place
        ("fill('4', 'Send')", "Click Save.", "[2] textbox", "fill('2', 'Save')"),
        ("mouse_click(3, 4.5)", "Click Save.", "", "mouse_click(3, 4.5)"),
        ("no call", "Click Save.", "", "no call"),
    ],
)
def test_elements_play_the_same_part(code, task, page, made):
    assert adapted(code, "Click Send.", PAGE, task, page) == made


def test_words_come_from_the_same_place():
    assert said("tula", 'Enter "tula" and "EiT".', 'Enter "ann" and "b c".') == "ann"
    assert said("EiT", 'Enter "tula" and "EiT".', 'Enter "ann" and "b c".') == "b c"
    assert said("Tab #3", "Click on Tab #3.", "Click on Tab #1.") == "Tab #1"
    assert said("7", "Add up.", "Add up all.") == "7"


def test_the_step_at_hand_of_the_most_similar_task_is_copied():
    def turn(role, text):
        return {"role": role, "content": text}

    def episode(task, *steps):
        head = f"Task: {task}\nTrajectory:\n"
        for page, code in steps:
            yield turn("user", f"{head}Observation:\n{page}\nAction:")
            if code:
                yield turn("assistant", f"```\n{code}\n```")
            head = ""

    first = episode('Write "a" and send.', (PAGE, "fill('4', 'a')"), (PAGE, "click('6')"))
    other = episode("Cancel.", (PAGE, "click('5')"))
    begun = [turn("system", "You act."), *first, *other]
    now = '[1] textbox\n[2] button "Send"'
    one = [*begun, *episode('Write "hello" and send.', (now, ""))]
    two = [*begun, *episode('Write "hello" and send.', (now, "fill('1', 'hello')"), (now, ""))]
    assert [len(steps) for _, steps in trajectories(two)] == [2, 1, 2]
    assert answer(one) == "```\nfill('1', 'hello')\n```" and answer(two) == "```\nclick('2')\n```"
    assert answer([turn("user", "Task: a\nPage:")]) == "```\nnoop()\n```"

"""Synapse: memory, prompts, code that is read and never run, and an episode step by step."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core import Message, Picture, Reply, Request, Sample, UsageError, user
from harness.methods.pipeline.synapse.agent import SYSTEM, abstracted
from harness.methods.pipeline.synapse.code import read as read_code
from harness.methods.pipeline.synapse.memory import FIRST_SEED, Memory, Trajectory, recorded, vote
from harness.tasks.miniwob.actions import Action, Malformed, parse
from harness.tasks.miniwob.environment import State
from harness.tasks.miniwob.policies import POLICIES
from harness.tasks.miniwob.prompts import messages, read
from tests.methods.made import made

HUGE = "0x" + "f" * 6000
"""A number that Python reads, and refuses to write down."""
TREE = '[1] button "ONE"\n  StaticText "hello"\n[2] button "TWO"\nStaticText "click the button"'


def told(task="Click button ONE, then click button TWO.", tree=TREE, done=()) -> Request:
    state = State(task, {}, False, 0.0, 0.0, "", axtree=tree)
    return Request(messages(state, list(done), ("axtree",)), 48)


def at(name="click-button-sequence", seed=0) -> Sample:
    return Sample(f"{name}.{seed}", f"miniwob:{name}", name, None)


def play(method, *turns):
    """Drive one episode: for each (request, what the model says), what it was asked and the reply."""
    own, seen = method.begin(at()), []
    for request, said in turns:
        asked, step = [], own.respond(request)
        try:
            inner = next(step)
            while True:
                asked.append(inner)
                inner = step.send(Reply(said))
        except StopIteration as end:
            seen.append((asked, end.value))
    return seen


def test_each_page_finds_its_own_trajectories():
    memory = Memory("tfidf")
    assert {t.name for t in memory.trajectories} == set(POLICIES) and len(memory.trajectories) == 3 * len(POLICIES)
    found = [(one.name, memory.exemplar(one.task, one.steps[0][0])) for one in memory.trajectories]
    others = {own for own, exemplar in found if own != exemplar}
    twins = {"click-collapsible-nodelay", "click-collapsible-2-nodelay", "click-test-transfer"}
    assert others == twins | {"click-checkboxes", "click-shape"}, "pages whose first view another page has"


def test_the_majority_and_the_first_of_equals():
    assert vote(["a", "b", "b"]) == "b" and vote(["a", "b", "c"]) == "a"


def test_what_the_task_writes_is_read():
    request = told(done=['click("1")', "'x': no action: it holds no action"])
    text = request.messages[0].content[0]
    found = read(text)
    assert found.task == "Click button ONE, then click button TWO."
    assert found.tree == TREE and found.done == ('click("1")', "'x': no action: it holds no action")
    assert read(told().messages[0].content[0]).done == ()
    assert read("Is there a dog?") is None


def test_prompt_of_one_step_and_of_several():
    shown = (
        Trajectory("single", "Click ONE.", (('[1] button "ONE"', 'click("1")'),)),
        Trajectory("several", "First A then B.", (('[3] a "A"\nfooter', 'click("3")'), ('[4] a "B"', 'click("4")'))),
    )
    method = made("synapse", memory="name")
    method.__dict__["_known"] = Memory("tfidf", shown)
    for name, expected in {
        "single": [
            'Task: Click ONE.\nTrajectory:\nObservation:\n[1] button "ONE"\nAction:',
            '```\nclick("1")\n```',
        ],
        "several": [
            'Task: First A then B.\nTrajectory:\nObservation:\n[3] a "A"\nAction:',
            '```\nclick("3")\n```',
            'Observation:\n[4] a "B"\nAction:',
            '```\nclick("4")\n```',
        ],
    }.items():
        own = method.begin(at(name))
        asked = next(own.respond(told()))
        roles = [m.role for m in asked.messages]
        assert roles == ["system", *["user", "assistant"] * (len(expected) // 2), "user"]
        assert asked.messages[0] == Message("system", (SYSTEM,)) and asked.stop == ("Observation:",)
        assert [m.content[0] for m in asked.messages[1:-1]] == expected
        last = asked.messages[-1].content[0]
        assert last.startswith("Task: Click button ONE, then click button TWO.\nTrajectory:\nObservation:\n[1] button")


def test_an_episode_step_by_step():
    """A model that copies the retrieved trajectory's form plans two clicks; the second one needs no call."""
    (first, one), (second, two), (third, three) = play(
        made("synapse"),
        (told(), 'First.\n```python\nfor mark in ["1", "2"]:\n    agent.click(mark)\n```'),
        (told(done=["click('1')"]), "not asked"),
        (told(done=["click('1')", "click('2')"]), 'click("1")'),
    )
    assert (len(first), one.text) == (1, "click('1')") and one.measures == {"own_page": 1.0}
    assert one.steps[0].action.startswith("after click-button-sequence: First.")
    assert (second, two.text, two.measures) == ([], "click('2')", {})
    trail = [m.content[0] for m in third[0].messages[-5:]]
    assert (
        trail[1] == "```\nclick('1')\n```"
        and trail[3] == "```\nclick('2')\n```"
        and trail[4].startswith("Observation:")
    )
    assert three.text == "click('1')"


def test_a_failed_action_ends_the_plan_and_bad_code_is_the_answer():
    (_, one), (asked, two) = play(
        made("synapse"),
        (told(), '```\nclick("9")\nclick("2")\n```'),
        (told(done=["click('9'): failed: no such element"]), "I would click it."),
    )
    assert one.text == "click('9')" and len(asked) == 1
    assert two.text == "I would click it." and two.steps[0].told


def test_what_an_action_types_does_not_end_the_plan():
    typed = "keyboard_type('a: failed: b')"
    (_, one), (asked, two) = play(
        made("synapse"), (told(), f"```\n{typed}\nclick('2')\n```"), (told(done=[typed]), "not asked")
    )
    assert (one.text, asked, two.text) == (typed, [], "click('2')")


def test_no_action_of_refused_code_is_carried_out():
    ((_, one),) = play(made("synapse"), (told(), "```\nclick('1')\nwhile True:\n    noop()\n```"))
    assert one.text == "```\nclick ('1')\nwhile True:\n    noop ()\n```" and "While is not allowed" in one.steps[0].told
    with pytest.raises(Malformed, match="holds no action"):
        parse(one.text)


def test_a_text_that_looks_like_code_is_typed_as_it_is():
    (found,) = read_code("```\nkeyboard_type('\\x60\\x60\\x60click(5)\\x60\\x60\\x60')\n```")
    assert found == Action("keyboard_type", ("```click(5)```",)) and parse(str(found)) == found


def test_without_memory_and_without_trees():
    request = told()
    assert list(made("synapse", memory="none").begin(at()).respond(request)) == [request]
    picture = Request(user(Picture(b"x"), "Task: a\nAnswer with one action"), 8)
    with pytest.raises(UsageError, match=r"give task=miniwob task.observation=\[axtree\]"):
        next(made("synapse").begin(at()).respond(picture))
    with pytest.raises(UsageError, match=f"seeds from {FIRST_SEED} on are those of the memory"):
        made("synapse").begin(at(seed=FIRST_SEED))


def test_state_abstraction_keeps_marks_and_words_of_the_task():
    assert abstracted("Say hello.", TREE) == '[1] button "ONE"\nStaticText "hello"\n[2] button "TWO"'


@pytest.mark.parametrize(
    ("code", "actions"),
    [
        ('click("3")', ["click('3')"]),
        ('```python\nagent.click("3")\nagent.fill("4", "a" + "b")\n```', ["click('3')", "fill('4', 'ab')"]),
        ("```\nfor i in range(2):\n    mouse_click(10 * 1, i)\n```", None),
        ("```\nfor i in range(2):\n    mouse_click(10, 60 + i)\n```", ["mouse_click(10, 60)", "mouse_click(10, 61)"]),
        ('```\nnames = ["a", "b"]\nkeyboard_type(names[1])\n```', ["keyboard_type('b')"]),
        ('```\nfor c in "ab":\n    keyboard_press(f"{c}")\n```', ["keyboard_press('a')", "keyboard_press('b')"]),
        ('I will click("3") now.', ["click('3')"]),
        ("```\nkeyboard_type('\\d')\n```", ["keyboard_type('\\\\d')"]),
    ],
)
def test_code_is_read(code, actions):
    if actions is None:
        with pytest.raises(Malformed):
            read_code(code)
        return
    assert [str(a).replace('"', "'") for a in read_code(code)] == actions


@pytest.mark.parametrize(
    "code",
    [
        '__import__("os").system("true")',
        "```\nimport os\nos.remove('x')\n```",
        "```\nwhile True:\n    noop()\n```",
        "```\nfor i in range(10**9):\n    noop()\n```",
        "```\nfor i in range(2000):\n    for j in range(2000):\n        pass\n```",
        '```\nx = "a" * 10**9\n```',
        "```\ndef f():\n    f()\nf()\n```",
        "```\nclick.__globals__\n```",
        '```\n(lambda: click("1"))()\n```',
        '```\nclick(open("/etc/passwd"))\n```',
        '```\nx = [1]\nfor i in range(60):\n    x = x + x\nclick("1")\n```',
        '```\nx = ["1"]\nfor i in range(60):\n    x = [x, x]\nclick(str(x))\n```',
        '```\nx = ["1"]\nfor i in range(60):\n    x = [x, x]\nclick(f"{x}")\n```',
        "```\nclick(**{})\n```",
        "```\nclick(*[1])\n```",
        "```\nmouse_click(1e308 + 1e308, 0)\n```",
        f"```\nclick(str(-{HUGE}))\n```",
        f"```\nfor i in range(-{HUGE}, 5):\n    noop()\n```",
        f"```\nmouse_click(1.0 + -{HUGE}, 1)\n```",
        f"click({HUGE})",
        "```\nx = 10**10**10\n```",
        "```\nx = [i for i in range(10**9)]\n```",
        "```\nclick(x := '1')\n```",
        "```\nclick(f'{1:{2}}')\n```",
        "```\nkeyboard_type('\\ud800')\n```",
        "```\na = '" + "x" * 1999 + "'\nfor i in range(900):\n    b = f'" + "{a}" * 300 + "'\nnoop()\n```",
        "```\nfor i in range(900):\n    b = [" + "i," * 1999 + "]\nnoop()\n```",
        "```\n" + "click('1')\n" * 60 + "```",
        "```\n" + "x = 1\n" * 9000 + "noop()\n```",
        "```\n" + "-" * 9000 + "1\n```",
        "click(')" + "))" * 20000,
        "(" * 5000 + ")" * 5000,
        "```\n" + "[" * 400 + "]" * 400 + "\n```",
        "",
    ],
)
def test_hostile_code_is_refused(code):
    with pytest.raises(Malformed):
        read_code(code)


@given(st.text())
def test_any_answer_gives_actions_or_malformed(text):
    with contextlib.suppress(Malformed):
        assert all(isinstance(a, Action) for a in read_code(text))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"memory": "x"}, "memory=x is unknown: choose nearest, name or none"),
        ({"embedding": "x"}, "embedding=x is unknown: choose tfidf or minilm"),
        ({"shots": 0}, "needs shots and tokens of at least 1"),
    ],
)
def test_wrong_values_are_named(values, words):
    with pytest.raises(UsageError, match=words):
        made("synapse", **values)


def test_minilm_finds_the_same_pages_where_it_is_installed():
    pytest.importorskip("all_minilm_l6_v2")
    few = [t for t in recorded() if t.name in ("click-test", "enter-text", "click-link")]
    memory = Memory("minilm", few)
    for one in few:
        assert memory.exemplar(one.task, one.steps[0][0]) == one.name

"""What the fields of a task's settings may be, and what becomes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest

from harness import records
from harness.config.kinds import kinds
from harness.core import UsageError
from harness.records.settings import AnyOf, Data, Ending, OneOf, Path, Revision, SomeOf, Tokens, Whole, Within
from tests.tasks.settings import TASKS, settings_of


@dataclass(frozen=True, kw_only=True)
class Settings(records.Settings):
    data: Annotated[str, Data(own=("embedded",), hub=("official",))]
    images: Path
    revision: Revision
    sets: Annotated[tuple[str, ...], SomeOf(("b", "a", "c"))]
    ordered: Annotated[tuple[int, ...], SomeOf((1, 2, 3), ordered=True)]
    parts: Annotated[tuple[str, ...], AnyOf()]
    parser: Annotated[str, OneOf(("strict", "lenient"))]
    step_tokens: Tokens
    suffix: Annotated[str, Ending()]
    level: Annotated[int, Whole(0, of_records=True)]
    scale: Annotated[float, Within(0.5, 4)]


PLAIN = {"data": "embedded", "root": None, "max_new_tokens": 8, "images": None, "revision": "abc", "sets": None}
PLAIN |= {"ordered": None, "parts": None, "parser": "strict", "step_tokens": 4, "suffix": None, "level": 0, "scale": 2}


def made(**changes) -> Settings:
    return Settings(**{**PLAIN, **changes})


def test_values_as_the_task_uses_them():
    plain = made()
    assert (plain.sets, plain.ordered, plain.parts, plain.suffix) == (("b", "a", "c"), (1, 2, 3), (), "")
    given = made(sets="a", ordered=[3, 1], parts=["x", "y"], suffix="a\\nb")
    assert (given.sets, given.ordered, given.parts, given.suffix) == (("a",), (1, 3), ("x", "y"), "a\nb")
    assert made(sets=["c", "b"]).sets == ("c", "b")


def test_what_a_fingerprint_and_a_record_hold():
    plain = made()
    assert plain.asked() == [("b", "a", "c"), (1, 2, 3), "strict", "", 2, 8, 4], "limits last, records' own left out"
    facts = plain.facts()
    assert "root" not in facts and "images" not in facts
    assert (facts["sets"], facts["level"], facts["revision"]) == (["b", "a", "c"], 0, None)
    assert made(data="official").facts()["revision"] == "abc"
    assert made(data="official", root="d").facts()["revision"] is None


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"data": "moon"}, "task.data=moon is unknown: choose one of embedded, official, local"),
        ({"data": "local"}, "task.data=local needs your files: name their folder or file by task.root=PATH"),
        ({"root": "d"}, "task.data=embedded are the package's own: add task.data=official or local"),
        ({"images": "d", "data": "official"}, "task.images=d needs the records as well: add task.root=PATH"),
        ({"sets": ["a", "d"]}, "task.sets: d is unknown: choose from b, a, c"),
        ({"sets": []}, "task.sets is empty: choose from b, a, c"),
        ({"ordered": [True]}, "task.ordered: True is unknown"),
        ({"parser": "x"}, "task.parser=x is unknown: choose one of strict, lenient"),
        ({"max_new_tokens": 0}, "task.max_new_tokens=0 must be a whole number, 1 or more"),
        ({"max_new_tokens": True}, "task.max_new_tokens=true must be a whole number"),
        ({"max_new_tokens": None}, "task.max_new_tokens=null must be a whole number"),
        ({"step_tokens": -1}, "task.step_tokens=-1 must be a whole number, 1 or more"),
        ({"level": -1}, "task.level=-1 must be a whole number, 0 or more"),
        ({"scale": 9}, "task.scale=9 must be a number from 0.5 to 4"),
    ],
)
def test_refusals_are_one_line(changes, says):
    with pytest.raises(UsageError) as e:
        made(**changes)
    assert says in str(e.value) and "\n" not in str(e.value)


def test_what_the_command_line_may_give():
    takes = Settings.takes()
    kinds_of = {name: str(kinds(PLAIN[name], takes[name])) for name in PLAIN}
    assert kinds_of["sets"] == "a text or null or a list of texts"
    assert kinds_of["ordered"] == "a whole number or null or a list of whole numbers"
    assert (kinds_of["root"], kinds_of["max_new_tokens"], kinds_of["scale"]) == (
        "a text or null", "a whole number", "a number"
    )  # fmt: skip


@pytest.mark.parametrize("name", sorted(n for n, t in TASKS.items() if "max_new_tokens" in t.defaults))
@pytest.mark.parametrize("tokens", [0, -1, True, None, 1.5])
def test_no_task_takes_an_empty_answer(name, tokens):
    with pytest.raises(UsageError, match=r"task\.max_new_tokens=\S+ must be a whole number, 1 or more"):
        settings_of(name, max_new_tokens=tokens)


@pytest.mark.parametrize("name", sorted(set(TASKS) - {"lm_eval", "lmms_eval"}))
def test_each_setting_is_in_both_places(name):
    assert set(type(settings_of(name)).takes()) == set(TASKS[name].defaults)

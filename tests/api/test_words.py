"""Python values become the words that mean the same, whatever is in a text."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from harness.api.words import check, pairs
from harness.config.compose import Asked, run
from harness.config.literal import literal
from harness.config.settings import settings
from harness.core.errors import UsageError
from harness.plugins.registry import Registry


def words(**values):
    return [word for word, _ in pairs(values)]


def test_groups_and_settings():
    assert words(task="pope", limit=18) == ["task=pope", "limit=18"]
    assert words(method=["vista", "vcd"]) == ["method=[vista,vcd]"]
    assert words(method=["vista"]) == words(method=("vista",)) == ["method=vista"]
    assert words(method={"vista": {"lam": 0.1}, "vcd": {}}) == ["method=[vista,vcd]", "method.vista.lam=0.1"]
    assert words(model={"hf": {"path": Path("a b")}}) == ["model=hf", "model.path='a b'"]
    assert words(stop_early=True, retry=None, seed=np.int64(3)) == ["stop_early=true", "retry=null", "seed=3"]
    assert words(plugins=["mine", Path("of/ours")]) == ["plugins=['mine','of/ours']"]
    assert words(retry="null", x="12", y="", z="true") == ["retry='null'", "x='12'", "y=''", "z='true'"]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (
            {"method": object()},
            "a run's identity cannot cover the code of an object: write it to a file",
        ),
        ({"task": int}, "plugins=[FOLDER] (docs/add-a-task.md)"),
        ({"model": object()}, "model is given by its name, not as object"),
        ({"task": ["pope", "chair"]}, "name one"),
        ({"method": []}, "name one"),
        ({"method": {"vista": 0.1}}, "write {name: {setting: value}}"),
        ({"limit": {1, 2}}, "limit cannot be {1, 2}"),
        ({"limit": b"3"}, "limit cannot be"),
    ],
)
def test_what_no_word_can_hold_is_one_line(values, says):
    with pytest.raises(UsageError) as e:
        pairs(values)
    assert says in str(e.value) and "\n" not in str(e.value)


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="$\x00"), max_size=12)
VALUES = TEXTS | st.booleans() | st.integers() | st.none() | st.floats(allow_nan=False, allow_infinity=False)
PARSER = OverridesParser.create()
KNOWN = settings(["task=pope", "model=openai"], Registry())


@examples(max_examples=40)
@given(VALUES | st.lists(VALUES, max_size=3) | st.dictionaries(st.sampled_from("abc"), VALUES, max_size=3))
def test_hydra_reads_a_value_as_it_was_given(value):
    (word, _), *_ = pairs({"model.extra": value})
    assert PARSER.parse_override(word).value() == value


@examples(max_examples=40)
@given(TEXTS)
def test_a_text_stays_a_text(text):
    (word, _), *_ = pairs({"task.suffix": text})
    (spelled,) = literal(word, KNOWN, sweep=False)
    assert PARSER.parse_override(spelled).value() == text


def test_a_value_that_is_composed_as_another_one_is_refused():
    odd = "a, 'b' \\' [1] {x: 2} #\n= null"
    asked = pairs({"task": {"pope": {"suffix": odd}}, "limit": 3, "logger": "quiet"})
    found = []
    assert run(Asked([w for w, _ in asked]), lambda c: found.append(c) or 0) == 0
    assert found[0]["task"]["suffix"] == odd
    check(asked, found[0])
    with pytest.raises(UsageError, match=r"task.suffix=5 would be read as "):
        check([asked[0], ("task.suffix=5", 5), *asked[2:]], found[0])

"""What is refused of a YAML file beyond what YAML's safe loader refuses."""

from __future__ import annotations

import pytest
import yaml

from harness.core.yaml_loader import Loader


def load(text):
    return yaml.load(text, Loader=Loader)


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("a: 1\nb: 2\na: 3", 3, "a"),
        ("- a: {b: 1,\n  b: 1}", 2, "b"),
        ("x: &x\n  1: 0\n  1: 0\ny: *x", 3, "1"),
        ("yes: 1\ntrue: 2", 2, "true"),
        ("x: &x {a: 1}\n<<: *x\nb: 1\nb: 2", 4, "b"),
    ],
)
def test_a_key_that_stands_twice_is_refused_where_it_stands(text, line, key):
    with pytest.raises(yaml.MarkedYAMLError) as e:
        load(text)
    assert e.value.problem == f"{key} stands twice: leave one out"
    assert e.value.problem_mark and e.value.problem_mark.line + 1 == line


def test_what_is_merged_may_be_overridden():
    found = load("x: &x {a: 1, b: 2}\ny: &y {c: 5}\nz: {<<: [*y, *x], b: 4}")
    assert found["z"] == {"a": 1, "b": 4, "c": 5}


def test_all_else_is_read_as_ever():
    assert load("") is None and load("=: 1") == {"=": 1} and load("[1, {a: {a: 1}}]") == [1, {"a": {"a": 1}}]
    own = load("&a [*a]")
    assert own[0] is own
    with pytest.raises(yaml.YAMLError):
        load("a: !!python/name:os.system x")

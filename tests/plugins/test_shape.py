"""A YAML of another shape is one line, told to whoever names that plug-in and to nobody else."""

from __future__ import annotations

import sys

import pytest
import yaml

from harness.cli import main
from harness.core import UsageError
from harness.plugins.registry import Registry
from harness.plugins.shape import READ

METHOD = {"_target_": "mine.Mine", "kind": "pipeline", "card": {"title": "x"}, "defaults": {"alpha": 0.5}}
TASK = {"_target_": "mine.Mine", "kind": "task", "version": 1, "card": {"title": "x"}, "defaults": {"n": 1}}
DASH = {"model": "llava", "source": "x"}


@pytest.fixture(autouse=True)
def _path(monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])


def test_own_plugins_keep_to_it():
    assert not Registry().faults


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"card": "hello"}, r"card must be a mapping .*, not 'hello'"),
        ({"card": ["a"]}, "card must be"),
        ({"_target_": "M"}, "_target_ must be module.Class, not 'M'"),
        ({"_target_": None}, "_target_ must be module.Class, not null"),
        ({"_target_": ["a.B"]}, "_target_ must be module.Class"),
        ({"kind": "thing"}, "kind must be steering, pipeline, probe or task, not 'thing'"),
        ({"kind": None}, "kind must be steering"),
        ({"defaults": "alpha"}, "defaults must be settings with their values"),
        ({"defaults": {True: 1}}, "defaults must be"),
        ({"defaults": {"alpha": yaml.safe_load("2024-01-01")}}, "defaults must be .*a date in quotes"),
        ({"neutral": "alpha"}, "neutral must be settings"),
        ({"lively": [1]}, "lively must be settings"),
        ({"tune": {"alpha": 3}}, "tune must be settings with lists of values"),
        ({"tune": {"alpha": []}}, "tune must be settings with lists of values"),
        ({"unsupported": "llava"}, r"unsupported must be a list of texts .*, not 'llava'"),
        ({"check": "task=pope"}, "check must be a list of texts"),
        ({"text_only": "yes"}, "text_only must be true or false"),
        ({"untuned": None}, "untuned must be a text, not null"),
        ({"version": 1.1}, "write version in quotes"),
        ({"presset": []}, "unknown key presset: did you mean presets"),
        ({"presets": {"model": "x"}}, "presets must be a list"),
        ({"presets": ["x"]}, "presets must be a list"),
        ({"presets": [DASH]}, "presets: values must be settings with their values"),
        ({"presets": [{"modle": "llava", "values": {}}]}, "presets: unknown key modle: did you mean model"),
        ({"presets": [DASH | {"model": 1, "values": {}}]}, "presets: model must be a text, not 1"),
        ({"presets": [DASH | {"values": {"alhpa": 3}}]}, "values: alhpa is not among its defaults: did you mean alpha"),
        ({"defaults": None, "presets": [DASH | {"values": {"a": 3}}]}, "a is not among its defaults: there are none"),
    ],
)
def test_a_method_of_another_shape(tmp_path, changes, says):
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(METHOD | changes))
    with pytest.raises(UsageError, match=says) as e:
        Registry([tmp_path]).get("method", "mine")
    assert str(e.value).startswith(f"{path}: ") and "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"variants": "embedded"}, "variants must be a mapping of names"),
        ({"variants": {2014: "x"}}, "variants must be"),
        ({"default_model": ["x"]}, "default_model must be a text"),
        ({"primary": None}, "primary must be a text or a whole number, not null"),
        ({"version": True}, "version must be a whole number or a text"),
        ({"varaints": {}}, "unknown key varaints: did you mean variants"),
    ],
)
def test_a_task_of_another_shape(tmp_path, changes, says):
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(TASK | changes))
    with pytest.raises(UsageError, match=says):
        Registry([tmp_path]).get("task", "mine")


def test_what_may_be_left_out_or_be_null(tmp_path):
    nothing = dict.fromkeys(("card", "defaults", "presets", "neutral", "tune", "unsupported", "check", "external"))
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(METHOD | nothing | {"note": "of my own", 1: 2}))
    (tmp_path / "other.yaml").write_text("_target_: a.B\nkind: task\nofficial: null\nvariants: null\n")
    registry = Registry([tmp_path])
    assert registry.get("method", "mine").presets == [] and registry.get("task", "other").defaults == {}


@pytest.mark.parametrize("name", ["nan", "-inf", "null", "True", "1e5", "12", "1.5", "5.", "1_000"])
@pytest.mark.parametrize("kind", ["pipeline", "task"])
def test_a_name_that_is_read_as_something_else(tmp_path, capsys, name, kind):
    (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump((TASK if kind == "task" else METHOD) | {"kind": kind}))
    task = name if kind == "task" else "pope"
    method = "vanilla" if kind == "task" else name
    assert main(["eval", f"task={task}", f"method={method}", f"plugins=[{tmp_path}]"]) == 2
    err = capsys.readouterr().err
    assert f"{name} is read as a number, true, false or null: rename the file" in err and err.count("\n") == 1


def test_the_folder_of_a_task_is_its_name(tmp_path):
    (tmp_path / "nan").mkdir()
    (tmp_path / "nan" / "task.yaml").write_text("_target_: nan.Nan\n")
    with pytest.raises(UsageError, match=r"task\.yaml: task=nan is read as .*: rename the folder"):
        Registry([tmp_path]).get("task", "nan")


def test_a_method_with_a_dot(tmp_path):
    (tmp_path / "a.b.yaml").write_text(yaml.safe_dump(METHOD))
    with pytest.raises(UsageError, match=r"the name a\.b has a dot"):
        Registry([tmp_path]).get("method", "a.b")


def test_words_are_told_apart_as_hydra_does():
    from hydra.core.override_parser.overrides_parser import OverridesParser

    read = OverridesParser.create().parse_override
    words = "nan NaN inf -inf null Null true FALSE 1e5 1E+5 1_000 0 -0 +1 12 1.5 .5 5. .5e3 5.e3 1e-5 007 3d 2afc yes"
    words += " on off no 0x10 a-b a+b -x _x _1 1:30 infinity nano tru e5 1e 0.5.1 00 01e5 2024-01-01 ."
    for word in words.split():
        assert bool(READ.fullmatch(word)) == (read(f"method={word}").value() != word), word


def test_a_fault_is_told_to_those_who_name_it(tmp_path, capsys, monkeypatch):
    for name, text in {"mine": "card: hello", "torn": "a: [", "vista": "kind: thing"}.items():
        (tmp_path / f"{name}.yaml").write_text(f"_target_: mine.Mine\n{text}\n")
    monkeypatch.setenv("HARNESS_PLUGINS", str(tmp_path))
    assert main(["eval", "task=pope", "model=oracle", "--dry-run"]) == 0
    assert not capsys.readouterr().err
    assert main(["list", "methods"]) == 0
    told = capsys.readouterr()
    assert "  vcd " in told.out and "  mine " not in told.out and "  vista " not in told.out
    assert [line.partition(".yaml")[0].rpartition("/")[2] for line in told.err.splitlines()] == [
        "mine",
        "torn",
        "vista",
    ]
    for name in ("mine", "torn", "vista"):
        for words in (["eval", "task=pope", f"method={name}"], ["show", f"method={name}"], ["check", f"method={name}"]):
            assert main(words) == 2
            err = capsys.readouterr().err
            assert f"{tmp_path}/{name}.yaml" in err and err.count("\n") == 1


def test_the_last_source_of_a_name_counts(tmp_path):
    for folder, text in (("bad", "kind: thing"), ("good", "kind: pipeline")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "vista.yaml").write_text(f"_target_: mine.Mine\n{text}\n")
    bad, good = tmp_path / "bad", tmp_path / "good"
    assert Registry([bad, good]).get("method", "vista").target == "mine.Mine"
    with pytest.raises(UsageError, match="kind must be"):
        Registry([good, bad]).get("method", "vista")

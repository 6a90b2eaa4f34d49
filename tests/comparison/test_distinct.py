"""What tells runs apart, in the fewest words."""

from __future__ import annotations

from harness.comparison.compare import labels
from harness.comparison.distinct import by_label, distinct, phrases
from harness.runs.record import RunRecord, Status


def record(method="vista", config=None, identity=None, **facts):
    config = {"method": {method: {"_target_": "x", "lam": 0.05}}, "seed": 0, "batch_size": 4} | (config or {})
    own = {"status": Status.DONE, "task": "pope", "model": "tiny-llava", "method": method, "methods": [method]}
    return RunRecord(**own, config=config, identity=identity or {}, **facts)


class Run:
    def __init__(self, name, record):
        self.name, self.record = name, record


def test_settings_that_differ_are_named_and_no_other():
    one, two = (
        record(),
        record(config={"method": {"vista": {"_target_": "y", "lam": 0.1}}, "batch_size": 9, "debug": True}),
    )
    assert distinct([one, two]) == [{"method.vista.lam": "0.05"}, {"method.vista.lam": "0.1"}]
    assert by_label([one, two]) == ["lam=0.05", "lam=0.1"] and by_label([one]) == [""]
    assert by_label([one, one, record(method="vcd", config={"method": {"vcd": {"lam": 9}}})]) == ["", "", ""]


def test_a_setting_that_came_later_was_unset():
    assert by_label([record(), record(config={"system": "hi", "offset": 0})]) == ["", "system=hi"]
    assert by_label([record(), record(config={"system": None, "fewshot": 0, "ids": None})]) == ["", ""]


def test_what_no_setting_shows_is_told_by_its_digest():
    old = {"code": "a" * 64, "packages": {"torch": "2.12"}, "model": {"fingerprint": "m" * 64}}
    new = old | {"code": "b" * 64, "packages": {"torch": "2.13"}}
    assert by_label([record(identity=old), record(identity=new)]) == [
        "code=aaaaaaa, torch=2.12",
        "code=bbbbbbb, torch=2.13",
    ]
    retrained = old | {"model": {"fingerprint": "n" * 64}}
    assert by_label([record(identity=old), record(identity=retrained)]) == ["weights=mmmmmmm", "weights=nnnnnnn"]
    other = record(identity=retrained, config={"model": {"dtype": "bfloat16"}})
    assert by_label([record(identity=old, config={"model": {"dtype": "float32"}}), other]) == [
        "dtype=float32", "dtype=bfloat16",
    ]  # fmt: skip


def test_keys_that_end_alike_are_whole():
    made = [{"method.vcd.alpha": "1", "method.pai.alpha": "2", "seed": "3"}]
    assert phrases(made) == ["method.vcd.alpha=1, method.pai.alpha=2, seed=3"]


def test_labels_beside_each_other():
    vista = Run("a", record())
    assert labels(vista, Run("b", record(method="vanilla", config={"method": {"vanilla": {}}}))) == ("vista", "vanilla")
    stronger = Run("b", record(config={"method": {"vista": {"lam": 0.1}}}))
    assert labels(vista, stronger) == ("vista, lam=0.05", "vista, lam=0.1")
    assert labels(vista, Run("b", record(config={"limit": 18}))) == ("vista", "vista, limit=18")
    assert labels(vista, Run("b", record())) == ("a", "b")

"""Tables in 60, 80 and 200 columns and in a pipe: no value is cut, and metrics keep their names."""

from __future__ import annotations

import io

import pytest

from harness.core.types import Metric
from harness.loggers.tables import Terminal, metrics_table, plain_interval
from harness.runs.record import RunRecord, Status

RECORD = RunRecord(status=Status.DONE, task="pope", model="tiny-llava", method="vista", cluster="image")
SPLITS = ("random", "popular", "adversarial", "mean")
NAMES = ("accuracy", "precision", "recall", "f1", "yes_ratio")


def metrics(names, groups):
    values = iter(range(1, 999))
    made = []
    for group in groups:
        for name in names:
            value = next(values) / 1000
            made.append(Metric(name, value, group, 0.1, value / 2, value * 2, primary=name == names[0]))
    return made


def printed(found, width, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    out = io.StringIO()
    Terminal(file=out, width=width or 10_000, highlight=False).print(metrics_table(RECORD, found))
    assert "\x1b" not in out.getvalue()
    return out.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 200, None])
@pytest.mark.parametrize(
    ("names", "groups"),
    [
        (NAMES, SPLITS),
        (("accuracy", "unparsed", "failed"), [f"2d_text_instruct_{i}_vsim" for i in range(14)]),
        (("a metric with quite a long name, such as other tools give them", "b"), ("a group with a name",)),
    ],
)
def test_every_value_is_whole_and_every_name_is_there(names, groups, width, monkeypatch):
    found = metrics(names, groups)
    out = printed(found, width, monkeypatch)
    lines = out.splitlines()
    assert all(plain_interval(m.value, m.low, m.high) in out for m in found)
    assert width is None or max(map(len, lines)) <= width
    bare = "".join(c for c in out if c.isalnum())
    assert width == 40 or all("".join(c for c in name if c.isalnum()) in bare for name in groups)
    if len(max(names, key=len)) < 20:
        assert all(name in out for name in names)
    if width is None:
        assert sum("┏" in line for line in lines) == 1


def test_groups_are_stacked_in_equal_parts(monkeypatch):
    """Two and two in 80 columns, not three and one; each part has all metrics."""
    out = printed(metrics(NAMES, SPLITS), 80, monkeypatch)
    heads = [line for line in out.splitlines() if "metric" in line]
    assert [sum(s in head for s in SPLITS) for head in heads] == [2, 2]
    assert all(out.count(name) == 2 for name in NAMES)


def test_rows_without_a_value_are_left_out_of_a_part(monkeypatch):
    """A metric of all samples beside one of many groups."""
    groups = [f"length {i}" for i in range(8)]
    found = [*metrics(("match",), ["all", *groups]), Metric("new_tokens", 46.467, "all", 1.0, 35.683, 57.25)]
    out = printed(found, 50, monkeypatch)
    assert out.count("length 3") == 1 and "46.467 [35.683, 57.250]" in out


def test_the_heat_map_is_stacked_too(monkeypatch):
    cells = [Metric("cell", 0.25, f"{a}k x {b}") for a in range(12) for b in range(3)]
    out = printed([Metric("match", 0.5, primary=True), *cells], 60, monkeypatch)
    assert (
        out.count("0.25") == 36 and max(map(len, out.splitlines())) <= 60 and all(f" {a}k " in out for a in range(12))
    )

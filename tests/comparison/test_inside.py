"""Readings of a run summed up: means where they are defined, bands over clusters, no mean of maps."""

from __future__ import annotations

import numpy as np
import pytest

from harness.comparison.inside import Summary, titled
from harness.comparison.inside import summaries as summaries_of
from harness.core.readings import Reading
from harness.core.types import Outcome, Result
from harness.runs.columns import columns
from harness.runs.readings import Recorder, chosen
from harness.stats import mean

CLUSTERS = {f"s{i}": f"c{i // 2}" for i in range(40)}


@pytest.fixture
def summaries(tmp_path):
    """Of readings by sample, written and read."""

    def of(rows: dict[str, dict[str, Reading]], probe: str | None = None) -> list[Summary]:
        recorder = Recorder(tmp_path, chosen(rows, len(rows)))
        for id_, one in rows.items():
            recorder.take([Result(id_, "c", "g", "t", Outcome("yes", {}), readings=one)], probing=True)
        recorder.finish(rows)
        found = columns(tmp_path, {s: i for i, s in enumerate(CLUSTERS)})
        return summaries_of(found, np.array(list(CLUSTERS.values()), object), probe)

    return of


def test_curves_have_the_clustered_interval_of_each_layer(summaries):
    rng = np.random.default_rng(0)
    values = {s: rng.normal(size=3) for s in CLUSTERS}
    values["s0"][1] = np.nan
    (found,) = summaries({s: {"p.of_layers": Reading(v, ("layer",))} for s, v in values.items()})
    assert (found.probe, found.title, found.axes, found.n) == ("p", "of", ("layer",), 40)
    assert found.low is not None and found.high is not None
    for l in range(3):
        of = [(float(np.float32(v[l])), CLUSTERS[s]) for s, v in values.items() if np.isfinite(v[l])]
        wanted = mean([v for v, _ in of], [c for _, c in of], False, (-np.inf, np.inf))
        assert [found.mean[l], found.low[l], found.high[l]] == pytest.approx([wanted.value, wanted.low, wanted.high])


def test_few_clusters_have_no_band_and_undefined_layers_no_mean(summaries):
    rows = {s: {"p.x": Reading([1.0, np.nan], ("layer",))} for s in ("s0", "s1")}
    (found,) = summaries(rows)
    assert found.mean[0] == 1 and np.isnan(found.mean[1]) and np.isnan(np.array(found.low, float)).all()


def test_heads_are_averaged_steps_are_a_curve_and_maps_are_left_out(summaries):
    heads = np.arange(6.0).reshape(2, 3)
    rows = {
        f"s{i}": {
            "p.heads": Reading(heads + i, ("layer", "head")),
            "p.steps": Reading(np.arange(2.0 + i), ("step",)),
            "p.map": Reading(np.eye(3), ("row", "column")),
            "p.few": Reading([1.0, 2.0 + i], ("unit",)),
            "q.n": Reading(float(i)),
        }
        for i in range(2)
    }
    by = {s.name: s for s in summaries(rows)}
    assert list(by) == ["p.heads", "p.steps", "p.few", "q.n"]
    np.testing.assert_allclose(by["p.heads"].mean, heads + 0.5)
    assert by["p.heads"].low is None and by["p.steps"].axes == ("step",)
    np.testing.assert_allclose(by["p.steps"].mean, [0, 1, 2])
    assert by["p.few"].axes == ("unit",) and by["p.few"].units == "1, 2.5" and by["p.few"].low is None
    assert [s.name for s in summaries(rows, "q")] == ["q.n"]


def test_an_interval_ends_where_values_do(summaries):
    """Of a count that is mostly none, and of a share that is nearly one."""
    rows = {
        s: {
            "p.count": Reading(20.0 * (i == 0), within=(0.0, np.inf)),
            "p.share": Reading(float(i > 0), within=(0.0, 1.0)),
            "p.free": Reading(20.0 * (i == 0)),
            "p.curve_layers": Reading([1.0 * (i == 0)], ("layer",), within=(0.0, np.inf)),
        }
        for i, s in enumerate(CLUSTERS)
    }
    found = {s.title: s for s in summaries(rows)}
    assert found["count"].low == 0 and found["share"].high == 1 and found["curve"].low == [0]
    assert found["free"].low is not None and found["free"].low < 0


def test_titles_do_not_repeat_the_axes():
    assert [titled(f"p.{n}") for n in ("image_layers", "image_heads", "image_first", "image_steps")] == [
        "image",
        "image",
        "image first",
        "image",
    ]

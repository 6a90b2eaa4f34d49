"""A small grid over a method's numbers, played on calibration data, and the preset that comes of it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.comparison.pairing import judged, pair
from harness.core.errors import DONE, HarnessError, UsageError
from harness.core.types import Metric
from harness.engine.evaluate import evaluate
from harness.engine.listener import Listener
from harness.engine.plan import compose
from harness.plugins.plugin import Plugin
from harness.runs.stored import StoredRun, find

LARGEST = 200
"""Points of a grid."""


def grid_of(plugin: Plugin, words: Sequence[str]) -> dict[str, list[str]]:
    """Setting -> its values as text: what the command line lists, else `tune:` of the method's YAML; and what the
    command line sets besides, as the only value, because the preset needs it.

    Raises UsageError where there is nothing to choose from, or far too much.
    """
    prefix = f"method.{plugin.name}."
    given = {k: v.split(",") for k, _, v in (w.partition("=") for w in words) if k.startswith(prefix)}
    own = {f"{prefix}{k}": [_text(v) for v in values] for k, values in (plugin.raw.get("tune") or {}).items()}
    grid = given if any(len(v) > 1 for v in given.values()) else own and own | given
    if not grid:
        why = f" ({plugin.untuned.rstrip('.')})" if plugin.untuned else ""
        raise UsageError(f"method={plugin.name} has no grid{why}: list values, for example {prefix}KEY=0.1,0.2")
    for key in grid:
        if key.removeprefix(prefix) not in plugin.defaults:
            raise UsageError(f"unknown setting {key}: {plugin.name} has {', '.join(plugin.defaults)}")
    if (size := math.prod(len(v) for v in grid.values())) > LARGEST:
        raise UsageError(f"the grid has {size} points: list fewer values, {LARGEST} points at most")
    return grid


class Tuning:
    """Collects the runs of a grid. `play` is the job of each; `watch` makes the listener of a point from its name."""

    def __init__(self, plugin: Plugin, grid: Mapping[str, Sequence[str]], watch: Callable[[str], Listener]):
        self.plugin, self.watch = plugin, watch
        self.names = [key.rsplit(".", 1)[1] for key in grid]
        self.runs: list[tuple[dict[str, Any], StoredRun]] = []
        self.base: StoredRun | None = None

    def play(self, config: dict[str, Any]) -> int:
        made = compose(config)
        values = config["method"].get(self.plugin.name, {})
        name = " ".join([made.label, *(f"{k}={_text(values[k])}" for k in self.names if k in values)])
        code = evaluate(config, self.watch(name))
        if code != DONE:
            return code
        run = find(made.directory.path.parent.parent, made.directory.name)
        if not made.methods:
            self.base = run
        else:
            self.runs.append(({name: values[name] for name in self.names}, run))
        return code

    @property
    def vanilla(self) -> Metric:
        assert self.base is not None
        return _primary(self.base)

    @property
    def metric(self) -> str:
        return self.vanilla.name

    @property
    def where(self) -> str:
        assert self.base is not None
        record = self.base.record
        return f"{record.task}/{record.data} with {record.model}"

    def rows(self) -> Iterator[tuple[dict[str, Any], float, Any]]:
        """Each point: its values, its primary metric, and the paired difference of what it is made of to vanilla's."""
        assert self.base is not None
        for values, run in self.runs:
            pairs = pair(self.base, run)
            yield values, _primary(run).value, pairs.difference(judged(self.base, pairs.names))

    def best(self) -> dict[str, Any]:
        """The preset of the best point; of equals the first. One that cannot be held against vanilla, such as captions
        that mention nothing, is chosen only where no other can."""
        if not self.runs or self.base is None:
            raise HarnessError("no point was run, so there is nothing to choose from")
        sign = -1 if self.vanilla.higher_is_better is False else 1
        rows = list(self.rows())
        values, value, d = max(rows, key=lambda row: (not math.isnan(row[2].value), sign * row[1]))
        record = self.base.record
        source = (
            f"harness tune on {record.task}/{record.data} ({record.counts.done} samples, seed {record.seed}, "
            f"{len(rows)} points): {self.metric} {value:.3f}, vanilla {self.vanilla.value:.3f}, "
            f"difference {d.value:+.3f} {_interval(d.low, d.high)}"
        )
        return {
            "model": record.config["model"].get("family") or record.model,
            "task": record.task,
            "values": values,
            "source": source,
        }


def write_preset(plugin: Plugin, preset: Mapping[str, Any]) -> None:
    """Put the preset into the method's YAML, instead of an earlier one by `harness tune` for this model and task.

    The file is edited as text, so that its comments stay. Raises UsageError if it cannot be written.
    """
    values = ", ".join(f"{k}: {_text(v)}" for k, v in preset["values"].items())
    scope = f"model: {preset['model']}, task: {preset['task']}"
    line = f"  - {{{scope}, values: {{{values}}}, source: {json.dumps(preset['source'])}}}\n"
    text = plugin.path.read_text(encoding="utf-8")
    text = re.sub(rf"(?m)^  - \{{{re.escape(scope)}, .*source: \"harness tune .*\n", "", text)
    text = re.sub(r"(?m)^presets: \[\]\s*$", "presets:", text)
    if not re.search(r"(?m)^presets:\s*$", text):
        text = text.rstrip("\n") + "\npresets:\n"
    text = re.sub(r"(?m)^presets:[ \t]*\n?", lambda _: "presets:\n" + line, text, count=1)
    try:
        fresh = Path(f"{plugin.path}.new")
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(plugin.path)
    except OSError as e:
        raise UsageError(f"{plugin.path} cannot be written ({e.strerror}): add this preset yourself: {line}") from e


def _interval(low: float | None, high: float | None) -> str:
    return "(too few clusters for an interval)" if low is None or high is None else f"[{low:.3f}, {high:.3f}]"


def _primary(run: StoredRun) -> Metric:
    if run.primary is None:
        raise HarnessError(f"{run.name} has no primary metric: see harness show {run.name}")
    return run.primary


def _text(value: Any) -> str:
    """As Hydra and YAML write it; YAML reads 1e-05 as a text, and 1.0e-05 as a number."""
    if isinstance(value, float):
        return re.sub(r"^(-?\d+)e", r"\1.0e", str(value))
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)

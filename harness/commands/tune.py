"""harness tune: choose a method's numbers on the calibration split, and write them down as a preset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from harness.commands.words import say, share_cores
from harness.config.heading import heading
from harness.config.parser import Parser, add_settings
from harness.core.errors import UsageError
from harness.core.score import primary
from harness.core.types import Metric, Result, Sample
from harness.runs.record import RunRecord

HELP = "choose a method's numbers on the calibration split, and write them down as a preset"
USAGE = "harness tune method=NAME task=NAME [model=NAME] [method.NAME.KEY=A,B,C ...] [--dry]"
EXAMPLES = """examples:
  harness tune method=vista task=pope                              the grid in the method's YAML (tune:)
  harness tune method=vista task=pope method.vista.lam=0.02,0.05   a grid of your own
  harness tune method=vista task=pope model=llava-1.5-7b task.data=local task.root=DIR

Runs every point on task.data=calibration, whose records no evaluation uses, beside vanilla. The best by the task's
primary metric (of equals the first) becomes a preset in the method's YAML, with the figures it rests on; --dry
prints it only. Other data by task.data= must not be what you report on."""


def add_arguments(parser: Parser) -> None:
    parser.usage, parser.epilog = USAGE, EXAMPLES
    add_settings(parser)
    parser.add_argument("--dry", action="store_true", help="print the preset, write nothing")


def run(given: Any) -> int:
    share_cores()
    from harness.config.compose import Asked, asked, check_names, plugin_folders, run
    from harness.plugins.registry import Registry

    words = asked(given).words
    name = next((w.partition("=")[2] for w in words if w.startswith("method=")), "")
    if not name or "," in name or name.startswith("["):
        raise UsageError("harness tune: name one method, for example method=vista")

    registry = Registry(plugin_folders(words))
    check_names(words, registry)
    plugin = registry.get("method", name)
    say(f"tune: {heading(words, registry)[0]}")

    from harness.engine.tuning import Tuning, grid_of, write_preset

    grid = grid_of(plugin, words)
    data = [] if any(w.startswith("task.data=") for w in words) else ["task.data=calibration"]
    named = {w.partition("=")[0] for w in words}
    points = [f"{key}={','.join(map(str, values))}" for key, values in grid.items() if key not in named]
    rest = [w for w in words if not w.startswith("method")]
    tuning = Tuning(plugin, grid, _Point)
    more = [*data, "logger=quiet"]
    for point in (Asked([*rest, "method=vanilla", *more]), Asked([*words, *points, *more], sweep=True)):
        if code := run(point, tuning.play):
            return code
    preset = tuning.best()
    _print(tuning, preset)
    if not given.dry:
        write_preset(plugin, preset)
        say(f"written to {plugin.path}")
    return 0


def _print(tuning: Any, preset: dict[str, Any]) -> None:
    from harness.loggers.tables import Stacked, number, plain_interval, terminal, text

    heads = (*tuning.names, tuning.metric, "against vanilla", "")
    rows = [
        (
            *values.values(),
            number(value),
            plain_interval(d.value, d.low, d.high),
            ("", "chosen")[values == preset["values"]],
        )
        for values, value, d in tuning.rows()
    ]
    cells = [(head, [text(row[i]) for row in rows]) for i, head in enumerate(heads)]
    say(f"{tuning.plugin.name} on {tuning.where}")
    terminal().print(Stacked("point", [str(i) for i, _ in enumerate(rows, 1)], cells))
    say(f"vanilla: {number(tuning.vanilla.value)}")


class _Point:
    """Watches one point: a line when it is done."""

    def __init__(self, name: str):
        self.name = name

    def started(self, record: RunRecord, samples: Sequence[Sample], finished: Sequence[Result]) -> None: ...

    def progress(self, results: list[Result], score: Callable[[], Metric | None]) -> None: ...

    def say(self, message: str) -> None:
        say(f"{self.name}: {message}")

    def ended(self, record: RunRecord, metrics: list[Metric], *, from_store: bool) -> None:
        best = primary(metrics)
        say(f"{self.name}: {f'{best.name} {best.value:.3f}' if best else record.status}")

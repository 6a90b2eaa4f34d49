"""W&B beside the console: configuration, metrics with intervals, a bounded table of samples, an alert on error rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from harness.core.errors import HarnessError, Missing, first_line
from harness.core.picture import Picture
from harness.core.score import Score, judged, occurring
from harness.core.secrets import clean
from harness.core.types import Metric, Result, Sample
from harness.loggers.console import Console
from harness.records import shown
from harness.runs.record import RunRecord, Status

STEPS = 50
"""Most points of the running score."""


class WeightsAndBiases:
    """Hands everything on to the console; a fault of W&B is reported once, and then nothing more is sent.

    Raises Missing where wandb is not installed, before anything is played.
    """

    def __init__(self, console: Console, config: dict[str, Any]):
        if find_spec("wandb") is None:
            raise Missing("logger=wandb needs wandb: pip install 'harness[wandb]', or leave logger= out")
        self.console, self.config, self.settings = console, config, config["logger"]
        self.samples: dict[str, Sample] = {}
        self.results: dict[str, Result] = {}
        self._run: Any = None
        self._broken = False
        self._every, self._logged = 1, 0

    def started(self, record: RunRecord, samples: Sequence[Sample], finished: Sequence[Result]) -> None:
        self.console.started(record, samples, finished)
        self.samples = {s.id: s for s in samples}
        self.results = {r.id: r for r in finished}
        self._every = max(1, len(samples) // STEPS)
        self._safely(lambda: self._begin(record))

    def progress(self, results: list[Result], score: Callable[[], Metric | None]) -> None:
        self.console.progress(results, score)
        self.results.update((r.id, r) for r in results)
        if self._run is not None and len(self.results) >= self._logged + self._every:
            self._logged = len(self.results)
            self._safely(lambda: self._point(score()))

    def say(self, message: str) -> None:
        self.console.say(message)

    def ended(self, record: RunRecord, metrics: list[Metric], *, from_store: bool) -> None:
        self.console.ended(record, metrics, from_store=from_store)
        if from_store:
            self._safely(lambda: self._begin(record))
        self._safely(lambda: self._finish(record, metrics))

    def _safely(self, work: Callable[[], None]) -> None:
        if self._broken:
            return
        try:
            work()
        except Exception as e:
            self._broken = True
            said = first_line(e)
            self.console.say(f"W&B: {type(e).__name__}: {said}; the run continues without it")

    def _begin(self, record: RunRecord) -> None:
        import wandb

        s = self.settings
        facts = ("task", "data", "method", "model", "model_fingerprint", "decoding", "seed", "limit", "command")
        self._run = wandb.init(
            dir=str(Path.cwd()),  # wandb would remember the folder of the process's first run
            project=s["project"],
            entity=s["entity"],
            mode=s["mode"],
            name=record.run,
            group=f"{record.task}-{record.data}",
            job_type="eval",
            tags=[record.task, record.method, record.model, *s["tags"]],
            config=clean({"settings": self.config, **{k: getattr(record, k) for k in facts}}),
            settings=wandb.Settings(
                silent=True,
                console="off",
                disable_git=True,
                x_disable_stats=True,
                x_disable_meta=True,  # the words of the command, with whatever is in them
            ),
        )

    def _point(self, metric: Metric | None) -> None:
        point: dict[str, Any] = {"samples": len(self.results)}
        if metric is not None:
            point[f"running/{metric.name}"] = metric.value
        self._run.log(point, step=len(self.results))

    def _finish(self, record: RunRecord, metrics: list[Metric]) -> None:
        import wandb

        run = self._run
        columns: list[Any] = ["metric", "group", "value", "low", "high", "stderr", "n", "clusters", "note"]
        rows: list[Any] = [
            [m.name, m.group, m.value, m.low, m.high, m.stderr, m.n, m.clusters, m.note] for m in metrics
        ]
        log: dict[str, Any] = {"metrics": wandb.Table(columns=columns, data=rows)}
        if self.results:
            log["samples"] = self._table(judged(record.scores, metrics, occurring(self.results.values())))
        run.log(log)
        for m in metrics:
            name = m.name if m.group == "all" else f"{m.group}/{m.name}"
            run.summary[name] = m.value
            if m.low is not None:
                run.summary[f"{name}/low"], run.summary[f"{name}/high"] = m.low, m.high
        run.summary["status"] = record.status.value
        if self.settings["site"]:
            run.summary["site"] = f"{str(self.settings['site']).rstrip('/')}/run/{record.run}.html"
        if errors := record.counts.errors:
            done = record.counts.done
            run.alert(f"{record.run}: {errors} error rows", f"{errors} of {done} samples ended in an error row")
        run.finish(exit_code=0 if record.status == Status.DONE else 1)

    def _table(self, score: Score) -> Any:
        """Error rows, then wrong answers, then the others; the first ones with their pictures."""
        import wandb

        columns: list[Any] = [
            "sample",
            "group",
            "picture",
            "question",
            "answer",
            "verdict",
            "target",
            "scores",
            "error",
        ]
        table = wandb.Table(columns=columns)
        left = int(self.settings["pictures"])
        for r in islice(
            sorted(self.results.values(), key=lambda r: _interest(r, score)), int(self.settings["samples"])
        ):
            outcome = r.outcome
            picture = _sheet(shown(self.samples[r.id].data)[:4]) if left > 0 and r.id in self.samples else None
            left -= picture is not None
            table.add_data(
                r.id,
                r.group,
                picture,
                str(outcome.details.get("question", ""))[:2000] if outcome else "",
                outcome.answer[:4000] if outcome else "",
                outcome.verdict if outcome else "",
                str(r.target)[:500],
                ", ".join(f"{k} {v:g}" for k, v in outcome.scores.items()) if outcome else "",
                r.error["message"] if r.error else "",
            )
        return table


def _interest(result: Result, score: Score) -> tuple[int, str]:
    """Errors first, then what the judged score calls wrong."""
    if result.outcome is None:
        return 0, result.id
    return (1 if score.right(result.outcome.scores) is False else 2), result.id


def _sheet(pictures: Sequence[Picture]) -> Any:
    """Side by side, 512 pixels high at most: a table's cell holds one image."""
    import wandb
    from PIL import Image

    try:
        loaded = [p.load() for p in pictures]
    except HarnessError:  # a corrupt picture is an error row of the run already
        return None
    if not loaded:
        return None
    height = min(512, max(p.height for p in loaded))
    scaled = [p.resize((max(1, round(p.width * height / p.height)), height)) for p in loaded]
    sheet = Image.new("RGB", (sum(p.width for p in scaled), height))
    x = 0
    for p in scaled:
        sheet.paste(p, (x, 0))
        x += p.width
    return wandb.Image(sheet)

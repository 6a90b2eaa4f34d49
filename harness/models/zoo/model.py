"""model=zoo: answers requests that carry a series with the model that was trained for it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.core.decoding import Decoding
from harness.core.dress import Dress
from harness.core.errors import Missing, Unusable, UsageError, nearest
from harness.core.method import Method
from harness.core.model import Call, Model, Sent
from harness.core.task import Task
from harness.core.types import Reply
from harness.zoo.mixer import module_of
from harness.zoo.towers import pattern as patterns
from harness.zoo.towers.readouts import READOUTS
from harness.zoo.trained import COMMITTED, Trained, all_of, models

LEARNERS = "harness.zoo.towers.lanes"
LENGTHS = (64, 128, 256, 512, 1024)
"""Lengths whose state sizes are in a run's record."""


class Zoo(Model):
    """One model of the zoo with all courses that it was trained on; `Series.course` chooses among its weights."""

    reads_pictures = False
    reads_series = True
    packages = ("torch",)

    def __init__(
        self,
        name: str,
        family: str | None,
        data: str,
        mixer: str,
        training_seed: int,
        weights: str | None,
        readout: str | None = None,
    ):
        self.family, self.data, self.mixer, self.seed = family, data, mixer, training_seed
        self.readout, self.label = readout, mixer if readout in (None, READOUTS[0]) else f"{mixer}-{readout}"
        self.name = f"{self.label}-{training_seed}" if training_seed else self.label
        self.folder = Path(weights) if weights else COMMITTED
        self.trained = all_of(mixer, training_seed, self.folder)
        self.modules = tuple(sorted({m for t in self.trained.values() for m in modules(t)}))
        self.networks: dict[str, Any] = {}
        self.methods: tuple[Any, ...] = ()
        self.task = ""
        if not self.trained:
            raise self._absent()
        if readout is not None:
            if readout not in READOUTS:
                raise UsageError(f"unknown model.readout: {readout}: choose one of {', '.join(READOUTS)}")
            if not any(t.sees for t in self.trained.values()):
                raise UsageError(f"model.readout={readout} is of towers: model.mixer={mixer} reads series")

    def _absent(self, course: str = "") -> Missing:
        known = models(self.folder)
        if self.mixer not in known:
            where = "" if self.folder == COMMITTED else f" in {self.folder}"
            if not known:
                return Missing(f"there are no weights{where}: harness zoo train mixer={self.mixer} makes some")
            return Missing(f"model.mixer={self.mixer} has no weights{where}: {nearest(self.mixer, known)}")
        asked = f"task={self.task}, with this run's task settings" if self.task else "task=..."
        return Missing(
            f"model.mixer={self.mixer} was not trained with seed {self.seed}{f' on {course}' if course else ''}: "
            f"harness zoo train mixer={self.mixer} seed={self.seed} {asked}"
        )

    @cached_property
    def _digest(self) -> str:
        facts = [f"{course} {t.digest}" for course, t in sorted(self.trained.items())]
        return hashlib.sha256("\n".join(facts).encode()).hexdigest()

    def fingerprint(self) -> str:
        return self._digest

    def bind(self, task: Task) -> None:
        if not task.series:
            raise UsageError(f"task={task.name} asks in words, which model=zoo cannot read: choose another model")
        self.task = task.name

    def admit(self, dress: Dress) -> None:
        raise UsageError("model=zoo reads series, not words: leave system= and fewshot= out")

    def load(self, methods: Sequence[Method]) -> None:
        self.methods = tuple(methods)
        if methods:
            from harness.models.zoo.steered import check

            check(self.methods)

    def sent(self, call: Call, decoding: Decoding) -> list[Sent]:
        """The series as the task words it for people."""
        text = "\n".join(str(part) for m in call.request.messages for part in m.content)
        return [Sent("", text, len(call.request.series.values) if call.request.series else None)]

    def network(self, course: str) -> Any:
        """Loaded when the first series of its course arrives. Raises Missing where it was not trained on it."""
        if course not in self.trained:
            raise self._absent(course)
        if course not in self.networks:
            self.networks[course] = self.trained[course].load()
        return self.networks[course]

    def answer(self, calls: Sequence[Call], decoding: Decoding) -> list[Reply]:
        from harness.zoo.denormals import flushed

        groups: dict[tuple[Any, ...], list[int]] = {}
        for i, call in enumerate(calls):
            series = call.request.series
            if series is None:
                raise UsageError("model=zoo reads series, not words: choose a steering method, or another model")
            groups.setdefault((series.course, series.values.shape), []).append(i)
        replies: list[Reply | None] = [None] * len(calls)
        for (course, _), members in groups.items():
            began = time.perf_counter()
            with flushed():
                texts, measures, readings = self._predict(course, [calls[i].request.series for i in members])
            each = (time.perf_counter() - began) / len(members)
            for i, text, measured, read in zip(members, texts, measures, readings, strict=True):
                series: Any = calls[i].request.series
                replies[i] = Reply(text, len(series.values), len(series.at), each, measures=measured, readings=read)
        return [r for r in replies if r is not None]

    def _predict(
        self, course: str, group: Sequence[Any]
    ) -> tuple[list[str], list[dict[str, float]], list[dict[str, Any]]]:
        """One pass over series of one length: the replies' texts, what methods measured, and what probes read."""
        import numpy as np
        import torch

        from harness.core.series import said

        network = self.network(course)
        values = np.stack([s.values for s in group])
        _check(network.shape, values, course)
        if self.trained[course].sees:
            if self.methods:
                raise UsageError(
                    f"method={self.methods[0].name} edits models of series: model.mixer={self.mixer} is a tower"
                )
            with torch.no_grad():
                told = network.answers(torch.from_numpy(values), self.readout or READOUTS[0])
            return [said(row) for row in told.tolist()], [{}] * len(group), [{}] * len(group)
        measures, readings = [{}] * len(group), [{}] * len(group)
        with torch.no_grad():
            if self.methods:
                from harness.models.zoo.steered import read

                found = read(network, torch.from_numpy(values), self.methods)
                states, measures, readings = found.states, found.measures, found.readings
            else:
                states = network.model(torch.from_numpy(values))
            heard = [network.read(states[i, list(s.at)]) for i, s in enumerate(group)]
        texts = [said((h.argmax(-1) if network.shape.classes else h).tolist()) for h in heard]
        return texts, measures, readings

    def describe(self) -> dict[str, Any]:
        return {"mixer": self.label, "courses": {course: self._about(t) for course, t in self.trained.items()}}

    def _about(self, trained: Trained) -> dict[str, Any]:
        """What a page tells about a model: how it was trained, its learning curve, and what it keeps to read on."""
        if trained.sees:
            return trained.facts
        network, facts = self.network(trained.course), trained.facts
        return {**facts, "state_bytes": {str(n): network.state_bytes(n) for n in LENGTHS}}


def modules(trained: Trained) -> list[str]:
    """Those that hold its mixers, or its pattern, or the learners."""
    if "tower" in trained.shape:
        return [LEARNERS, patterns.module_of("dense")]
    of = patterns.module_of if trained.sees else module_of
    return [of(name) for name, _ in trained.shape["mixers"]]


def _check(shape: Any, values: Any, course: str) -> None:
    """Raises Unusable for a series that the network cannot read."""
    if shape.symbols and (values.ndim != 2 or values.dtype.kind not in "iu"):
        raise Unusable(f"the course {course} has symbols, and this series has vectors")
    if not shape.symbols and (values.ndim != 3 or values.shape[-1] != shape.vectors):
        raise Unusable(f"the course {course} has vectors of {shape.vectors} numbers, and this series has other values")
    if shape.symbols and values.size and not 0 <= int(values.min()) <= int(values.max()) < shape.symbols:
        raise Unusable(f"the course {course} has symbols 0 to {shape.symbols - 1}, and this series has others")

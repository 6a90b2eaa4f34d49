"""A run that is composed but not yet played: its parts and its identity."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Any

from harness.core.dress import Dress
from harness.core.errors import UsageError
from harness.core.files import DIGESTS
from harness.core.method import Method, Pipeline
from harness.core.model import Model
from harness.core.readings import KEEP
from harness.core.task import Task
from harness.engine import artefacts, remembered
from harness.engine.examples import examples, facts
from harness.engine.selection import ids_of, system_of
from harness.judge import Judge, build_judge
from harness.plugins.build import VANILLA, build_decoding, build_methods, build_model, build_task, target
from harness.runs import sources
from harness.runs.directory import RunDir
from harness.runs.identity import code_of_answers, code_of_scores, digest, run_name, versions


@dataclass
class Plan:
    """A run that is composed but not yet played."""

    config: dict[str, Any]
    task: Task
    model: Model
    identity: dict[str, Any]
    code: dict[str, dict[str, str]]
    """The files behind `answers` and `scores`, with their digests."""
    directory: RunDir
    judge: Judge | None = None
    """Who grades the answers once they are journaled."""
    dress: Dress = field(default_factory=Dress)
    """What is put before every question."""

    @property
    def names(self) -> list[str]:
        """Names of the methods."""
        return named(self.config)

    @property
    def label(self) -> str:
        return "+".join(self.names) or VANILLA

    @property
    def keep(self) -> int:
        """Samples of which full arrays of readings are kept."""
        return kept(self.config)

    @property
    def selected(self) -> bool:
        """Whether `ids=` or `offset=` leaves samples out."""
        return "ids" in self.identity or "offset" in self.identity

    @cached_property
    def methods(self) -> list[Method]:
        """Built when they are first asked for: their modules import torch, and a run in the store needs none.

        Raises UsageError where a value is refused, or methods and model do not go together.
        """
        methods = _built(self.config, self.model)
        asking = [m.name for m in methods if isinstance(m, Pipeline)]
        if asking and self.config["decoding"].get("strategy") == "choices":
            raise UsageError(
                f"method={asking[0]} asks questions of its own, whose answers are free text: leave decoding=choices out"
            )
        if self.dress.examples and asking:
            raise UsageError(
                f"method={asking[0]} asks questions of its own, which fewshot= has no examples for: leave one out"
            )
        return methods


def compose(config: dict[str, Any]) -> Plan:
    """Build the parts and the identity of the run; loads no weights, and methods only where they calibrate."""
    config = {**config, "ids": ids_of(config.get("ids")), "system": system_of(config.get("system"))}
    task = build_task(config["task"])
    model = build_model(config["model"])
    decoding = build_decoding(config["decoding"], task)
    model.accept(decoding)
    if task.series and not model.reads_series:
        raise UsageError(
            f"task={task.name} asks for predictions in a series, which model={model.name} cannot read: choose model=zoo"
        )
    model.bind(task)
    judge = build_judge(config.get("judge"))
    if judge:
        judge.accepts(task)
    code = {"answers": code_of_answers(config, model.modules), "scores": code_of_scores(config)}
    asked = task_identity(task, code["scores"])
    how = {
        "model": {"name": model.name, "fingerprint": model.fingerprint()},
        "methods": [_method(name, config, model) for name in named(config)],
        "decoding": decoding.facts(),
        "seed": config["seed"],
        "limit": config["limit"],
        "code": digest(code["answers"]),
        "packages": versions(model.packages),
    }
    if decoding.strategy == "choices":  # no request's key holds them
        how["choices"] = digest({s.id: list(task.choices(s)) for s in task.samples()})
    if config["ids"] is not None:
        how["ids"] = {"count": len(config["ids"]), "digest": digest({"ids": sorted(config["ids"])})}
    if config.get("offset"):
        how["offset"] = config["offset"]
    dress = dressed(config)
    if dress.system:
        how["system"] = dress.system
    if dress.examples:
        how["fewshot"] = {"count": len(dress.examples), "digest": digest({"examples": facts(dress.examples)})}
    if kept(config) != KEEP:
        how["keep"] = kept(config)
    if model.reasoning != "strip":
        how["reasoning"] = model.reasoning
    if config["stop_early"]:
        how["stop_early"] = config["stop_early"]
    # What answers from the task's records depends on all of the task.
    answers = digest(how | ({"task": asked} if model.reads_samples else {}))
    identity = {"task": asked, **how, "answers": answers, **({"judge": judge.identity} if judge else {})}
    DIGESTS.save()
    data = str(config["task"].get("data") or "default")
    name = run_name(task.name, data, "+".join(named(config)) or VANILLA, model.name, digest(identity))
    return Plan(config, task, model, identity, code, RunDir(Path(config["results"]), name), judge, dress)


def dressed(config: dict[str, Any]) -> Dress:
    """What the run puts before each question."""
    system = system_of(config.get("system"))
    return Dress(system or "", examples(config) if config.get("fewshot") else ())


def kept(config: dict[str, Any]) -> int:
    """`probe.keep`, which runs of earlier versions do not name."""
    return (config.get("probe") or {}).get("keep", KEEP)


def named(config: dict[str, Any]) -> list[str]:
    """The methods' names, in order; vanilla is the absence of one."""
    return [name for name in config["method"] if name != VANILLA]


def task_identity(task: Task, code: dict[str, str]) -> dict[str, Any]:
    """What is asked, and how it is scored. `fingerprint` is of records and settings alone."""
    return {"name": task.name, "version": task.version, "fingerprint": task.fingerprint(), "code": digest(code)}


def _built(config: dict[str, Any], model: Model) -> list[Method]:
    methods = build_methods(config["method"])
    sources.pin()
    for method in methods:
        if isinstance(method, Pipeline) and method.captures and not model.captures:
            raise UsageError(f"method={method.name} reads attention, which model={model.name} cannot show")
    return methods


def _method(name: str, config: dict[str, Any], model: Model) -> dict[str, Any]:
    node = config["method"][name]
    found: dict[str, Any] = {"name": name, "values": {k: v for k, v in node.items() if not k.startswith("_")}}
    module = target(node).rpartition(".")[0]
    if any(sources.defines(module, point) for point in ("calibrate", "needs_artefact")):
        needs = partial(_calibration, name, node, model, config["calibration"])
        if key := remembered.calibration(name, node, model, config["calibration"], needs):
            found["calibration"] = key
    return found


def _calibration(name: str, node: dict[str, Any], model: Model, data: str) -> str | None:
    """Digest of what the method's artefact depends on; None where it needs none."""
    (method,) = build_methods({name: node})
    return digest(artefacts.identity(method, model, data)) if artefacts.calibrated(method) else None

"""A run that is composed but not yet played: its parts and its identity."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from harness.core.errors import UsageError
from harness.core.method import Method, Pipeline
from harness.core.model import Model
from harness.core.task import Task
from harness.engine import calibration
from harness.engine.build import VANILLA, build_decoding, build_methods, build_model, build_task
from harness.engine.identity import code_hash, digest, run_name
from harness.engine.rundir import RunDir


@dataclass
class Run:
    """A run that is composed but not yet played."""

    config: dict[str, Any]
    task: Task
    model: Model
    methods: list[Method]
    identity: dict[str, Any]
    directory: RunDir

    @property
    def label(self) -> str:
        return "+".join(m.name for m in self.methods) or VANILLA


def compose(config: dict[str, Any]) -> Run:
    """Build the parts and the identity of the run; loads no weights."""
    task = build_task(config["task"])
    model = build_model(config["model"])
    methods = build_methods(config["method"])
    decoding = build_decoding(config["decoding"], task)
    model.bind(task)
    for method in methods:
        if isinstance(method, Pipeline) and method.captures and not model.captures:
            raise UsageError(f"method={method.name} reads attention, which model={model.name} cannot show")
    identity = {
        "task": {"name": task.name, "version": task.version, "fingerprint": task.fingerprint()},
        "model": {"name": model.name, "fingerprint": model.fingerprint()},
        "methods": [_method(m, model, config) for m in methods],
        "decoding": asdict(decoding),
        "seed": config["seed"],
        "limit": config["limit"],
    }
    if config["stop_early"]:
        identity["stop_early"] = config["stop_early"]
    label = "+".join(m.name for m in methods) or VANILLA
    data = str(config["task"].get("data") or "default")
    name = run_name(task.name, data, label, model.name, digest(identity))
    return Run(config, task, model, methods, identity, RunDir(Path(config["results"]), name))


def _method(method: Method, model: Model, config: dict[str, Any]) -> dict[str, Any]:
    found = {"name": method.name, "code": code_hash(type(method)), "values": _values(config["method"][method.name])}
    if calibration.calibrated(method):
        found["calibration"] = digest(calibration.identity(method, model, config["calibration"]))
    return found


def _values(node: dict[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in node.items() if not k.startswith("_")}

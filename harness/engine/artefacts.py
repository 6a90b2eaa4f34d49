"""Artefacts that some methods need before they can steer a model: made once, stored beside the runs, reused."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harness.core.errors import HarnessError, UsageError
from harness.core.method import Method
from harness.core.model import Model
from harness.core.trials import Trials
from harness.engine.annotated import Data
from harness.runs import sources
from harness.runs.files import write_json
from harness.runs.identity import code_beside_tasks, digest, run_name, versions
from harness.runs.record import now


def calibrated(method: Method) -> bool:
    """Whether the method, with the values it has, needs an artefact."""
    return bool(getattr(method, "needs_artefact", False))


def identity(method: Method, model: Model, data: str) -> dict[str, Any]:
    """What an artefact depends on. Loads no weights."""
    if data == "auto":
        if getattr(model, "data", "") != "embedded":
            raise UsageError(
                f"method={method.name} calibrates itself on annotated pictures of the kind that model={model.name} "
                "was made for: add calibration=FILE, a .jsonl or .parquet file with a row {image, objects} per "
                "picture, or {prompt, answer} per question where the method takes those"
            )
        data = "embedded"
    code = code_beside_tasks([type(method).__module__, type(model).__module__, Data.__module__])
    code |= {k: v for k, v in sources.code([__name__]).items() if k.endswith("/calibration.py")}  # not what it imports
    return {
        "method": method.name,
        "code": digest(code),
        "packages": versions(model.packages),
        "values": {name: getattr(method, name) for name in getattr(method, "calibrated_by", ())},
        "model": model.fingerprint(),
        "data": {"name": data, "fingerprint": Data(data).fingerprint()},
    }


def directory(results: Path, method: Method, model: Model, key: dict[str, Any]) -> Path:
    name = run_name("calibration", Path(key["data"]["name"]).stem, method.name, model.name, digest(key))
    return results / "calibration" / name


def provide(
    methods: Sequence[Method], model: Model, data: str, results: Path, say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Give each method that needs one its artefact, made now if it is not there yet. Returns their records.

    The model must be loaded, with these methods.
    """
    records = []
    for method in methods:
        if calibrated(method):
            key = identity(method, model, data)
            where = directory(results, method, model, key)
            with _locked(where):
                if (record := _use(method, where)) is None:
                    say(f"calibrating {method.name} for {model.name} on {key['data']['name']} (once)")
                    record = _make(method, model, key, where, say)
                records.append(record)
    return records


def _make(method: Any, model: Model, key: dict[str, Any], where: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Calibrates, gives the method its artefact, and returns the record."""
    import time

    from safetensors.torch import save_file

    began = time.monotonic()
    data = Data(key["data"]["name"])
    pictures, questions = data.pictures(), data.questions()
    trials = Trials(where / "trials.jsonl", say)
    tensors = _sound(method, model.calibrate(method, pictures, questions, trials))
    save_file(tensors, str(where / "artefact.safetensors"))
    record = {
        "method": method.name,
        "model": model.name,
        "identity": key,
        "pictures": len(pictures),
        "questions": len(questions),
        "tensors": {name: _shown(tensor) for name, tensor in tensors.items()},
        "seconds": round(time.monotonic() - began, 3),
        "finished": now(),
    }
    write_json(where / "calibration.json", record)  # last: an artefact without it is unfinished
    (where / "trials.jsonl").unlink(missing_ok=True)
    found = _use(method, where)
    assert found is not None, where
    return found


def _sound(method: Method, made: Any) -> dict[str, Any]:
    """Tensors as they are stored. Raises HarnessError for what is none, and for NaN, which would steer every answer."""
    import torch

    for name, value in made.items() if isinstance(made, Mapping) else [("", made)]:
        if not name or not isinstance(value, torch.Tensor):
            what = f"{type(value).__name__} as {name}" if name else type(value).__name__
            raise HarnessError(f"method={method.name}: `calibrate` returned {what}: return tensors by their names")
        if value.isnan().any():
            raise HarnessError(f"method={method.name}: `calibrate` returned NaN in its tensor {name}")
    return {str(name): value.detach().clone().contiguous() for name, value in made.items()}


def _shown(tensor: Any) -> Any:
    """The numbers of a short vector, the shape of anything larger."""
    return [round(x, 4) for x in tensor.tolist()] if tensor.ndim == 1 and len(tensor) <= 64 else list(tensor.shape)


def _use(method: Any, where: Path) -> dict[str, Any] | None:
    """Gives the method its artefact; the record, or None where there is none yet, or a power cut left it cut short."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    record = _record(where)
    try:
        method.artefact = load_file(str(where / "artefact.safetensors")) if record else None
    except (OSError, SafetensorError):
        return None
    return record


def _record(where: Path) -> dict[str, Any] | None:
    try:
        return {"directory": where.name, **json.loads((where / "calibration.json").read_text())}
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def records(results: Path) -> list[dict[str, Any]]:
    """Every finished calibration that can be read, newest first."""
    found = [_record(path.parent) for path in (results / "calibration").glob("*/calibration.json")]
    return sorted((r for r in found if r and "finished" in r), key=lambda r: str(r["finished"]), reverse=True)


@contextmanager
def _locked(where: Path) -> Iterator[None]:
    where.mkdir(parents=True, exist_ok=True)
    with (where / ".lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

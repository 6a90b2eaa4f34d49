"""harness calibrate: make the artefact that a method needs before it can steer a model."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.commands.words import share_cores
from harness.core.errors import UsageError

HELP = """usage: harness calibrate method=NAME [model=NAME] [calibration=FILE] [KEY=VALUE ...]

  harness calibrate method=iri                                    embedded model and pictures
  harness calibrate method=iri model=llava-1.5-7b calibration=coco/pictures.jsonl

calibration=FILE is a .jsonl or .parquet file with a row per picture: image (a path beside the file, or bytes in
Parquet) and objects (the names of what it shows). The artefact goes to results/calibration/ and is kept by method,
code, values, model and data; harness eval reuses it, and makes it by itself where it is missing."""


def main(words: Sequence[str]) -> int:
    if not words or any(w in ("-h", "--help") for w in words):
        print(HELP)
        return 0
    if not any(w.startswith("method=") for w in words):
        raise UsageError("harness calibrate: name a method, for example method=iri")
    from harness.config.compose import run

    share_cores()
    task = [] if any(w.startswith("task=") for w in words) else ["task=pope"]
    return run([*words, *task], job)


def job(config: dict[str, Any]) -> int:
    from harness.core.method import Pipeline
    from harness.engine.artefacts import calibrated, identity, provide
    from harness.plugins.build import build_methods, build_model

    model, methods = build_model(config["model"]), build_methods(config["method"])
    steering = [m for m in methods if not isinstance(m, Pipeline)]
    needing = [m for m in steering if calibrated(m)]
    if not needing:
        names = "+".join(m.name for m in methods) or "vanilla"
        raise UsageError(f"method={names} needs no calibration: harness eval runs it as it is")
    for method in needing:
        identity(method, model, config["calibration"])  # refuses bad data before weights are loaded
    model.load(steering)
    for record in provide(steering, model, config["calibration"], Path(config["results"]), print):
        print(f"{record['directory']}: {record['pictures']} pictures, {record['seconds']} s, {record['finished']}")
        for name, value in record["tensors"].items():
            print(f"  {name}: {json.dumps(value)}")
    return 0

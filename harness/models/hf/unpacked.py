"""GGUF checkpoints, unpacked once: a folder of float32 safetensors in the user's cache, named by the file's hash.

Reading 4-bit weights takes tens of seconds on each start; the unpacked folder is memory-mapped in one.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from harness.core.files import DIGESTS, cache_folder

MANIFEST = "unpacked.json"
"""File name -> SHA-256 of every other file in the folder; written last."""

LARGEST = 2**29
"""Bytes of a GGUF file that is unpacked: its folder is some six times as large."""


def is_small(folder: Path, file: str) -> bool:
    """Whether there is such a file, small enough to be kept unpacked; a larger one is read again on each start."""
    path = folder / file
    return path.is_file() and path.stat().st_size <= LARGEST


def unpacked(folder: Path, file: str) -> Path:
    """The folder that `from_pretrained` reads without `gguf_file`.

    Args:
        folder: Where the GGUF file lies.
        file: Its name.

    Raises:
        OSError, ValueError, ImportError: the file cannot be read, or a package that reads it is missing.
    """
    from transformers import __version__

    source = DIGESTS.of(folder / file)
    release = ".".join(__version__.split(".")[:2])  # its readers make the tokenizer and the configuration
    name = hashlib.sha256(f"{source}\ntransformers {release}".encode()).hexdigest()[:32]
    made = cache_folder() / "unpacked" / name
    if not _whole(made):
        _unpack(folder, file, made)
    return made


def _whole(made: Path) -> bool:
    """Whether every file is there with the bytes that were written."""
    try:
        files = json.loads((made / MANIFEST).read_text())
        whole = all(DIGESTS.of(made / name) == digest for name, digest in files.items())
    except (OSError, ValueError, AttributeError):
        return False
    DIGESTS.save()
    return whole


def _unpack(folder: Path, file: str, made: Path) -> None:
    """Write beside `made`, then rename: a kill at any moment leaves no half of a folder under its name."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    made.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{made.name}.", dir=made.parent))
    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder, gguf_file=file, dtype=torch.float32, trust_remote_code=False
        )
        model.hf_quantizer = model.config.quantization_config = None  # its weights are plain numbers now
        del model.config.quantization_config
        model.save_pretrained(staging)
        AutoTokenizer.from_pretrained(folder, gguf_file=file, trust_remote_code=False).save_pretrained(staging)
        digests = {f.name: DIGESTS.of(f) for f in sorted(staging.iterdir())}
        (staging / MANIFEST).write_text(json.dumps(digests))
        if made.exists():  # not whole
            broken = staging.with_name(f"{staging.name}.broken")
            made.rename(broken)
            shutil.rmtree(broken)
        try:
            staging.rename(made)
        except OSError:
            if not _whole(made):  # else another process was first
                raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)

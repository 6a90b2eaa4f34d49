"""The files of a checkpoint's folder, judged before anything is loaded: a fault is one line that names its file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.core.errors import Missing, UsageError, first_line

POINTER = b"version https://git-lfs.github.com"
PICKLED = "its weights are pickles, which can run code: save them as safetensors, or allow it with model.trust=true"
ADAPTER = "is an adapter, not a model: merge it into its model (merge_and_unload of peft) and save that"
SMALL = 2**20
"""Bytes of a JSON file that is read as a trial."""
OBJECTS = {
    *("config.json", "generation_config.json", "tokenizer_config.json", "tokenizer.json", "special_tokens_map.json"),
    *("processor_config.json", "preprocessor_config.json", "video_preprocessor_config.json", "chat_template.json"),
}
"""Files that hold a JSON object. Others of a checkpoint may hold lists."""
SAYING = "tokenizer_config.json"
PICKLES = (".bin", ".pt", ".pth", ".ckpt")


def snapshot(path: str, revision: str | None) -> Path | None:
    """The folder, or that of a named model in the local hub cache; None where it is not there yet."""
    if Path(path).is_dir():
        return Path(path)
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(path, "config.json", revision=revision)
    return Path(config).parent if isinstance(config, str) else None


def check_files(folder: Path, *, shown: str, gguf: str | None, trust: bool) -> None:
    """Look at the heads and sizes of files; no weights are read.

    Args:
        folder: Holds config.json.
        shown: How messages name the checkpoint.
        gguf: The GGUF file that is to be read instead of safetensors.
        trust: Whether pickles may be read.

    Raises:
        Missing: a file is not there, cut short, not what its name says, or a pointer of Git LFS.
        UsageError: the weights are pickles, and these are not trusted.
    """
    here = f"model.path={shown}"
    for file in sorted(f for f in folder.iterdir() if f.is_file() and not f.name.startswith(".")):
        with file.open("rb") as opened:
            head = opened.read(SMALL)
        if head.startswith(POINTER):
            raise Missing(f"{here}: {file.name} is a pointer of Git LFS, not the file: run git lfs pull there")
        if file.suffix == ".json" and len(head) < SMALL:
            value = _json(here, file.name, head)
            if file.name in OBJECTS and not isinstance(value, dict):
                raise Missing(f"{here}: {file.name} is not a JSON object: download it again")
    if gguf:
        if not (folder / gguf).is_file():
            raise Missing(f"{here} holds no {gguf}, which model.gguf names")
        return
    tensors = sorted(f for f in folder.glob("*.safetensors") if not f.name.startswith("."))
    for file in tensors:
        _check_tensors(here, file)
    for file in _shards(here, folder):
        if not (folder / file).is_file():
            raise Missing(f"{here}: {file} is missing, which model.safetensors.index.json names: download it")
    weights = [f for f in tensors if not f.name.startswith("adapter_")]
    pickles = sorted(
        f.name for f in folder.iterdir() if f.suffix in PICKLES and f.name.startswith(("pytorch", "model"))
    )
    if not weights and pickles and not trust:
        raise UsageError(f"{here}: {pickles[0]}: {PICKLED}")
    if not weights and not pickles:
        if (folder / "adapter_config.json").is_file():
            raise Missing(f"{here} {ADAPTER}")
        raise Missing(f"{here} holds no weights: model.safetensors is missing")


def unsaid(folder: Path, gguf: str | None) -> str:
    """A remark where a user's folder lacks a file without which it loads, but may be asked otherwise than it was
    trained; else "". Not an error: some old tokenizers never had it. GGUF files hold what it says."""
    if gguf or not folder.is_dir() or (folder / SAYING).is_file():
        return ""
    return (
        f"model.path={folder} holds no {SAYING}, which says what prompts begin with: copy it from the model that it "
        "was made from, if that has one"
    )


def _json(here: str, name: str, text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as e:
        raise Missing(f"{here}: {name} is not JSON, or is truncated ({first_line(e)}): download it again") from None


def _check_tensors(here: str, file: Path) -> None:
    """Raises Missing where a safetensors file is not one, or shorter than its header says."""
    size = file.stat().st_size
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(8), "little")
        head = opened.read(length) if length < size else b""
    try:
        tensors: dict[str, Any] = json.loads(head)
        end = max((t["data_offsets"][1] for n, t in tensors.items() if n != "__metadata__"), default=0)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError):
        raise Missing(f"{here}: {file.name} is not a safetensors file, or is truncated: download it again") from None
    if size != (whole := 8 + length + end):
        raise Missing(f"{here}: {file.name} has {size:,} bytes of {whole:,}: download it again")


def _shards(here: str, folder: Path) -> Iterator[str]:
    """Files that the index names."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        try:
            yield from sorted(set(_json(here, index.name, index.read_bytes())["weight_map"].values()))
        except (KeyError, TypeError, AttributeError):
            raise Missing(f"{here}: {index.name} holds no weight_map: download it again") from None

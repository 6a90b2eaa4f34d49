"""What identifies a Hugging Face checkpoint, found without loading it (and without importing torch)."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from harness.core.errors import Missing, UsageError, first_line
from harness.core.files import DIGESTS
from harness.models.hf.files import ADAPTER

UNREAD = {
    *(".md", ".rst", ".html", ".pdf", ".png", ".jpg", ".jpeg", ".gif", ".webp", ".svg", ".mp4", ".lock", ".log"),
    *(".onnx", ".msgpack", ".h5", ".ot", ".tflite", ".mlmodel"),
}
"""Suffixes of what lies in a checkpoint's folder and is not read by transformers: prose and other programs' weights."""
TEXTS = {".json", ".txt", ".model", ".jinja", ".py", ".tiktoken", ".vocab"}
"""Suffixes that count in folders below it: tokenizers of processors, further chat templates, code."""


def checkpoint_digest(path: str, revision: str | None) -> str:
    """SHA-256 over a local checkpoint's files, or the hub commit of a named one.

    Raises Missing if the path is neither a folder nor a model that the hub or its local cache knows.
    """
    folder = Path(path)
    if folder.is_dir():
        files = sorted(_read(folder))
        if not any(f.name == "config.json" or f.suffix == ".gguf" for f in files):
            adapter = (folder / "adapter_config.json").is_file()
            fix = ADAPTER if adapter else "holds no config.json: give the folder of a saved model"
            raise UsageError(f"model.path={path} {fix}")
        total = hashlib.sha256()
        for file in files:
            total.update(f"{file.relative_to(folder).as_posix()}\0{file.stat().st_size}\0".encode())
            total.update(bytes.fromhex(DIGESTS.of(file)))
        return total.hexdigest()
    if path.startswith((".", "/", "~")) or path.count("/") != 1:
        raise Missing(f"model.path={path} is neither a folder nor a hub name of the form owner/name")
    return _hub_commit(path, revision)


def _read(folder: Path) -> Iterator[Path]:
    """The files of a checkpoint that can change what the model does: weights, configurations, tokenizers, templates
    and code. Folders of a training's own (checkpoint-500) are other models."""
    for path in folder.iterdir():
        if path.name.startswith((".", "__", "LICENSE", "checkpoint-")):
            continue
        if path.is_file() and path.suffix.lower() not in UNREAD:
            yield path
        elif path.is_dir():
            yield from (f for f in _read(path) if f.suffix in TEXTS)


def _hub_commit(name: str, revision: str | None) -> str:
    from huggingface_hub import HfApi, try_to_load_from_cache

    cached = try_to_load_from_cache(name, "config.json", revision=revision)
    if isinstance(cached, str):
        return Path(cached).parent.name
    if os.environ.get("HF_HUB_OFFLINE") not in (None, "", "0"):
        raise Missing(f"model {name} is not in the local hub cache, and HF_HUB_OFFLINE is set: download it first")
    try:
        sha = HfApi().model_info(name, revision=revision, timeout=20).sha
    except Exception as e:
        raise Missing(
            f"model {name} cannot be found on the Hugging Face hub ({first_line(e, 160)}): check the name and the "
            "network, or give a local folder by model.path=DIR"
        ) from e
    return str(sha)


def locate(path: str) -> str:
    """A path or hub name as it is; `package:NAME` is the folder of an installed package that ships weights.

    Raises Missing if the package is not installed.
    """
    import importlib.util

    kind, _, name = path.partition(":")
    if kind != "package":
        return path
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        from harness.plugins.registry import Registry

        models = Registry().models.values()
        owners = (m.name for m in models if m.raw.get("path") == path and m.card.get("package"))
        fix = next((f"harness fetch {owner}" for owner in owners), f"pip install {name}")
        raise Missing(f"the package {name} is not installed: {fix}, or choose another model")
    return str(Path(spec.origin).parent)


def best_device() -> str:
    """cuda where a GPU and a CUDA build of torch are at hand, else mps on Apple silicon, else cpu; no torch import."""
    import importlib.util
    import platform

    spec = importlib.util.find_spec("torch")
    version = Path(spec.origin).parent / "version.py" if spec and spec.origin else None
    built_for_cuda = bool(version and version.exists() and "cuda: Optional[str] = '" in version.read_text())
    visible = os.environ.get("CUDA_VISIBLE_DEVICES") not in ("", "-1")
    if built_for_cuda and visible and any(Path(p).exists() for p in ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg")):
        return "cuda"
    return "mps" if platform.system() == "Darwin" and platform.machine() == "arm64" else "cpu"

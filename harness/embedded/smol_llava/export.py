"""A training checkpoint as the delta that ships: float16, with what it belongs to in its metadata."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file

from harness.core.errors import Missing
from harness.embedded.smol_llava.architecture import VISION
from harness.training.loop import CHECKPOINT

PARTS = "parts."


def write(checkpoint: Path, out: Path, gguf: str, vision: dict[str, int] = VISION) -> None:
    """Write a delta, atomically.

    Args:
        checkpoint: Of the joint stage.
        out: The safetensors file.
        gguf: SHA-256 of the language model's file.
        vision: Sizes of the tower.
    """
    modules = torch.load(checkpoint, weights_only=True, map_location="cpu")["modules"]
    kept = {k.removeprefix(PARTS): v for k, v in modules.items() if k.startswith(PARTS) and v.is_floating_point()}
    small = {k: v.to(torch.float16).contiguous() for k, v in kept.items()}
    out.parent.mkdir(parents=True, exist_ok=True)
    temporary = out.with_suffix(".tmp")
    save_file(small, temporary, {"base": gguf, "vision": json.dumps(vision)})
    temporary.chmod(0o644)  # safetensors writes 0600
    temporary.replace(out)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the `export` command."""
    parser.add_argument("--out", type=Path, required=True, help="the folder of `train`")
    parser.add_argument("--delta", type=Path, required=True, help="the safetensors file to write")


def command(args: argparse.Namespace, gguf: str) -> int:
    """Write the delta of a training run's last checkpoint."""
    checkpoint = args.out / f"joint.{CHECKPOINT}"
    if not checkpoint.is_file():
        raise Missing(f"{checkpoint} is not there: the joint stage has not been reached")
    write(checkpoint, args.delta, gguf)
    print(f"{args.delta}: {args.delta.stat().st_size:,} bytes; harness eval model=smol-llava model.delta={args.delta}")
    return 0

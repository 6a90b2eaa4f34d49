"""A checkpoint of 18 million random parameters, ten times tiny-llava, for the benchmarks."""

from __future__ import annotations

from pathlib import Path


def larger(folder: Path) -> Path:
    """Writes it, with tiny-llava's processor. Its answers are noise: give few tokens."""
    import torch
    from transformers import AutoTokenizer

    from harness.embedded.tiny_llava import WEIGHTS, architecture
    from harness.embedded.tiny_llava.export import processor

    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS)
    torch.manual_seed(0)
    size = architecture.Size(vision_width=320, vision_layers=6, width=384, layers=8, inner=1152)
    architecture.build(size, len(tokenizer)).save_pretrained(folder)
    processor(tokenizer).save_pretrained(folder)
    return folder

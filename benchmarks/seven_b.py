"""POPE on a model of LLaVA-1.5-7B's shape in bfloat16: `python benchmarks/seven_b.py [--methods vista pai]`.

The weights are random, from a seed: time and memory are those of the real model, the answers are noise, so that each
is cut at 16 tokens. 336 pixels, 576 tokens a picture, 32 layers of width 4096, a vision tower of 24 layers of width
1024, 14 GB in all on the disk (`--folder` keeps it). 36 questions about two pictures, in a process of their own, under
vanilla and each method. Look at `free -g` first: the model alone takes 13 GiB. `--layers` and `--width` make it less.
With `--device cuda` the weights are drawn and the model runs on the GPU, and the peak is that of the GPU's memory.

A method that costs more positions (tokens times passes) takes longer: its time over vanilla's may be `--at-most` (1.2)
times its positions over vanilla's. Exits with 1 where this is broken, or `--gib` or `--seconds` of vanilla.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from one_run import played

SHARD = 2**30
"""Bytes of a file of weights, about: more is never held in memory while they are made."""


def build(folder: Path, layers: int, width: int, seed: int, device: str) -> None:
    """Write the checkpoint, unless it is there."""
    import torch
    from safetensors.torch import save_file
    from transformers import (
        AutoTokenizer,
        CLIPImageProcessorPil,
        CLIPVisionConfig,
        LlamaConfig,
        LlavaConfig,
        LlavaForConditionalGeneration,
        LlavaProcessor,
    )

    from harness.embedded.tiny_llava import WEIGHTS

    index = folder / "model.safetensors.index.json"
    if index.exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS)
    scale = width / 4096
    text = LlamaConfig(
        vocab_size=32064,
        hidden_size=width,
        intermediate_size=int(11008 * scale),
        num_hidden_layers=layers,
        num_attention_heads=max(1, width // 128),
        num_key_value_heads=max(1, width // 128),
        max_position_embeddings=4096,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    vision = CLIPVisionConfig(
        hidden_size=1024,
        intermediate_size=4096,
        num_hidden_layers=max(2, 24 * layers // 32),
        num_attention_heads=16,
        image_size=336,
        patch_size=14,
        projection_dim=768,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        image_seq_length=576,
        vision_feature_layer=-2,
        vision_feature_select_strategy="default",
    )
    config.dtype = torch.bfloat16
    with torch.device("meta"):
        names = {k: v.shape for k, v in LlavaForConditionalGeneration(config).state_dict().items()}
    generator = torch.Generator(device).manual_seed(seed)
    place, shard, held, number = {}, {}, 0, 0
    for name, shape in names.items():
        tensor = torch.empty(shape, dtype=torch.bfloat16, device=device)
        norm = name.endswith(("norm.weight", "norm1.weight", "norm2.weight", "layrnorm.weight"))
        shard[name] = (tensor.fill_(1.0) if norm else tensor.normal_(0, 0.02, generator=generator)).cpu()
        held += tensor.nbytes
        if held >= SHARD or name == next(reversed(names)):
            file = f"model-{number:05}.safetensors"
            save_file(shard, folder / file, {"format": "pt"})
            place |= dict.fromkeys(shard, file)
            shard, held, number = {}, 0, number + 1
    image = CLIPImageProcessorPil(size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336})
    LlavaProcessor(
        image,
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=tokenizer.chat_template or (WEIGHTS / "chat_template.jinja").read_text(),
    ).save_pretrained(folder)
    config.architectures = ["LlavaForConditionalGeneration"]
    config.save_pretrained(folder)
    index.write_text(json.dumps({"metadata": {}, "weight_map": place}))


def measured(
    checkpoint: Path, folder: Path, method: str, tokens: int, device: str, settings: list[str]
) -> dict[str, Any]:
    """Seconds, GiB at the peak and positions of one run."""
    results = folder / method
    model = ["model=hf", f"model.path={checkpoint}", "model.name=seven-b", "model.dtype=bfloat16"]
    model += [f"model.device={device}", *settings]
    words = ["task=pope", "task.data=embedded", "limit=36", f"method={method}", f"decoding.max_new_tokens={tokens}"]
    made, mib, cpu = played(results, [*words, *model])
    record = json.loads((made / "run.json").read_text())
    gib = mib / 2**10 if device == "cpu" else record["peak_memory_bytes"] / 2**30
    rows = map(json.loads, (made / "samples.jsonl").read_text().splitlines())
    answering = sum(row["latency"] for row in rows)
    found = {"seconds": record["wall_seconds"], "answering": answering, "gib": gib, "cpu": cpu}
    return found | {"positions": record["work"]["positions"], "passes": record["work"]["passes"]}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="*", default=["vista", "pai"])
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--width", type=int, default=4096)
    parser.add_argument("--tokens", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--settings", nargs="*", default=[], help="further ones, such as model.graphs=false")
    parser.add_argument("--at-most", type=float, default=1.2)
    parser.add_argument("--gib", type=float, default=15)
    parser.add_argument("--seconds", type=float, default=120)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as scratch:
        checkpoint = given.folder or Path(scratch, "checkpoint")
        build(checkpoint, given.layers, given.width, given.seed, given.device)
        print(
            "| method | s | answering, s | CPU s | peak, GiB | passes | positions | answering over vanilla's "
            "| positions over vanilla's |"
        )
        print("|---|---:|---:|---:|---:|---:|---:|---:|---:|")
        plain, broken = None, False
        for method in ("vanilla", *given.methods):
            found = measured(checkpoint, Path(scratch), method, given.tokens, given.device, given.settings)
            plain = plain or found
            time, work = (found[k] / plain[k] for k in ("answering", "positions"))
            row = [f"{found[k]:.1f}" for k in ("seconds", "answering", "cpu", "gib")]
            row += [f"{found[k]:,}" for k in ("passes", "positions")]
            print(f"| {method} | {' | '.join(row)} | {time:.2f} | {work:.2f} |", flush=True)
            broken |= time > given.at_most * work
        broken |= plain["gib"] > given.gib or plain["seconds"] > given.seconds
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())

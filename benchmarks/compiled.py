"""What torch.compile gains on SmolLM2's decoder, start-up included: `python benchmarks/compiled.py [--prompts 6]`.

Needle prompts of 512 tokens on one thread. Each way of compiling runs in two processes: with an empty cache of
compiled code, and with the one that the first has left. Answers are compared token for token with the stock ones.

    stock: nothing packed, nothing compiled       packed: linear layers on packed weights (the default)
    model: model.compile=true                     parts: packed; norms, rotary embedding and activation compiled
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

WAYS = ("stock", "packed", "parts", "model")


def answered(way: str, prompts: int, tokens: int) -> dict[str, Any]:
    """In this process: CPU seconds until the model is loaded, of the first prompt, of the others, and the answers."""
    import torch

    from harness.core import Call, Decoding, Request, Sample
    from harness.plugins.registry import Registry

    torch.set_num_threads(1)
    registry = Registry()
    task = registry.tasks["niah"].build(data="embedded", lengths=[512])
    samples = list(task.samples())
    some = samples[:: len(samples) // prompts][:prompts]
    asked: list[Request] = [next(task.episode(s)) for s in some]
    options = {"linear": "stock" if way in ("stock", "model") else "auto", "compile": way == "model"}
    model = registry.models["smollm2"].build(name="smollm2", device="cpu", dtype="float32", **options)
    model.load([])
    if way == "parts":
        compile_parts(model.model)
    loaded = time.process_time()
    calls = [Call(r, Sample(str(i), "c", "g", None), i) for i, r in enumerate(asked)]
    how, texts = Decoding(max_new_tokens=tokens), []
    texts += [reply.text for reply in model.answer(calls[:1], how)]
    first = time.process_time()
    for call in calls[1:]:
        texts += [reply.text for reply in model.answer([call], how)]
    done = time.process_time()
    return {"load": loaded, "first": first - loaded, "each": (done - first) / (prompts - 1), "texts": texts}


def compile_parts(model: Any) -> None:
    """What lies between the linear layers and attention."""
    import torch
    from transformers.models.llama import modeling_llama as llama

    decoder = model.get_decoder()
    llama.apply_rotary_pos_emb = torch.compile(llama.apply_rotary_pos_emb, dynamic=True)
    for layer in decoder.layers:
        for module in (layer.input_layernorm, layer.post_attention_layernorm, layer.mlp.act_fn):
            module.compile(dynamic=True)
    decoder.norm.compile(dynamic=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=6)
    parser.add_argument("--tokens", type=int, default=24)
    parser.add_argument("--ways", nargs="*", default=WAYS, choices=WAYS)
    parser.add_argument("--one", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        print(json.dumps(answered(given.one, given.prompts, given.tokens)))
        return 0
    wanted = None
    print("| | cache | loaded, CPU s | first prompt | each further one | same answers |\n|---|---|---:|---:|---:|---:|")
    for way in given.ways:
        with tempfile.TemporaryDirectory(prefix="harness-bench-") as cache:
            for state in ("empty", "full") if way in ("parts", "model") else ("-",):
                command = [sys.executable, str(Path(__file__)), "--one", way]
                command += ["--prompts", str(given.prompts), "--tokens", str(given.tokens)]
                environment = os.environ | {"OMP_NUM_THREADS": "1", "TORCHINDUCTOR_CACHE_DIR": cache}
                done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
                found = json.loads(done.stdout.splitlines()[-1])
                wanted = wanted or found["texts"]
                same = sum(a == b for a, b in zip(found["texts"], wanted, strict=True))
                cells = [f"{found[k]:.1f}" for k in ("load", "first")] + [f"{found['each']:.2f}"]
                print(f"| {way} | {state} | {' | '.join(cells)} | {same} of {given.prompts} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

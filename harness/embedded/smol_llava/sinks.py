"""Attention sinks and massive activations, layer by layer: what methods such as VAR act on."""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from typing import Any

import torch

from harness.embedded.scenes import CALIBRATION, scene
from harness.embedded.smol_llava.heldout import DRAWN
from harness.embedded.tiny_llava.conversations import PRESENCE


@dataclass(frozen=True)
class Layer:
    """Means over pictures.

    `first`, `picture` and `text` are shares of the last token's attention, over heads: to the first token, to the
    picture, and to what follows it. `largest` is the largest activation among the layer's inputs, `dimension`
    and `token` where it is, `ratio` how many times the median one it is. `sink` and `seen` are the share of that
    dimension in the first token's and in the most outlying visual token's root mean square.
    """

    layer: int
    first: float
    picture: float
    text: float
    largest: float
    token: int
    dimension: int
    ratio: float
    sink: float
    seen: float


@torch.no_grad()
def probe(model: Any, inputs: dict[str, torch.Tensor]) -> list[Layer]:
    """Of one prompt with one picture; the model must have been loaded with attn_implementation=eager."""
    out = model(**inputs, output_hidden_states=True, output_attentions=True)
    where = (inputs["input_ids"][0] == model.config.image_token_id).nonzero()[:, 0]
    found = []
    for n, shares in enumerate(out.attentions):
        states = out.hidden_states[n][0].float()
        size = states.abs()
        token, dimension = divmod(int(size.argmax()), size.shape[1])
        outlying = size[:, dimension] / states.pow(2).mean(1).sqrt()
        last = shares[0, :, -1].float().mean(0)
        found.append(
            Layer(
                layer=n,
                first=float(last[0]),
                picture=float(last[where].sum()),
                text=float(last[where[-1] + 1 :].sum()),
                largest=float(size.max()),
                token=token,
                dimension=dimension,
                ratio=float(size.max() / size.median()),
                sink=float(outlying[0]),
                seen=float(outlying[where].max()),
            )
        )
    return found


def means(probes: list[list[Layer]]) -> list[Layer]:
    """Layer by layer; token and dimension are the most frequent ones."""
    whole = ("token", "dimension")
    made = []
    for rows in zip(*probes, strict=True):
        values = {k: [asdict(r)[k] for r in rows] for k in asdict(rows[0]) if k != "layer"}
        mean: dict[str, Any] = {k: max(v, key=v.count) if k in whole else sum(v) / len(v) for k, v in values.items()}
        made.append(Layer(rows[0].layer, **mean))
    return made


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the `sinks` command."""
    parser.add_argument("--delta", help="a delta by name or file (the one that comes with harness)")
    parser.add_argument("--pictures", type=int, default=6)


def command(args: argparse.Namespace) -> int:
    """Print, for each layer, where the last token looks and how large activations are."""
    from harness.plugins.registry import Registry

    changes = {"delta": args.delta} if args.delta else {}
    model, processor = Registry().get("model", "smol-llava").build(**changes).read(attn_implementation="eager")
    found = []
    for seed in CALIBRATION[: args.pictures]:
        asked = {"type": "text", "text": PRESENCE[0].format(a="a", n="dog")}
        message = {"role": "user", "content": [{"type": "image"}, asked]}
        text = processor.apply_chat_template([message], add_generation_prompt=True)
        found.append(probe(model, processor(images=[scene(seed, DRAWN).picture], text=[text], return_tensors="pt")))
    for layer in means(found):
        print(json.dumps({k: round(v, 3) if isinstance(v, float) else v for k, v in asdict(layer).items()}))
    return 0

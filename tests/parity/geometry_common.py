"""Golden numbers at the size of LLaVA-1.5's pictures: 336 x 336 pixels, 576 image tokens."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from harness.core import Decoding
from harness.core.picture import Picture
from harness.core.types import Message, Request
from harness.steering import Generated, Inputs, Steering, View, generate
from tests.parity import common
from tests.parity.common import HERE, Case, text
from tests.parity.geometry_models import IMAGE, PATCHES, model

NOISE = 4e-5
"""Twice and a half the largest difference of plain logits (of size 6) between the authors' versions of transformers,
4.29 to 4.50, and those of today: 1.6e-5, measured on the vanilla cases of all three models. The rest is for processors:
with another instruction set a method's difference grows by up to 1e-5."""
BOS = 1
MEAN, STD = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)


def cases(method: str, **wanted: Any) -> Iterator[Case]:
    """The cases of a method that have these settings. Raises AssertionError where there are none."""
    return common.cases(f"geometry/{method}", **wanted)


def view(name: str) -> View:
    """A golden model: plain, sinks or deep24."""
    made = View(model(name))
    made.encode = encode
    return made


def encode(request: Request) -> Inputs:
    """BOS and the messages, words being token ids; a picture is 576 image tokens. The question is the user's text."""
    ids, question, pictures = [BOS], (0, 0), []
    for message in request.messages:
        for part in message.content:
            start = len(ids)
            if isinstance(part, Picture):
                pictures.append(pixels(part))
                ids += [IMAGE] * PATCHES
            else:
                ids += [int(word) for word in part.split()]
            if message.role == "user":
                question = (start, len(ids))
    tokens = torch.tensor([ids])
    tensors = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
    if pictures:
        tensors["pixel_values"] = torch.cat(pictures)
    return Inputs(tensors, question=question, request=request)


def pixels(picture: Picture) -> Tensor:
    """[1, 3, 336, 336], normalised as CLIP reads them. Nothing is resized."""
    raw = torch.frombuffer(bytearray(picture.load().tobytes()), dtype=torch.uint8)
    image = raw.view(1, picture.size[1], picture.size[0], 3).permute(0, 3, 1, 2).float() / 255
    return (image - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]


@functools.cache
def image(n: int) -> Picture:
    """Picture n of four."""
    return Picture(HERE / f"geometry/image{n}.webp")


@functools.cache
def prompts() -> list[dict[str, list[int]]]:
    return json.loads((HERE / "geometry/prompts.json").read_text())


def sample(prompt: int, picture: int) -> Inputs:
    """A prompt of four about a picture of four."""
    of = prompts()[prompt]
    parts = (
        Message("system", (text(of["system"]),)),
        Message("user", (image(picture), text(of["question"]))),
        Message("assistant", (text(of["answer"]),)),
    )
    return encode(Request(parts, 20))


def answer(case: Case, methods: Sequence[Steering] = (), follow: Sequence[int] | None = None) -> Generated:
    """The case's prompt and picture under methods of ours, greedy; or with the tokens to `follow`."""
    one = sample(case["prompt"], case["image"])
    forced = [follow] if follow else None
    return generate(view(case["model"]), [one], methods, Decoding(), 20, [0], keep_scores=True, forced=forced)[0]


def agrees(got: Generated, case: Case, factor: float = 1.0, *, normalised: bool = False) -> float:
    """`common.agrees` with the noise of these models."""
    return common.agrees(got, case, factor, normalised=normalised, noise=NOISE)


def differs(got: Generated, case: Case, by: float) -> None:
    """Assert that scores of the first steps, up to the first token that differs, are apart by more than `by`."""
    assert got.scores is not None and case.scores is not None
    ours, theirs = got.scores[:4], case.scores[:4]  # the first four steps are kept
    same = [a == b for a, b in zip(got.tokens[:3], case.tokens[:3], strict=True)]
    steps = 1 + same.index(False) if False in same else 4
    assert (ours - theirs)[:steps][~theirs[:steps].isinf()].abs().max() > by

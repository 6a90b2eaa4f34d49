"""Golden numbers of the authors' released code, and our methods on the same models and inputs."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers as T
from torch import Tensor

from harness.core import Decoding
from harness.core.picture import Picture
from harness.core.types import Message, Request
from harness.steering import Generated, Inputs, Steering, View, generate

HERE = Path(__file__).parent
BOS = 1
NOISE = 2e-4
"""Largest difference of plain logits (of size 6 to 10) between the authors' versions of transformers, 4.28 to 4.37, and
those of today: 1.7e-4 on tiny32, measured on the vanilla cases. A method's tolerance is a multiple of it: its own
factor on the logits, such as 1 + 2 alpha of a contrast."""
KEPT = (0, 1, 2, 3, 5, 8, 13, 19)
"""Steps of 20 whose scores are kept; tokens are kept of all."""


@dataclass(frozen=True)
class Case:
    """One run of the authors' code: its settings, its tokens, and the scores [steps, V] from which they were picked
    at the steps `KEPT`; None where the run has tokens only."""

    method: str
    settings: Mapping[str, Any]
    tokens: list[int]
    scores: Tensor | None

    def __getitem__(self, name: str) -> Any:
        return self.settings[name]

    def __str__(self) -> str:
        return f"{self.method} case {self.settings['case']}: {dict(self.settings)}"


@functools.cache
def arrays(name: str) -> Mapping[str, np.ndarray]:
    """Everything in `NAME.npz`."""
    with np.load(HERE / f"{name}.npz") as file:
        return {key: file[key] for key in file.files}


def cases(method: str, **wanted: Any) -> Iterator[Case]:
    """The cases in `METHOD.json` that have these settings. Raises AssertionError where there are none."""
    numbers, found = arrays(method), 0
    for settings in json.loads((HERE / f"{method}.json").read_text()):
        if any(settings[name] != value for name, value in wanted.items()):
            continue
        found += 1
        n = settings["case"]
        scores = numbers.get(f"logits_{n}")
        kept = None if scores is None else torch.from_numpy(scores)
        yield Case(method, settings, numbers[f"tokens_{n}"].tolist(), kept)
    assert found, f"{method} has no case with {wanted}"


@functools.cache
def _model(name: str) -> Any:
    T.logging.set_verbosity_error()
    T.logging.disable_progress_bar()
    made = T.LlavaForConditionalGeneration.from_pretrained(HERE / name, dtype=torch.float32, attn_implementation="sdpa")
    made.generation_config.eos_token_id = None
    return made.eval().requires_grad_(False)


def view(name: str = "tiny32", eos: int | None = None) -> View:
    """A golden model. `eos`: the token that ends an answer, if any does."""
    made = View(_model(name))
    made.eos = () if eos is None else (eos,)
    made.encode = functools.partial(encode, made)
    return made


def text(ids: Sequence[int]) -> str:
    """Token ids as the words that `encode` reads."""
    return " ".join(map(str, ids))


def encode(view: View, request: Request) -> Inputs:
    """BOS, the system message, the picture, the question. A picture's bytes name its pixels in tiny32's inputs."""
    system = [p for m in request.messages if m.role == "system" for p in m.content]
    question = [p for p in request.messages[-1].content if isinstance(p, str)]
    before, after = ([int(w) for part in parts for w in part.split()] for parts in (system, question))
    image = [view.image_token_id] * view.model.config.image_seq_length if request.pictures else []
    ids = torch.tensor([[BOS, *before, *image, *after]])
    tensors = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if request.pictures:
        tensors["pixel_values"] = torch.from_numpy(inputs()[request.pictures[0].encoded().decode()])
    end = ids.shape[1]
    return Inputs(tensors, question=(end - len(after), end), request=request)


def inputs() -> Mapping[str, np.ndarray]:
    """Of tiny32: `systemN`, `questionN` (token ids), `pixelsN` [1, 3, 56, 56] and `disturbedN` (ICD's system text)."""
    return arrays("tiny32/inputs")


def sample(view: View, n: int, picture: bool = True) -> Inputs:
    """Prompt n of tiny32, with its picture or without."""
    numbers = inputs()
    content = (Picture(f"pixels{n}".encode()),) if picture else ()
    system = Message("system", (text(numbers[f"system{n}"]),))
    return encode(view, Request((system, Message("user", (*content, text(numbers[f"question{n}"])))), 20))


def play(view: View, one: Inputs, methods: Sequence[Steering] = (), beams: int = 1, steps: int = 20) -> Generated:
    """One sample, greedy or in beam search."""
    decoding = Decoding("beam", num_beams=beams) if beams > 1 else Decoding()
    return generate(view, [one], methods, decoding, steps, [0], keep_scores=beams == 1)[0]


def agrees(got: Generated, case: Case, factor: float = 1.0, *, normalised: bool = False, noise: float = NOISE) -> float:
    """Assert equal tokens, the same tokens cut, and scores within `factor` times `noise`; the largest difference.

    `normalised`: the authors' scores are log-probabilities where ours may be logits.
    """
    assert got.tokens == case.tokens, str(case)
    if case.scores is None:
        return 0.0
    assert got.scores is not None and got.scores.isfinite().any(-1).all()
    ours, theirs = got.scores[list(KEPT)], case.scores
    if normalised:
        ours, theirs = ours.log_softmax(-1), theirs.log_softmax(-1)
    assert torch.equal(ours.isinf(), theirs.isinf()), str(case)
    worst = float((ours - theirs)[~ours.isinf()].abs().max())
    assert worst <= factor * noise, f"{case}: {worst:.1e} is more than {factor} x {noise}"
    return worst

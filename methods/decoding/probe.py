"""A linear probe for hallucinated words: its features, its fit, its threshold."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from harness.core.decoding import Decoding
from harness.core.errors import UsageError
from harness.core.picture import Picture
from harness.steering import Batch, Inputs, Steering, View, generate
from harness.steering.bench import Bench, article
from harness.steering.forward import forward

CAPTION = "Please describe this image in detail."
QUESTION = "Is there {} {} in the image?"
LENGTH = 64
SPECIFICITY = 0.95
RIDGE = 1.0


@dataclass(frozen=True)
class Probe:
    """P(hallucinated) = sigmoid(weight . (h - mean) / std + bias). `theta` keeps 95 % of held-out true words."""

    weight: Tensor
    bias: Tensor
    mean: Tensor
    std: Tensor
    theta: float

    def doubt(self, h: Tensor) -> float:
        """P(hallucinated) at a position with state h [d]."""
        return float(self.logit(h.float().cpu()[None]).sigmoid())

    def logit(self, h: Tensor) -> Tensor:
        return ((h - self.mean) / self.std) @ self.weight + self.bias

    def tensors(self) -> dict[str, Tensor]:
        """The probe as the tensors of an artefact."""
        return {
            "weight": self.weight,
            "bias": self.bias,
            "mean": self.mean,
            "std": self.std,
            "theta": torch.tensor([self.theta]),
        }

    @classmethod
    def of(cls, artefact: dict[str, Tensor]) -> Probe:
        """The probe that an artefact holds."""
        parts = {k: v for k, v in artefact.items() if k != "theta"}
        return cls(**parts, theta=float(artefact["theta"][0]))

    @classmethod
    def fit(cls, features: Tensor, wrong: Tensor, pictures: Sequence[int]) -> Probe:
        """Logistic regression with balanced classes and a ridge, on two pictures in three; the threshold on the others.

        `features` [n, d], `wrong` [n] bool. Raises UsageError where there is nothing to tell apart.
        """
        held = torch.tensor([p % 3 == 0 for p in pictures])
        counts = [int((wrong[part] == value).sum()) for part in (~held, held) for value in (True, False)]
        if min(counts) < 2:
            raise UsageError(
                "method=truthprint found too few hallucinated or too few true words to fit its probe: calibrate on "
                "more pictures"
            )
        x, y = features[~held].float(), wrong[~held].float()
        mean, std = x.mean(0), x.std(0).clamp(min=1e-6)
        z = (x - mean) / std
        balance = torch.where(y == 1, len(y) / (2 * y.sum()), len(y) / (2 * (1 - y).sum()))
        weight = torch.zeros(z.shape[1], requires_grad=True)
        bias = torch.zeros(1, requires_grad=True)
        optimizer = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = torch.nn.functional.binary_cross_entropy_with_logits(z @ weight + bias, y, balance)
            loss = loss + RIDGE * weight.square().sum() / len(y)
            loss.backward()
            return loss

        with torch.enable_grad():
            optimizer.step(closure)
        made = cls(weight.detach(), bias.detach(), mean, std, 1.0)
        true = made.logit(features[held & ~wrong].float()).sigmoid()
        return cls(made.weight, made.bias, mean, std, float(true.quantile(SPECIFICITY)))


class States(Steering):
    """Keeps the output of one layer at all positions of the prompt, [b, t, d]."""

    name = "states"

    def __init__(self, layer: int):
        self.layer = layer
        self.kept: Tensor | None = None

    def layers(self, view: View) -> Sequence[int]:
        return (self.layer,)

    def residual(self, l: int, h: Tensor, batch: Batch) -> Tensor | None:
        self.kept = h
        return None


def collect(bench: Bench, layer: int, rows: int = 24) -> tuple[Tensor, Tensor, list[int]]:
    """Features [n, d], hallucinated or not [n], and picture numbers: of each object word in the model's own captions,
    at the position that predicts its first token; of each yes to a question about an object, half of them absent."""
    features, wrong, pictures = [], [], []
    captions: list[tuple[int, str | None, Inputs]] = []
    questions: list[tuple[int, str | None, Inputs]] = []
    for number, one in enumerate(bench.pictures):
        captions.append((number, None, bench.ask(one.picture, CAPTION)))
        absent = [c for c in bench.categories if c not in one.objects]
        others = absent[number % 7 :: 7][: len(one.objects)]
        asked = (*one.objects[:3], *others[:3])
        questions += [(number, name, _question(bench, one.picture, name)) for name in asked]
    # A batch is of one kind: short answers would wait for captions.
    for batch in (some[i : i + rows] for some in (captions, questions) for i in range(0, len(some), rows)):
        inputs = [p[2] for p in batch]
        said = generate(bench.view, inputs, [], Decoding(), LENGTH, range(len(batch)))
        reader = States(layer)
        whole = [i.extended(g.tokens) for i, g in zip(inputs, said, strict=True)]
        with torch.no_grad():
            forward(Batch(bench.view, [reader], whole))
        assert reader.kept is not None
        for row, ((number, name, given), made) in enumerate(zip(batch, said, strict=True)):
            objects = set(bench.pictures[number].objects)
            padding = reader.kept.shape[1] - whole[row].length
            for at, present in _claims(bench, made.tokens, name, objects):
                features.append(reader.kept[row, padding + given.length + at - 1].float().cpu())
                wrong.append(not present)
                pictures.append(number)
    if not features:
        raise UsageError("method=truthprint: the model named no object of the pictures' lists: calibrate on others")
    return torch.stack(features), torch.tensor(wrong), pictures


def _claims(bench: Bench, tokens: list[int], asked: str | None, objects: set[str]) -> list[tuple[int, bool]]:
    """(position of the first token, whether the object is there) of each object that the answer claims."""
    pieces = bench.view.pieces(tokens)
    if asked is not None:
        return [(0, asked in objects)] if pieces and pieces[0].strip().lower() == "yes" else []
    text, starts = "".join(pieces), []
    for piece in pieces:
        starts.append((starts[-1] if starts else 0) + len(piece))
    names = sorted(bench.categories, key=len, reverse=True)
    found = re.finditer(rf"\b({'|'.join(map(re.escape, names))})(?:s|es)?\b", text)
    return [(next(i for i, end in enumerate(starts) if end > m.start(1)), m[1] in objects) for m in found]


def _question(bench: Bench, picture: Picture, name: str) -> Inputs:
    return bench.ask(picture, QUESTION.format(article(name), name))

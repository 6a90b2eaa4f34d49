"""TruthPrInt: a probe sees a hallucinated word coming, and decoding goes back to where it began (arXiv 2503.10602)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.methods.decoding.probe import Probe, collect
from harness.steering import Steering, View
from harness.steering.bench import Bench
from harness.steering.decode_loop import Loop


class Truthprint(Steering):
    """Latent truthful-guided pre-intervention, under greedy decoding."""

    name = "truthprint"
    scope = "all"
    sampling = False
    calibrated_by = ("layer",)

    def __init__(self, layer: int, theta: float | None, retries: int, rollbacks: int):
        """`layer`: whose output the probe reads, of 32. `theta`: probability of hallucination above which decoding goes
        back; null: as the probe's validation chose. `retries`: other tokens tried at one position. `rollbacks`: how
        often at most in one answer.
        """
        if not 0 <= layer < 32:
            raise UsageError(f"method.truthprint.layer={layer} must be a layer 0..31 of 32")
        if retries < 0 or rollbacks < 0:
            raise UsageError(f"method.truthprint.retries={retries} and rollbacks={rollbacks} must be 0 or more")
        self.layer, self.theta, self.retries, self.rollbacks = layer, theta, retries, rollbacks

    @property
    def needs_artefact(self) -> bool:
        return self.theta is None or self.theta <= 1

    def reads(self, view: View) -> Sequence[int]:
        return (min(view.scaled(self.layer), view.depth - 1),)

    def calibrate(self, bench: Bench) -> dict[str, Tensor]:
        """A probe on captions and yes answers about annotated pictures. Raises UsageError without pictures."""
        if not bench.pictures:
            raise UsageError(
                f"method={self.name} calibrates itself on annotated pictures: give calibration=FILE with such rows"
            )
        features, wrong, pictures = collect(bench, self.reads(bench.view)[0])
        return Probe.fit(features, wrong, pictures).tensors()

    def decode(self, loop: Loop) -> list[int]:
        probe = None
        if self.needs_artefact:
            if self.artefact is None:
                raise UsageError("method=truthprint has no probe: run harness calibrate method=truthprint first")
            probe = Probe.of(self.artefact)
        starts = self._watched(loop.view)
        read = self.reads(loop.view)[0]
        tokens: list[int] = []
        tops: list[float] = []
        logits, states = [loop.start()[0]], [loop.batch.hidden[read][0]]
        tried: dict[tuple[int, ...], set[int]] = {}
        back = 0
        while len(tokens) < loop.max_new_tokens:
            used = tried.setdefault(tuple(tokens), set())
            z = logits[-1].clone()
            z[list(used)] = -torch.inf
            token = int(z.argmax())
            if token in loop.eos:
                break
            doubt = probe.doubt(states[-1]) if probe and starts(token) else 0.0
            theta = self.theta if self.theta is not None else (probe.theta if probe else 1.0)
            if (
                doubt > theta
                and back < self.rollbacks
                and (place := self._place(tokens, tops, tried, loop)) is not None
            ):
                back += 1
                refused = token if place == len(tokens) else tokens[place]
                tokens, tops = tokens[:place], tops[:place]
                tried.setdefault(tuple(tokens), set()).add(refused)
                logits, states = logits[: place + 1], states[: place + 1]
                loop.cut(place)
                continue
            tops.append(float(logits[-1].softmax(-1).max()))
            tokens.append(token)
            logits.append(loop.feed(torch.tensor([[token]], device=loop.view.device))[0])
            states.append(loop.batch.hidden[read][0])
        return tokens

    def _place(
        self, tokens: list[int], tops: list[float], tried: dict[tuple[int, ...], set[int]], loop: Loop
    ) -> int | None:
        """Where the present sentence was least sure, at least one token back; the first token where there is none."""
        begin = max((i + 1 for i, t in enumerate(tokens) if "." in loop.view.decode([t])), default=0)
        places = range(begin, len(tokens)) or range(len(tokens), len(tokens) + 1)
        open_ = [p for p in places if len(tried.get(tuple(tokens[:p]), ())) < self.retries]
        return min(open_, key=lambda p: tops[p] if p < len(tops) else 1.0) if open_ else None

    def _watched(self, view: View):
        """Whether a token begins a content word or is a yes: only these can name an object."""
        from harness.methods._shared.words import FUNCTION_WORDS

        known: dict[int, bool] = {}

        def starts(token: int) -> bool:
            if token not in known:
                word = view.decode([token]).strip().lower()
                known[token] = word == "yes" or (word.isalnum() and word not in FUNCTION_WORDS)
            return known[token]

        return starts

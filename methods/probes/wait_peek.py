"""In which layers tokens only wait, and in which the last one peeks at them (All for One, arXiv 2509.09650)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from harness.core.errors import UsageError
from harness.core.readings import COUNT, RATE, Reading
from harness.methods._shared.waiting import Waiting, answers, means
from harness.steering import Batch, Inputs, Probe, View, by_name


class WaitPeek(Probe):
    """Plays the prompt again with tokens that know nothing of each other up to a layer (CAMA), and with attention
    closed after it but for a window (ABP): is the first token still the model's own?"""

    name = "wait_peek"

    def __init__(self, values: list[str], bank: int, wait: int | None, width: int):
        """`values`: words of one token that are exchanged in the prompt's last line, for one another. `bank`: prompts a
        mean is taken over. `wait`: layers before the window; null: half of them. `width`: layers of a window."""
        if bank < 1 or width < 1:
            raise UsageError(f"method.{self.name} needs bank and width of at least 1")
        self.values, self.bank, self.wait, self.width = values, bank, wait, width

    def readings(self, batch: Batch, passes: Sequence[int]) -> Mapping[str, Sequence[Reading | None]]:
        rows: list[dict[str, Reading]] = []
        values = self._ids(batch.view)
        for sample in batch.samples:
            places = self._places(sample, values, batch.view)
            one = {"varied": Reading(float(len(places)), within=COUNT)}
            if places:
                one |= self._played(batch.view, sample, places, values)
            rows.append(one)
        return by_name(rows)

    def _ids(self, view: View) -> list[int]:
        """The tokens that may be exchanged."""
        if view.tokenizer is None:
            return []
        return sorted({ids[0] for v in self.values if len(ids := view.tokens(v)) == 1} - {view.pad, view.bos})

    def _places(self, sample: Inputs, values: Sequence[int], view: View) -> list[int]:
        """Where the last line of a prompt without pictures has one of them, the first token left aside."""
        ids = sample.tensors["input_ids"][0].tolist()
        if sample.sees or not set(ids[1:]) & set(values):
            return []
        breaks = [n for n, token in enumerate(ids[:-1]) if "\n" in view.decode([token])]
        start = max(1, breaks[-1] + 1 if breaks else 1)
        return [n for n in range(start, len(ids)) if ids[n] in values]

    def _played(self, view: View, sample: Inputs, places: list[int], values: list[int]) -> dict[str, Reading]:
        depth, of = view.depth, means(view, sample, places, values, self.bank)
        wait = min(depth // 2 if self.wait is None else self.wait, depth - 1)
        starts = list(range(wait, depth - self.width + 1))
        waits, peeks = [*range(depth + 1), *[wait] * len(starts)], [*[-1] * (depth + 1), *starts]
        said = answers(view, sample, Waiting(of, waits, peeks, self.width))
        same = (said == said[0]).numpy().astype(float)  # row 0 waits in no layer: the model's own answer
        waited, peeked = same[1 : depth + 1], np.full(depth, np.nan)
        peeked[starts] = same[depth + 1 :]
        lasts = int((waited == 0).argmax()) if (waited == 0).any() else depth
        return {
            "wait": Reading(float(lasts), within=COUNT),
            "wait_layers": Reading(waited, ("layer",), within=RATE),
            "peek_layers": Reading(peeked, ("layer",), within=RATE),
        }

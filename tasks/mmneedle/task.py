"""MMNeedle as a task: one caption (or several) looked for in one sequence of images is one sample."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Generator, Iterator, Sequence
from functools import cached_property
from typing import Any

from harness.core import Metric, Outcome, Reply, Request, Result, Sample, Task, Unusable, UsageError, user
from harness.tasks.mmneedle.scoring import PARSERS, SCORES, aggregate, judge, truth
from harness.tasks.mmneedle.sources import DATA, Record, Setting, load


def prompt(setting: Setting, captions: Sequence[str]) -> str:
    """The official instruction (needle.py)."""
    m, n, k = setting.images, f"{setting.rows}*{setting.columns}", setting.needles
    head = (
        f"Given {m} {'images' if m > 1 else 'image'} indexed from 1 to {m}, each divided into {n} "
        f"{'subimages' if setting.rows > 1 else 'subimage'}, identify the "
    )
    example = "For example, '1, 2, 3' indicates the subimage in the first image, second row, and third column."
    if k == 1:
        return (
            f"{head}subimage that best matches the provided caption. Respond with 'index, row, column' and nothing "
            f"else. {example} If no match is found, respond only with '-1'.\nCaption: {captions[0]}"
        )
    form = "; ".join(f"index_{i}, row_{i}, column_{i}" for i in range(1, k + 1))
    return (
        f"{head}subimages that best match the provided {k} captions. Respond in the format: {form}. Only provide this "
        f"information. {example} If no subimage matches a caption, respond with '-1' for that caption."
    ) + "".join(f"\nCaption_{i}: {c}" for i, c in enumerate(captions, 1))


class MMNeedle(Task):
    """Arguments are the settings of task.yaml; they are explained there."""

    name = "mmneedle"
    scores = SCORES

    def __init__(
        self,
        data: str,
        root: str | None,
        captions: str | None,
        settings: Sequence[str] | str | None,
        parser: str,
        max_new_tokens: int,
    ):
        if data not in DATA:
            raise UsageError(f"task.data={data} is unknown: choose one of {', '.join(DATA)}")
        if (root is None) != (data == "embedded"):
            raise UsageError(
                f"task.data={data} and task.root={root} do not go together: task.data=official or local with "
                "task.root=DIR (metadata_stitched/ and images_stitched/), or neither"
            )
        if parser not in PARSERS:
            raise UsageError(f"task.parser={parser} is unknown: choose one of {', '.join(PARSERS)}")
        self.data, self.root, self.captions = data, root, captions
        self.settings = [settings] if isinstance(settings, str) else list(settings or [])
        self.parser, self.max_new_tokens = parser, max_new_tokens

    @cached_property
    def _loaded(self) -> tuple[list[Record], str]:
        return load(self.data, self.root, self.captions, self.settings)

    def samples(self) -> Iterator[Sample]:
        """The group is the setting ("10 x 2x2"), the cluster the sequence of images."""
        for r in self._loaded[0]:
            data: dict[str, Any] = {"question_id": r.id}
            data |= {"fault": r.fault} if r.fault else {"record": r}
            yield Sample(r.id, r.cluster, r.setting.name, None if r.fault else truth(r.places), data)

    def episode(self, sample: Sample) -> Generator[Request, Reply, Outcome]:
        if fault := sample.data.get("fault"):
            raise Unusable(fault)
        r: Record = sample.data["record"]
        reply = yield Request(user(*r.pictures, prompt(r.setting, r.captions)), self.max_new_tokens)
        verdict = judge(r.places, r.setting.needles, reply.text, self.parser)
        scores = {
            "exact": verdict.exact,
            "index": verdict.index,
            "existence": verdict.existence,
            "first_exact": verdict.first_exact,
            "each_exact": verdict.each_exact,
            "present": float(r.places is not None),
        }
        details: dict[str, Any] = {"question": "; ".join(r.captions), "present": r.places is not None}
        details |= {"needles": r.setting.needles, "places": [list(p) for p in r.places or ()]}
        return Outcome(reply.text, scores, reply.text.strip() or None, details)

    def aggregate(self, results: Sequence[Result]) -> list[Metric]:
        return aggregate(results)

    def fingerprint(self) -> str:
        settings = [self.data, self._loaded[1], self.parser, self.max_new_tokens]
        return hashlib.sha256(json.dumps(settings).encode()).hexdigest()

    def oracle(self, sample: Sample, request: Request) -> str:
        return sample.target

    def chance(self, sample: Sample, request: Request, rng: random.Random) -> str:
        """Denies half of the time; else a place at random for each needle."""
        s: Setting = sample.data["record"].setting
        if rng.random() < 0.5:
            return "-1"
        return truth([(rng.randint(1, s.images), rng.randint(1, s.rows), rng.randint(1, s.columns))] * s.needles)

    def describe(self) -> dict[str, Any]:
        records, digest = self._loaded
        return {
            "data": self.data,
            "settings": list(dict.fromkeys(r.setting.name for r in records)),
            "searches": len(records),
            "faulty_rows": sum(bool(r.fault) for r in records),
            "records": digest,
            "parser": self.parser,
            "max_new_tokens": self.max_new_tokens,
        }

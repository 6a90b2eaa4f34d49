"""ScreenSpot as a task: one instruction about one screenshot is one sample, one request and one point."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Generator, Iterator, Sequence
from functools import cached_property
from typing import Any

from harness.core import Metric, Outcome, Reply, Request, Result, Sample, Task, Unusable, UsageError, user
from harness.tasks.screenspot.parsers import PARSERS, Size
from harness.tasks.screenspot.scoring import SCORES, Box, aggregate, hit
from harness.tasks.screenspot.sources import CONVENTIONS, DATA, Record, load

PROMPTS = {
    "lmms_v2": (
        "Identify the UI element for the instruction and output exactly one click point as [x, y] in normalized "
        "coordinates within [0, 1]. Do not output a bounding box.\nInstruction: {}"
    ),
    "seeclick": (
        'In this UI screenshot, what is the position of the element corresponding to the command "{}" (with point)?'
    ),
    "qwen_vl": "Generate the bounding box of {}",
    "pro_gpt": (
        "You are asked to find the bounding box of an UI element in the given screenshot corresponding to a given "
        "instruction.\nDon't output any analysis. Output your result in the format of [[x0,y0,x1,y1]], with x and y "
        "ranging from 0 to 1.The instruction is:\n{}\n"
    ),
}


class ScreenSpot(Task):
    """Arguments are the settings of task.yaml; they are explained there."""

    name = "screenspot"
    scores = SCORES

    def __init__(
        self,
        data: str,
        root: str | None,
        images: str | None,
        revision: str | None,
        bbox: str,
        prompt: str,
        parser: str,
        max_new_tokens: int,
    ):
        if data not in DATA:
            raise UsageError(f"task.data={data} is unknown: choose one of {', '.join(DATA)}")
        if root is not None and data == "embedded":
            raise UsageError(f"task.root={root} brings records of its own: add task.data=v1, v2, pro or local")
        if data == "local" and root is None:
            raise UsageError("task.data=local are records of your own: name their folder or file by task.root=PATH")
        if parser not in PARSERS:
            raise UsageError(f"task.parser={parser} is unknown: choose one of {', '.join(PARSERS)}")
        if bbox not in CONVENTIONS:
            raise UsageError(f"task.bbox={bbox} is unknown: choose one of {', '.join(CONVENTIONS)}")
        if prompt not in PROMPTS and "{}" not in prompt:
            names = ", ".join(PROMPTS)
            raise UsageError(f"task.prompt={prompt!r}: choose one of {names}, or write a text with {{}} in it")
        self.data, self.root, self.images, self.revision, self.bbox = data, root, images, revision, bbox
        self.prompt, self.parser, self.max_new_tokens = prompt, parser, max_new_tokens

    @cached_property
    def _loaded(self) -> tuple[list[Record], str]:
        return load(self.data, self.root, self.images, self.revision, self.bbox)

    def samples(self) -> Iterator[Sample]:
        """The group is platform_kind, the cluster the screenshot, the target the box."""
        for r in self._loaded[0]:
            data: dict[str, Any] = {"question_id": r.id, "image": r.image, "normalized": r.normalized}
            data |= {"fault": r.fault} if r.fault else {"instruction": r.instruction, "picture": r.picture}
            yield Sample(r.id, r.cluster, r.cell, list(r.box) if not r.fault else None, data)

    def episode(self, sample: Sample) -> Generator[Request, Reply, Outcome]:
        if fault := sample.data.get("fault"):
            raise Unusable(fault)
        instruction = sample.data["instruction"]
        text = PROMPTS.get(self.prompt, self.prompt).replace("{}", instruction)
        reply = yield Request(user(sample.data["picture"], text), self.max_new_tokens)
        size = self._size(sample)
        box = _pixels(sample, size)
        read = PARSERS[self.parser](reply.text, size)
        scores = {
            "hit": float(hit(read.point, box)),
            "unparsed": float(read.point is None),
            "outside": float(read.outside(size)),
        }
        details: dict[str, Any] = {"question": instruction, "image": sample.data["image"], "box": list(box)}
        details |= {"format": read.form, "numbers": read.numbers}
        if size is not None:
            area = (box[2] - box[0]) * (box[3] - box[1]) / (size[0] * size[1])
            details |= {"random_click": area, "centre_click": float(hit((size[0] / 2, size[1] / 2), box))}
        verdict = f"{read.point[0]:.1f}, {read.point[1]:.1f}" if read.point else None
        return Outcome(reply.text, scores, verdict, details)

    def _size(self, sample: Sample) -> Size:
        """Size of the screenshot; None where it is not at hand and answers are in pixels, which need no size."""
        try:
            return sample.data["picture"].size
        except Unusable:
            if self.parser == "pixel" and not sample.data["normalized"]:
                return None
            raise

    def aggregate(self, results: Sequence[Result]) -> list[Metric]:
        return aggregate(results)

    def fingerprint(self) -> str:
        settings = [self.data, self._loaded[1], self.prompt, self.parser, self.max_new_tokens]
        return hashlib.sha256(json.dumps(settings).encode()).hexdigest()

    def oracle(self, sample: Sample, request: Request) -> str:
        """A click into the middle of the box, in the coordinate space that the parser reads."""
        x0, y0, x1, y1 = sample.target
        return self._said((x0 + x1) / 2, (y0 + y1) / 2, sample)

    def chance(self, sample: Sample, request: Request, rng: random.Random) -> str:
        """A uniform click."""
        if sample.data["normalized"]:
            return self._said(rng.random(), rng.random(), sample)
        width, height = self._size(sample) or (1, 1)
        return self._said(rng.random() * width, rng.random() * height, sample)

    def _said(self, x: float, y: float, sample: Sample) -> str:
        size = self._size(sample)
        if not sample.data["normalized"] and self.parser != "pixel" and size:
            x, y = x / size[0], y / size[1]
        if sample.data["normalized"] and self.parser == "pixel" and size:
            x, y = x * size[0], y * size[1]
        if self.parser in ("thousand", "ui_tars"):
            return f"({round(1000 * x)},{round(1000 * y)})"
        if self.parser == "lmms_v1":
            return f"[{x:.4f}, {y:.4f}, {x:.4f}, {y:.4f}]"
        if self.parser == "pro_gpt":
            return f"[[{x:.4f},{y:.4f}]]"
        return f"[{x:.4f}, {y:.4f}]"

    def examples(self, each: int) -> Iterator[tuple[Request, str, str]]:
        from harness.tasks.screenspot.examples import examples

        return examples(self, each)

    def describe(self) -> dict[str, Any]:
        records, digest = self._loaded
        return {
            "data": self.data,
            "revision": self.revision if self.root is None else None,
            "instructions": len(records),
            "screenshots": len({r.cluster for r in records}),
            "faulty_rows": sum(bool(r.fault) for r in records),
            "records": digest,
            "prompt": PROMPTS.get(self.prompt, self.prompt),
            "parser": self.parser,
            "bbox": self.bbox,
            "max_new_tokens": self.max_new_tokens,
        }


def _pixels(sample: Sample, size: Size) -> Box:
    """The target in pixels. Raises Unusable for a box that leaves the screenshot by more than a pixel."""
    x0, y0, x1, y1 = sample.target
    if sample.data["normalized"]:
        if size is None:
            raise Unusable("the screenshot is needed to place a normalised box")
        x0, x1, y0, y1 = x0 * size[0], x1 * size[0], y0 * size[1], y1 * size[1]
    if size is not None and (x1 > size[0] + 1 or y1 > size[1] + 1):
        raise Unusable(f"box {[x0, y0, x1, y1]} leaves the screenshot of {size[0]} x {size[1]} pixels: see task.bbox")
    return x0, y0, x1, y1

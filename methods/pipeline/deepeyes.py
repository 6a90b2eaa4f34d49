"""DeepEyes' loop: the model may ask for a crop of the picture, gets it, and continues until it answers (2505.14362)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Generator
from dataclasses import replace
from typing import Any

from harness.core.errors import UsageError
from harness.core.method import Pipeline
from harness.core.picture import Picture
from harness.core.types import Mark, Message, Reply, Request, Step
from harness.methods._shared.crops import Box, crop

CALL = {
    "evaluation": re.compile(r"<tool_call>(.*?)(?:</?tool_call>|\Z)", re.DOTALL),
    "training": re.compile(r"<tool_call>(.+?)</tool_call>", re.DOTALL),
}
"""By form: the script takes a call that is not closed, too."""
TURNS = {"evaluation": 11, "training": 5}
TOOL = "image_zoom_in_tool"
ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
GRID = 28
AREA = (4 * GRID**2, 16384 * GRID**2)
SYSTEM = "\n".join(
    [
        "You are a helpful assistant.",
        "",
        "# Tools",
        "You may call one or more functions to assist with the user query.",
        "You are provided with function signatures within <tools></tools> XML tags:",
        "<tools>",
        '{"type":"function","function":{"name":"image_zoom_in_tool","description":"Zoom in on a specific '
        'region of an image by cropping it based on a bounding box (bbox) and an optional object label.",'
        '"parameters":{"type":"object","properties":{"bbox_2d":{"type":"array","items":{"type":"number"},'
        '"minItems":4,"maxItems":4,"description":"The bounding box of the region to zoom in, as [x1, y1, '
        'x2, y2], where (x1, y1) is the top-left corner and (x2, y2) is the bottom-right corner."},"label'
        '":{"type":"string","description":"The name or label of the object in the specified bounding box '
        '(optional)."}},"required":["bbox"]}}}',
        "</tools>",
        "",
        "# How to call a tool",
        "Return a json object with function name and arguments within <tool_call></tool_call> XML tags:",
        "<tool_call>",
        '{"name": <function-name>, "arguments": <args-json-object>}',
        "</tool_call>",
        "",
        "**Example**:  ",
        "<tool_call>  ",
        '{"name": "image_zoom_in_tool", "arguments": {"bbox_2d": [10, 20, 100, 200], "label": "the apple '
        'on the desk"}}  ',
        "</tool_call>",
    ]
)
"""The released prompt, byte for byte: DeepEyes-7B was trained with it (its schema requires `bbox`, which is no
property)."""
USER = (
    "\nThink first, call **image_zoom_in_tool** if needed, then answer. Format strictly as:  <think>...</think>  "
    "<tool_call>...</tool_call> (if tools needed)  <answer>...</answer> "
)


class BadCall(ValueError):
    """A tool call that cannot be carried out; the message is what the model is told."""


class DeepEyes(Pipeline):
    """Zooming in as a tool call. Crops are always of the picture that was asked about."""

    name = "deepeyes"

    def __init__(self, turns: int | None, tokens: int, form: str):
        """`turns`: calls of the model, at most (`TURNS` where it is null); 0 for the plain question. `tokens`: of each,
        at most. `form`: evaluation (the first call and answer of a turn, no bounds, crops on a grid of 28 pixels) or
        training (the last ones, clipped, small crops refused, no resizing)."""
        if form not in ("evaluation", "training"):
            raise UsageError(f"method.{self.name}.form={form} is unknown: choose evaluation or training")
        self.turns, self.tokens, self.form = TURNS[form] if turns is None else turns, tokens, form
        if self.turns < 0 or tokens < 1:
            raise UsageError(f"method.{self.name} needs turns of at least 0 and tokens of at least 1")

    def respond(self, request: Request) -> Generator[Request, Reply, Reply]:
        if len(request.pictures) != 1 or not self.turns:
            return (yield request)
        picture = request.pictures[0]
        turn = request.changed(text=lambda q: q + USER, system=SYSTEM)
        turn = replace(turn, max_new_tokens=self.tokens, stop=())
        shown, steps, calls, bad = picture, [], 0, 0
        reply = Reply("")
        for n in range(self.turns):
            reply = yield turn
            step = Step(reply.text, "", shown)
            steps.append(step)
            found = CALL[self.form].findall(reply.text)
            if ANSWER.search(reply.text) or not found or n == self.turns - 1:
                break
            calls += 1
            try:
                box = self._box(found[0 if self.form == "evaluation" else -1], picture.size)
                shown = self._crop(picture, box)
                answer: tuple[str | Picture, ...] = ("<tool_response>", shown, USER, "</tool_response>")
                steps[-1] = replace(step, marks=(Mark("crop", "other", box=_fractions(box, picture.size)),))
            except BadCall as e:
                bad += 1
                told = f"Error: {e}"
                answer = (told if self.form == "training" else f"<tool_response>{told}{USER}</tool_response>",)
                steps[-1] = replace(step, told=str(e))
            said = (Message("assistant", (reply.text,)), Message("user", answer))
            turn = replace(turn, messages=(*turn.messages, *said))
        answers = ANSWER.findall(reply.text)
        text = answers[0 if self.form == "evaluation" else -1].strip() if answers else reply.text
        measures = {"turns": len(steps), "tool_calls": calls, "bad_calls": bad, "answered": float(bool(answers))}
        return replace(reply, text=text, measures=measures, steps=tuple(steps))

    def _box(self, call: str, size: tuple[int, int]) -> Box:
        """The box of a call in pixels. Raises BadCall."""
        try:
            said: Any = json.loads(call)
            x0, y0, x1, y1 = (float(v) for v in said["arguments"]["bbox_2d"])
            unknown = self.form == "training" and said["name"] != TOOL
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError) as e:
            raise BadCall("the tool call is not valid JSON with name and arguments.bbox_2d of four numbers") from e
        if unknown:
            raise BadCall(f"the only tool is {TOOL}")
        if not all(map(math.isfinite, (x0, y0, x1, y1))):
            raise BadCall("bbox_2d holds a number that is not finite")
        if self.form == "training":
            x0, y0, x1, y1 = max(0.0, x0), max(0.0, y0), min(float(size[0]), x1), min(float(size[1]), y1)
        width, height = x1 - x0, y1 - y0
        if round(x1) <= round(x0) or round(y1) <= round(y0):
            raise BadCall("bbox_2d is empty: left must be below right, and top below bottom")
        if max(width / height, height / width) > 100:
            raise BadCall("bbox_2d is more than 100 times as long as wide")
        if self.form == "training" and min(width, height) <= 30:
            raise BadCall("bbox_2d is too small: its sides must be more than 30 pixels")
        if width * height > max(AREA[1], size[0] * size[1]):
            raise BadCall("bbox_2d is too large")
        return x0, y0, x1, y1

    def _crop(self, picture: Picture, box: Box) -> Picture:
        size = on_grid(box[2] - box[0], box[3] - box[1]) if self.form == "evaluation" else None
        x0, y0, x1, y1 = map(round, box)
        return crop(picture, (x0, y0, x1, y1), size)


def on_grid(width: float, height: float) -> tuple[int, int]:
    """(width, height) rounded to multiples of 28, with an area between 4 and 16,384 tiles (Qwen's rule)."""
    w, h = max(GRID, round(width / GRID) * GRID), max(GRID, round(height / GRID) * GRID)
    if w * h > AREA[1]:
        shrink = math.sqrt(width * height / AREA[1])
        return math.floor(width / shrink / GRID) * GRID, math.floor(height / shrink / GRID) * GRID
    if w * h < AREA[0]:
        grow = math.sqrt(AREA[0] / (width * height))
        return math.ceil(width * grow / GRID) * GRID, math.ceil(height * grow / GRID) * GRID
    return w, h


def _fractions(box: Box, size: tuple[int, int]) -> Box:
    x0, y0, x1, y1 = (min(max(v / s, 0.0), 1.0) for v, s in zip(box, (*size, *size), strict=True))
    return x0, y0, x1, y1

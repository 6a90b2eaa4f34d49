"""From an answer to a point, by the rules of each protocol. A parser never guesses its coordinate space.

Points are in pixels of the screenshot. `size` is (width, height); None where no picture is at hand, and then only
answers in pixels can be read.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

Point = tuple[float, float]
Size = tuple[int, int] | None
NUMBER = re.compile(r"-?\d+(?:\.\d+)?|-?\.\d+")
AMOUNT = r"-?\d+(?:\.\d+)?%?"
"""A number as lmms-eval for v2 and Pro reads it: per cent, too, and with a digit before the dot."""
TAG = re.compile(r"<\s*bbox[^>]*>(.*?)<\s*/\s*bbox\s*>", re.IGNORECASE | re.DOTALL)
PAIR = re.compile(rf"[\[(]\s*({AMOUNT})\s*[,\s]\s*({AMOUNT})\s*[\])]")
QUAD = re.compile(rf"[\[(]\s*({AMOUNT})" + rf"[\s,]+({AMOUNT})" * 3 + r"\s*[\])]")
CORNERS = re.compile(rf"{PAIR.pattern}\s*,?\s*{PAIR.pattern}")
KEYS = [re.compile(rf"[\"']?{key}[\"']?\s*[:=]\s*({AMOUNT})", re.IGNORECASE) for key in "xy"]
BOXES = ("box", "rect")
"""Words that make four numbers a box."""
WHOLE = r"(-?\d+(?:\.\d+)?)"
RECTANGLE = re.compile(rf"[\[(]\s*{WHOLE},\s*{WHOLE},\s*{WHOLE},\s*{WHOLE}\s*[\])]")
FOUR = re.compile(r"\[\s*(-?\d*\.?\d+)\s*,\s*(-?\d*\.?\d+)\s*,\s*(-?\d*\.?\d+)\s*,\s*(-?\d*\.?\d+)\s*\]")


@dataclass(frozen=True)
class Reading:
    """What was read: the point, as a point or a box, and how many numbers the answer has. `form` is none where nothing
    was read; then a protocol may still have a point for it."""

    point: Point | None
    form: str = "none"
    numbers: int = 0

    def outside(self, size: Size) -> bool:
        """Whether the point lies beside the screenshot."""
        return bool(self.point and size and not (0 <= self.point[0] <= size[0] and 0 <= self.point[1] <= size[1]))


def _numbers(text: str) -> list[float]:
    return [float(n) for n in NUMBER.findall(text)]


def _scaled(x: float, y: float, size: Size, over: float = 1.0) -> Point | None:
    return None if size is None else (x / over * size[0], y / over * size[1])


def _made(point: Point | None, form: str, count: int) -> Reading:
    return Reading(point, form if point else "none", count)


def seeclick(text: str, size: Size) -> Reading:
    """SeeClick (pred_2_point): a <box> of thousandths, else exactly two numbers (a point) or four (a box) in 0..1."""
    values = _numbers(text)
    if "box" in text:
        found = re.search(r"<box>\((\d+),(\d+)\),\((\d+),(\d+)\)</box>", text)
        if found is None:
            return Reading(None, "none", len(values))
        x0, y0, x1, y1 = map(float, found.groups())
        return _made(_scaled((x0 + x1) / 2, (y0 + y1) / 2, size, 1000), "box", len(values))
    if len(values) == 2:
        return _made(_scaled(values[0], values[1], size), "point", 2)
    if len(values) == 4:
        return _made(_scaled((values[0] + values[2]) / 2, (values[1] + values[3]) / 2, size), "box", 4)
    return Reading(None, "none", len(values))


def point_or_box(text: str, size: Size) -> Reading:
    """The rules of `lmms_v2`, but four numbers are a box, whose centre counts: in brackets, as two adjacent corners,
    or alone. `.5` is read like `0.5`."""
    text = _zeros(text)
    amounts = re.findall(AMOUNT, text)
    if box := corners(text):
        return _clicked(("box", _centre(box)), len(amounts), size)
    return _clicked(_found(text, amounts), len(amounts), size)


def corners(text: str) -> list[float] | None:
    """The four numbers of a box: in brackets, as two adjacent corners, in a <bbox>, alone, or after a word for a box.
    None where the answer has a point, or neither."""
    text = _zeros(text)
    if found := QUAD.search(text) or CORNERS.search(text):
        return [_amount(v) for v in found.groups()]
    tagged = TAG.search(text)
    inside = re.findall(AMOUNT, tagged[1]) if tagged else []
    if len(inside) >= 4:
        return [_amount(v) for v in inside[:4]]
    amounts = re.findall(AMOUNT, text)
    if PAIR.search(text) or ((x := KEYS[0].search(text)) and KEYS[1].search(text, x.end())):
        return None
    named = len(amounts) >= 4 and any(word in text.lower() for word in BOXES)
    alone = len(amounts) == 4 and not KEYS[0].search(text)
    return [_amount(v) for v in amounts[:4]] if named or alone else None


def _zeros(text: str) -> str:
    """`.5` as `0.5`."""
    return re.sub(r"(?<![\d.])\.(?=\d)", "0.", text)


def lmms_v2(text: str, size: Size) -> Reading:
    """lmms-eval for v2 and Pro: the centre of a <bbox>, a pair in brackets, keys x and y, the centre of four numbers
    where the answer speaks of a box, the first two numbers. A value above 1 makes both pixels; 50% is 0.5.

    Its flaw: four numbers without a word for them are read by their first corner. Source: `_parse_point` of
    lmms_eval/tasks/screenspot_v2/utils.py, lmms-eval 0.7.3.
    """
    amounts = re.findall(AMOUNT, text)
    return _clicked(_found(text, amounts), len(amounts), size)


def _clicked(found: tuple[str, Point | None], count: int, size: Size) -> Reading:
    form, read = found
    if not read:
        return Reading(None, "none", count)
    x, y = read
    return _made((x, y) if x > 1 or y > 1 else _scaled(x, y, size), form, count)


def _found(text: str, amounts: list[str]) -> tuple[str, Point | None]:
    tagged = TAG.search(text)
    inside = re.findall(AMOUNT, tagged[1]) if tagged else []
    if len(inside) >= 4:
        return "box", _centre([_amount(v) for v in inside[:4]])
    if found := PAIR.search(text):
        return "point", (_amount(found[1]), _amount(found[2]))
    if (x := KEYS[0].search(text)) and (y := KEYS[1].search(text, x.end())):
        return "point", (_amount(x[1]), _amount(y[1]))
    if len(amounts) >= 4 and any(word in text.lower() for word in BOXES):
        return "box", _centre([_amount(v) for v in amounts[:4]])
    if len(amounts) >= 2:
        return "point", (_amount(amounts[0]), _amount(amounts[1]))
    return "none", None


def _amount(text: str) -> float:
    return float(text[:-1]) / 100 if text.endswith("%") else float(text)


def _centre(box: list[float]) -> Point:
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


def lmms_v1(text: str, size: Size) -> Reading:
    """lmms-eval for v1: the first four numbers in square or round brackets as a box in 0..1, thousandths if one is
    above 1. An answer without them is a click on (0, 0).

    Source: `parse_float_sequence_within` of lmms_eval/tasks/screenspot/utils_rec.py, lmms-eval 0.7.3.
    """
    found = RECTANGLE.search(text)
    count = len(_numbers(text))
    if found is None:
        return Reading((0.0, 0.0), "none", count)
    box = [float(v) for v in found.groups()]
    return _made(_scaled(*_centre(box), size, 1000 if max(box) > 1 else 1), "box", count)


def pro_gpt(text: str, size: Size) -> Reading:
    """ScreenSpot-Pro's wrapper for chat models: a point [[x,y]] in 0..1, else the centre of a box [[x0,y0,x1,y1]]."""
    count = len(_numbers(text))
    if found := re.search(r"\[\[\s*(\d*\.?\d+)\s*,\s*(\d*\.?\d+)\s*\]\]", text):
        return _made(_scaled(float(found[1]), float(found[2]), size), "point", count)
    if found := FOUR.search(text):
        x0, y0, x1, y1 = map(float, found.groups())
        return _made(_scaled((x0 + x1) / 2, (y0 + y1) / 2, size), "box", count)
    return Reading(None, "none", count)


def ui_tars(text: str, size: Size) -> Reading:
    """UI-TARS: click(start_box='(x,y)') with thousandths of each side; the last action counts."""
    count = len(_numbers(text))
    found = re.findall(r"(?:start_box|point)\s*=\s*['\"][^'\"\d-]*(-?\d+)[,\s]+(-?\d+)", text)
    found = found or re.findall(r"\((-?\d+)\s*,\s*(-?\d+)\)", text)
    if not found:
        return Reading(None, "none", count)
    return _made(_scaled(float(found[-1][0]), float(found[-1][1]), size, 1000), "point", count)


def _plain(over: float | None) -> Callable[[str, Size], Reading]:
    def parse(text: str, size: Size) -> Reading:
        values = _numbers(text)
        if len(values) not in (2, 4):
            return Reading(None, "none", len(values))
        form = "point" if len(values) == 2 else "box"
        x, y = values if form == "point" else ((values[0] + values[2]) / 2, (values[1] + values[3]) / 2)
        return _made((x, y) if over is None else _scaled(x, y, size, over), form, len(values))

    return parse


normalized = _plain(1.0)
"""Two numbers or four in 0..1, nothing else."""
thousand = _plain(1000.0)
"""Two numbers or four in 0..1000."""
pixel = _plain(None)
"""Two numbers or four in pixels of the screenshot."""


def written(x: float, y: float, parser: str) -> str:
    """A click as a parser reads it: of pixels for `pixel`, else of fractions of the sides."""
    if parser in ("thousand", "ui_tars"):
        return f"({round(1000 * x)},{round(1000 * y)})"
    if parser == "lmms_v1":
        return f"[{x:.4f}, {y:.4f}, {x:.4f}, {y:.4f}]"
    if parser == "pro_gpt":
        return f"[[{x:.4f},{y:.4f}]]"
    return f"[{x:.4f}, {y:.4f}]"


EITHER = ("point_or_box", "lmms_v2")
"""Parsers that take values above 1 for pixels, and others for fractions."""
PARSERS: dict[str, Callable[[str, Size], Reading]] = {
    "point_or_box": point_or_box,
    "seeclick": seeclick,
    "lmms_v2": lmms_v2,
    "lmms_v1": lmms_v1,
    "pro_gpt": pro_gpt,
    "ui_tars": ui_tars,
    "normalized": normalized,
    "thousand": thousand,
    "pixel": pixel,
}

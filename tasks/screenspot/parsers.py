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
PAIR = re.compile(r"[\[(]\s*(-?\d*\.?\d+)\s*,\s*(-?\d*\.?\d+)")
FOUR = re.compile(r"\[\s*(-?\d*\.?\d+)\s*,\s*(-?\d*\.?\d+)\s*,\s*(-?\d*\.?\d+)\s*,\s*(-?\d*\.?\d+)\s*\]")


@dataclass(frozen=True)
class Reading:
    """What was read: the point (None: wrong format), as a point or a box, and how many numbers the answer has."""

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


def lmms_v2(text: str, size: Size) -> Reading:
    """lmms-eval for v2 and Pro: <bbox> centre, first bracketed pair, x and y keys, first two numbers. Values above 1
    are taken as pixels; of a bracketed box the first corner is read (its flaw)."""
    values = _numbers(text)
    form, x, y = "point", None, None
    if found := re.search(r"<bbox>(.*?)</bbox>", text, re.DOTALL):
        inside = _numbers(found[1])
        if len(inside) >= 4:
            form, x, y = "box", (inside[0] + inside[2]) / 2, (inside[1] + inside[3]) / 2
    if x is None and (found := PAIR.search(text)):
        x, y = float(found[1]), float(found[2])
    if x is None:
        keys = [re.search(rf"[\"']?{k}[\"']?\s*[:=]\s*(-?\d*\.?\d+)", text) for k in "xy"]
        if all(keys):
            x, y = (float(k[1]) for k in keys if k)
    if x is None and len(values) >= 2:
        x, y = values[:2]
    if x is None or y is None:
        return Reading(None, "none", len(values))
    if x > 1 or y > 1:
        return Reading((x, y), form, len(values))
    return _made(_scaled(x, y, size), form, len(values))


def lmms_v1(text: str, size: Size) -> Reading:
    """lmms-eval for v1: the first four bracketed numbers as a box in 0..1, thousandths if one is above 1."""
    found = FOUR.search(text)
    count = len(_numbers(text))
    if found is None:
        return Reading(None, "none", count)
    box = [float(v) for v in found.groups()]
    over = 1000 if any(v > 1 for v in box) else 1
    return _made(_scaled((box[0] + box[2]) / 2, (box[1] + box[3]) / 2, size, over), "box", count)


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

PARSERS: dict[str, Callable[[str, Size], Reading]] = {
    "seeclick": seeclick,
    "lmms_v2": lmms_v2,
    "lmms_v1": lmms_v1,
    "pro_gpt": pro_gpt,
    "ui_tars": ui_tars,
    "normalized": normalized,
    "thousand": thousand,
    "pixel": pixel,
}

"""The live page as scripts see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

READ = """(css) => { harness.mark(); return [...document.querySelectorAll(css)].map((e) => {
  const b = e.getBoundingClientRect(), s = getComputedStyle(e);
  const spots = [[.5, .5], [.1, .2], [.9, .2], [.1, .8], [.9, .8], [.5, .1], [.5, .9]];
  const seen = spots.map(([p, q]) => [b.x + p * b.width, b.y + q * b.height])
                    .find(([x, y]) => document.elementFromPoint(x, y) === e) ?? [b.x + b.width / 2, b.y + b.height / 2];
  return {bid: e.getAttribute("bid"), text: (e.innerText ?? e.textContent ?? "").trim(), value: String(e.value ?? ""),
          checked: !!e.checked, tag: e.tagName.toLowerCase(), id: e.id, cls: e.getAttribute("class") ?? "",
          fill: e.getAttribute("fill") ?? "", colour: s.backgroundColor, type: e.type ?? "",
          x: seen[0], y: seen[1], w: b.width, h: b.height, cx: b.x + b.width / 2, cy: b.y + b.height / 2};
}); }"""


@dataclass(frozen=True)
class Element:
    """`x`, `y` is a point where it is seen, `cx`, `cy` its middle, in pixels of the page."""

    bid: str
    text: str
    value: str
    checked: bool
    tag: str
    id: str
    cls: str
    fill: str
    colour: str
    type: str
    x: float
    y: float
    w: float
    h: float
    cx: float
    cy: float


class PageView:
    """What a script may ask of the page."""

    def __init__(self, evaluate: Callable[..., Any]):
        self._evaluate = evaluate

    def all(self, css: str) -> list[Element]:
        return [Element(**e) for e in self._evaluate(READ, css)]

    def one(self, css: str, text: str | None = None) -> Element:
        """The first element that is seen and has this text."""
        for e in self.all(css):
            if e.w > 0 and (text is None or e.text == text):
                return e
        raise LookupError(f"no {css} {text or ''}")

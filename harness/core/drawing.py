"""What pages of samples draw: boxes and points over a picture, and words of an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Role = Literal["target", "right", "wrong", "other"]
"""What the key says; what the answer says, rightly or wrongly; anything else that helps to see."""


@dataclass(frozen=True)
class Mark:
    """One thing to draw. Coordinates are fractions of the picture's width and height, from its top left corner.

    Args:
        label: What it is, in a word or two ("dog", "click").
        role: Which colour it gets.
        box: (x0, y0, x1, y1).
        point: (x, y).
        words: Words of the answer that speak of it; they are underlined and linked to the box.
        picture: Which of the pictures it lies on, counted from 0.
    """

    label: str
    role: Role = "other"
    box: tuple[float, float, float, float] | None = None
    point: tuple[float, float] | None = None
    words: Sequence[str] = ()
    picture: int = 0

    def as_json(self) -> dict[str, Any]:
        """Without what is empty."""
        places = {k: [round(v, 5) for v in at] for k, at in (("box", self.box), ("point", self.point)) if at}
        words = {"words": list(self.words)} if self.words else {}
        return {"label": self.label, "role": self.role, **places, **words, "picture": self.picture}

    @staticmethod
    def of(row: Mapping[str, Any]) -> Mark:
        """From its JSON. Raises KeyError, TypeError, ValueError."""
        box, point = _numbers(row.get("box"), 4), _numbers(row.get("point"), 2)
        words = tuple(map(str, row.get("words") or ()))
        return Mark(str(row["label"]), row["role"], box, point, words, int(row.get("picture", 0)))  # type: ignore[arg-type]


def _numbers(values: Any, count: int) -> tuple[float, ...] | None:
    if values is None:
        return None
    if not isinstance(values, list) or len(values) != count:
        raise ValueError(f"{values!r:.40} is not a list of {count} numbers")
    return tuple(float(v) for v in values)

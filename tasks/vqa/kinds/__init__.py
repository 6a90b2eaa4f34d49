"""How a question is asked and its answer scored, by the kind of its right answer."""

from harness.tasks.vqa.kinds.choice import Choice
from harness.tasks.vqa.kinds.free import Free
from harness.tasks.vqa.kinds.kind import How, Kind
from harness.tasks.vqa.kinds.number import Number
from harness.tasks.vqa.kinds.places import BoxKind, PointKind
from harness.tasks.vqa.kinds.short import METRICS, Short
from harness.tasks.vqa.kinds.yesno import YesNo

KINDS: dict[str, type[Kind]] = {kind.name: kind for kind in (YesNo, Choice, Short, Number, BoxKind, PointKind, Free)}
PLACED = (BoxKind.name, PointKind.name)
"""Kinds whose right answer is a box on the picture."""
PARSERS = tuple(dict.fromkeys(name for kind in KINDS.values() for name in kind.parsers))

__all__ = ["KINDS", "METRICS", "PARSERS", "PLACED", "How", "Kind"]

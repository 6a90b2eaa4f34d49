"""The settings of a user's own questions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from harness import records
from harness.core import UsageError
from harness.core.errors import nearest
from harness.records.settings import AnyOf, Data, OneOf, Path, Revision, Rule, Whole, Within
from harness.tasks.screenspot.settings import CONVENTIONS
from harness.tasks.vqa.columns import ROLES
from harness.tasks.vqa.kinds import KINDS, METRICS, PARSERS

CALIBRATION = "calibration"
AUTO = "auto"
NAME = re.compile(r"\{(\w[\w .-]*)\}")
"""A place in a prompt: a column's name in braces."""


class Columns(Rule):
    """Role -> column, of those that are given; options and pictures may lie in several columns."""

    takes = "dict[str, str | list[str] | None]"

    def __init__(self) -> None:
        super().__init__(of_records=True)

    def __call__(self, key: str, value: Any) -> dict[str, tuple[str, ...]]:
        given = {}
        for role, names in (value or {}).items():
            if role not in ROLES:
                raise UsageError(f"unknown setting {key}.{role}: {nearest(str(role), ROLES)}")
            listed = names if isinstance(names, list | tuple) else () if names is None else (names,)
            if listed:
                given[role] = tuple(map(str, listed))
        return given


class Prompt(Rule):
    """A text with the columns' names in braces; null is that of the kind, and \\n a line break."""

    takes = "str | None"

    def __call__(self, key: str, value: Any) -> str:
        text = (value or "").replace("\\n", "\n")
        if text and not NAME.search(text):
            raise UsageError(f"{key}={value!r} asks the same of every record: write {{question}} where it belongs")
        return text


class Amount(Rule):
    """A number, 0 or more."""

    takes = "float"

    def __call__(self, key: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise UsageError(f"{key}={value} must be a number, 0 or more")
        return float(value)


class Share(Within):
    """A part of the pictures; all of them would leave nothing to evaluate."""

    def __init__(self) -> None:
        super().__init__(0, 0.9)
        self.of_records = True


@dataclass(frozen=True, kw_only=True)
class Settings(records.Settings):
    data: Annotated[str, Data(hub=("local", CALIBRATION), files=())]
    hub: Annotated[str | None, Rule(of_records=True)]
    config: Annotated[str | None, Rule(of_records=True)]
    split: Annotated[str, Rule(of_records=True)]
    revision: Revision
    files: Annotated[tuple[str, ...], AnyOf()]
    images: Path
    columns: Annotated[Mapping[str, tuple[str, ...]], Columns()]
    kind: Annotated[str, OneOf((AUTO, *KINDS))]
    parser: Annotated[str, OneOf((AUTO, *PARSERS))]
    metric: Annotated[str, OneOf((AUTO, *METRICS))]
    prompt: Annotated[str, Prompt()]
    counted_from: Annotated[int | None, OneOf((None, 0, 1), of_records=True)]
    bbox: Annotated[str, OneOf(CONVENTIONS, of_records=True)]
    tolerance: Annotated[float, Amount()]
    absolute: Annotated[float, Amount()]
    calibration: Annotated[float, Share()]
    calibration_seed: Annotated[int, Whole(0, of_records=True)]

    def __post_init__(self) -> None:
        if self.root is not None and self.hub is not None:
            raise UsageError(f"task.root={self.root} and task.hub={self.hub} both bring questions: give one of them")
        if self.root is None and self.hub is None:
            raise UsageError(
                "task=vqa asks your own questions: name their folder or file by task.root=PATH, or a dataset of the "
                "hub by task.hub=NAME"
            )
        super().__post_init__()
        if self.data == CALIBRATION and not self.calibration:
            raise UsageError(
                "task.data=calibration needs a share of the pictures that no evaluation uses: give "
                "task.calibration=0.2 here and in every run"
            )

    def facts(self) -> dict[str, Any]:
        columns = {role: names[0] if len(names) == 1 else list(names) for role, names in self.columns.items()}
        return {**super().facts(), "columns": columns}

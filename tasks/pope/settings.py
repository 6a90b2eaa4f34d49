"""The settings of POPE."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from harness import records
from harness.records.settings import Data, Ending, OneOf, Path, Revision, SomeOf
from harness.tasks.pope.parsers import PARSERS
from harness.tasks.pope.scoring import SPLITS

EMBEDDED = ("embedded", "calibration")
PHOTOS = "photos"
OFFICIAL = ("coco", "aokvqa", "gqa")


@dataclass(frozen=True, kw_only=True)
class Settings(records.Settings):
    data: Annotated[str, Data(own=(*EMBEDDED, PHOTOS), hub=OFFICIAL)]
    images: Path
    revision: Revision
    splits: Annotated[tuple[str, ...], SomeOf(SPLITS, ordered=True)]
    suffix: Annotated[str, Ending()]
    parser: Annotated[str, OneOf(PARSERS)]

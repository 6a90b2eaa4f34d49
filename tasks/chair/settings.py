"""The settings of CHAIR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from harness import records
from harness.records.settings import Data, OneOf, Path, Revision
from harness.tasks.chair.captions import LEMMATIZERS, VOCABULARIES

EMBEDDED = ("embedded", "calibration")
HUB = {"coco": ("tsunghanwu/mscoco_chair", "test"), "coco2017": ("MM-Hallu/CHAIR", "test")}


@dataclass(frozen=True, kw_only=True)
class Settings(records.Settings):
    data: Annotated[str, Data(own=EMBEDDED, hub=HUB)]
    images: Path
    revision: Revision
    ids: Path
    prompt: str
    vocabulary: Annotated[str, OneOf(VOCABULARIES)]
    lemmatizer: Annotated[str, OneOf(LEMMATIZERS)]

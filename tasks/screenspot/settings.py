"""The settings of ScreenSpot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

from harness import records
from harness.core import UsageError
from harness.records.settings import Data, OneOf, Path, Revision, Rule
from harness.tasks.screenspot.parsers import PARSERS

HUB = {"v1": "rootsautomation/ScreenSpot", "v2": "HongxinLi/ScreenSpot_v2", "pro": "likaixin/ScreenSpot-Pro"}
CONVENTIONS = ("auto", "xywh_pixels", "xyxy_pixels", "xyxy_normalized")
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


class Prompt(Rule):
    """The name of a prompt, or a text with a place for the instruction."""

    def __call__(self, key: str, value: Any) -> str:
        if value not in PROMPTS and "{}" not in value:
            names = ", ".join(PROMPTS)
            raise UsageError(f"{key}={value!r}: choose one of {names}, or write a text with {{}} in it")
        return value


@dataclass(frozen=True, kw_only=True)
class Settings(records.Settings):
    data: Annotated[str, Data(own=("embedded",), hub=HUB)]
    images: Path
    revision: Revision
    bbox: Annotated[str, OneOf(CONVENTIONS, of_records=True)]
    prompt: Annotated[str, Prompt()]
    parser: Annotated[str, OneOf(PARSERS)]

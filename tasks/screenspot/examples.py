"""Training examples of ScreenSpot: clicks into the middle of elements, on pages from seeds of their own."""

from __future__ import annotations

import random
from collections.abc import Iterator

from harness.browser import chromium
from harness.core import Picture
from harness.embedded.examples import Example, played
from harness.records import RecordTask, with_record
from harness.tasks.screenspot.generate import shoot
from harness.tasks.screenspot.pages import SCREENS, page
from harness.tasks.screenspot.sources import Target


def examples(task: RecordTask, each: int) -> Iterator[Example]:
    """Every target of `each` pages of every platform. Coordinates have two digits: more than 96 pixels can show would
    be noise."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for i in range(each):
            for platform, (width, height, _) in SCREENS.items():
                made = page(platform, random.Random(f"train {platform} {i}"))
                shot, boxes = shoot(browser, made, scale=1)
                for target in made.targets:
                    if target.mark not in boxes:
                        continue
                    x, y, w, h = boxes[target.mark]
                    box = (x, y, x + w, y + h)
                    found = Target("train", "train", platform, target.instruction, box, picture=Picture(shot))
                    sample = with_record(task.sample(found), found)
                    point = (x + w / 2) / width, (y + h / 2) / height
                    for request, _ in played(task, sample, lambda _: ""):
                        yield request, "[{:.2f}, {:.2f}]".format(*point), f"screenspot {platform}"
        browser.close()

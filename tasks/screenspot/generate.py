"""Build the embedded records: python -m harness.tasks.screenspot.generate [--check] [--out DIR].

Pages are rendered by a real browser (Playwright with Chromium), and boxes are read from it. Other fonts or another
browser give other pixels: the records are committed, and --check compares what the pages say, not how they look.
"""

from __future__ import annotations

import argparse
import io
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from harness.browser import chromium
from harness.tasks.screenspot.pages import SCREENS, Page, page

PAGES = 20
"""Pages of each platform."""
EACH = 3
"""Text targets and icon targets of a page."""
LEAST, MOST = 0.0002, 0.03
"""Share of the screen that a target may cover."""

FIND = """() => [...document.querySelectorAll('[data-target]')].map(e => {
  const b = e.getBoundingClientRect();
  const at = (x, y) => { const f = document.elementFromPoint(x, y); return f && (f === e || e.contains(f)); };
  const inside = b.x >= 0 && b.y >= 0 && b.right <= innerWidth && b.bottom <= innerHeight;
  const seen = inside && at(b.x + b.width / 2, b.y + b.height / 2) && at(b.x + 2, b.y + b.height / 2);
  return {mark: e.dataset.target, box: [b.x, b.y, b.width, b.height], seen};
})"""


def pages() -> list[tuple[str, Page]]:
    """(name, page), every platform in turn."""
    return [
        (f"{platform}_{i:02d}", page(platform, random.Random(f"screenspot {platform} {i}")))
        for platform in SCREENS
        for i in range(PAGES)
    ]


def wanted(name: str, made: Page, seen: Sequence[str]) -> list[Any]:
    """The targets that are asked for: as many texts as icons, drawn at random among those that are seen."""
    rng = random.Random(f"targets {name}")
    out = []
    for kind in ("text", "icon"):
        there = [t for t in made.targets if t.kind == kind and t.mark in seen]
        out += rng.sample(there, EACH)
    return out


def shoot(browser: Any, made: Page, scale: float) -> tuple[bytes, dict[str, list[float]]]:
    """(screenshot as PNG, box of each target that is seen and of fair size as x, y, width, height in CSS pixels)."""
    width, height, _ = SCREENS[made.platform]
    context = browser.new_context(viewport={"width": width, "height": height}, device_scale_factor=scale)
    tab = context.new_page()
    tab.set_content(made.html)
    found = tab.evaluate(FIND)
    picture = tab.screenshot(animations="disabled", caret="hide")
    context.close()
    fair = [f for f in found if f["seen"] and LEAST <= _share(f["box"], width, height) <= MOST]
    return picture, {f["mark"]: f["box"] for f in fair}


def build() -> tuple[pa.Table, pa.Table]:
    """(records in v1's schema, pictures)."""
    from playwright.sync_api import sync_playwright

    records: list[dict[str, Any]] = []
    pictures = []
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for name, made in pages():
            scale = SCREENS[made.platform][2]
            picture, boxes = shoot(browser, made, scale)
            pictures.append({"image": f"{name}.webp", "bytes": _webp(picture)})
            records += [
                {
                    "id": f"{name}_{target.mark}",
                    "img_filename": f"{name}.webp",
                    "instruction": target.instruction,
                    "bbox": [round(v * scale, 1) for v in boxes[target.mark]],
                    "data_type": target.kind,
                    "platform": made.platform,
                    "convention": "xywh_pixels",
                }
                for target in wanted(name, made, list(boxes))
            ]
        browser.close()
    texts = ("id", "img_filename", "instruction", "data_type", "platform", "convention")
    kinds = {**dict.fromkeys(texts, pa.string()), "bbox": pa.list_(pa.float64())}
    images = pa.schema([("image", pa.string()), ("bytes", pa.binary())])
    return pa.Table.from_pylist(records, pa.schema(list(kinds.items()))), pa.Table.from_pylist(pictures, images)


def _share(box: Sequence[float], width: int, height: int) -> float:
    return box[2] * box[3] / (width * height)


def _webp(png: bytes) -> bytes:
    from PIL import Image

    file = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(file, "WEBP", lossless=True, method=6)
    return file.getvalue()


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m harness.tasks.screenspot.generate", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "embedded")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 if the instructions differ")
    given = parser.parse_args(words)
    if given.check:
        stored = {r["id"]: r["instruction"] for r in pq.read_table(given.out / "records.parquet").to_pylist()}
        said = {f"{name}_{t.mark}": t.instruction for name, made in pages() for t in made.targets}
        same = all(said.get(k) == v for k, v in stored.items())
        print(f"instructions {'equal' if same else 'differ'}")
        return int(not same)
    records, pictures = build()
    given.out.mkdir(parents=True, exist_ok=True)
    pq.write_table(records, given.out / "records.parquet", compression="zstd")
    pq.write_table(pictures, given.out / "images.parquet", compression="none")
    size = sum((given.out / f"{n}.parquet").stat().st_size for n in ("records", "images")) / 1e6
    print(f"{len(pictures)} pages, {len(records)} instructions, {size:.2f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())

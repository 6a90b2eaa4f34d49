"""Training examples for small models: what an expert answers on other items than the embedded ones.

    python -m harness.tasks.examples stare --out DIR --each 100

Each example is a request as the task itself makes it, in the embedded model's chat template, with the answer that
scores: the generator's items come from seeds that no embedded record uses. `harness.embedded.tiny_llava.train --examples` reads
the folder: `examples.jsonl` (prompt with `<image>` where a picture stands, answer, pictures by number, task) and
`pictures.npy` (uint8, n x 96 x 96 x 3, as the model's processor shrinks them).
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from harness.core import Picture, Reply, Request, Sample, Task

Example = tuple[Request, str, str]
"""The request, the answer, the kind."""


def _task(kind: type[Task], **settings: Any) -> Task:
    """With the defaults of its task.yaml."""
    path = Path(__file__).parent / kind.__module__.split(".")[1] / "task.yaml"
    defaults = yaml.safe_load(path.read_text())["defaults"]
    return kind(**{**defaults, "data": "embedded", **settings})


def _played(task: Task, sample: Sample, say: Callable[[Request], str | None]) -> Iterator[tuple[Request, str]]:
    """Requests of one episode with what `say` answers; None ends it."""
    episode = task.episode(sample)
    try:
        request = next(episode)
        while (answer := say(request)) is not None:
            yield request, answer
            request = episode.send(Reply(answer))
    except StopIteration:
        return
    finally:
        episode.close()


def stare(each: int) -> Iterator[Example]:
    from harness.tasks.stare.generate import KINDS, png, puzzle
    from harness.tasks.stare.scoring import CONFIGS, simulated
    from harness.tasks.stare.sources import record
    from harness.tasks.stare.task import Stare

    task = _task(Stare)
    for i in range(each):
        for config in CONFIGS:
            made = puzzle(config, random.Random(f"train {config} {i}"), KINDS[i % 3] if simulated(config) else "")
            row = {"question": made.question, "answer": made.answer, "images": []}
            found = record(row, config, f"{config}-{i}", [Picture(png(image)) for image in made.images])
            sample = Sample(found.id, found.id, config, found.answer, {"record": found})
            for request, _ in _played(task, sample, lambda _: ""):
                yield request, f"\\boxed{{{made.answer}}}", f"stare {config}"


def vic_bench(each: int) -> Iterator[Example]:
    from harness.tasks.vic_bench.sources import Record
    from harness.tasks.vic_bench.task import VicBench
    from harness.tasks.vic_bench.worlds import WORLDS

    task = _task(VicBench)
    for i in range(each):
        for world in WORLDS.values():
            found = Record(f"{world.name}-{i}", world.name, world.make(random.Random(f"train {world.name} {i}")))
            for stage in (1, 2, 3):
                sample = Sample(f"{found.id}-s{stage}", found.id, world.name, None, {"record": found, "stage": stage})
                turns = list(_played(task, sample, lambda r, s=sample: task.oracle(s, r)))
                for request, answer in random.Random(i).sample(turns, min(3, len(turns))):
                    yield request, answer, f"vic_bench {world.name} {stage}"


def screenspot(each: int) -> Iterator[Example]:
    """Coordinates with two digits: more than 96 pixels can show would be noise."""
    from playwright.sync_api import sync_playwright

    from harness.browser import chromium
    from harness.tasks.screenspot.generate import shoot
    from harness.tasks.screenspot.pages import SCREENS, page
    from harness.tasks.screenspot.task import ScreenSpot

    task = _task(ScreenSpot)
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
                    data = {"instruction": target.instruction, "picture": Picture(shot), "normalized": False}
                    sample = Sample("train", "train", platform, [x, y, x + w, y + h], {**data, "image": ""})
                    point = (x + w / 2) / width, (y + h / 2) / height
                    for request, _ in _played(task, sample, lambda _: ""):
                        yield request, "[{:.2f}, {:.2f}]".format(*point), f"screenspot {platform}"
        browser.close()


def miniwob(each: int) -> Iterator[Example]:
    """What the experts click, as points; an episode is left where they type or drag, which a picture this small
    cannot teach. Seeds from 1000 on."""
    from harness.tasks.miniwob.actions import parse
    from harness.tasks.miniwob.task import MiniWob

    middle = """(bid) => { const b = document.querySelector(`[bid="${bid}"]`).getBoundingClientRect();
    return [Math.round(b.x + b.width / 2), Math.round(b.y + b.height / 2)]; }"""
    task = _task(MiniWob)
    assert isinstance(task, MiniWob)

    def point(sample: Sample, request: Request) -> str | None:
        action = parse(task.oracle(sample, request))
        if action.name == "mouse_click":
            x, y = action.values
            return f"mouse_click({float(x):.0f}, {float(y):.0f})"
        if action.name == "click":
            x, y = task.on_page(sample, middle, action.values[0])
            return f"mouse_click({x}, {y})"
        return None

    try:
        for i in range(each):
            for name in task.names:
                sample = Sample(f"{name}.{1000 + i}", name, name, None, {})
                for request, answer in _played(task, sample, lambda r, s=sample: point(s, r)):
                    yield request, answer, f"miniwob {name}"
    finally:
        task.close()


MAKERS = {"stare": stare, "vic_bench": vic_bench, "screenspot": screenspot, "miniwob": miniwob}


def write(examples: Iterator[Example], directory: Path) -> int:
    """Write the folder; the number of examples."""
    from transformers import AutoConfig, AutoProcessor

    from harness.embedded.scenes import GRID
    from harness.embedded.tiny_llava import WEIGHTS
    from harness.models.hf.prompts import Prompts

    prompts = Prompts(AutoProcessor.from_pretrained(WEIGHTS), AutoConfig.from_pretrained(WEIGHTS), chat="auto")
    directory.mkdir(parents=True, exist_ok=True)
    shown: dict[str, int] = {}
    pixels: list[np.ndarray] = []
    count = 0
    with (directory / "examples.jsonl").open("w") as file:
        for request, answer, kind in examples:
            for picture in request.pictures:
                if picture.digest not in shown:
                    shown[picture.digest] = len(pixels)
                    small = picture.load().convert("RGB").resize((GRID, GRID), Image.Resampling.BICUBIC)
                    pixels.append(np.asarray(small))
            row = {"kind": kind, "prompt": prompts.text(request), "answer": answer}
            row["pictures"] = [shown[p.digest] for p in request.pictures]
            file.write(json.dumps(row) + "\n")
            count += 1
    np.save(directory / "pictures.npy", np.stack(pixels))
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description="Training examples from the tasks' generators.")
    parser.add_argument("task", choices=sorted(MAKERS))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--each", type=int, default=100, help="items of each set, world, platform or page")
    given = parser.parse_args()
    print(f"{write(MAKERS[given.task](given.each), given.out)} examples")


if __name__ == "__main__":
    main()

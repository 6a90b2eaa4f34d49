"""Training examples for small models: what an expert answers on other items than the embedded ones.

    python -m harness.embedded.examples stare --out DIR --each 100

Each example is a request as the task itself makes it (`Task.examples`), in a model's chat template, with the answer
that scores. `harness.embedded.tiny_llava.train --examples` reads the folder, and with `--model smol-llava`
`harness.embedded.smol_llava train --examples`: `examples.jsonl` (prompt with
`<image>` where a picture stands, answer, pictures by number, kind) and `pictures.npy` (uint8, n x 96 x 96 x 3, as the
model's processor shrinks them).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from harness.core import HarnessError, Reply, Request, Sample, Task

if TYPE_CHECKING:
    from harness.models.hf.prompts import Prompts

MODELS = ("tiny-llava", "smol-llava")
"""Whose chat template is known here; the first is the default."""

Example = tuple[Request, str, str]
"""The request, the answer, the kind."""


def played(task: Task, sample: Sample, say: Callable[[Request], str | None]) -> Iterator[tuple[Request, str]]:
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


def prompts_of(model: str) -> Prompts:
    """The chat template of tiny-llava or smol-llava."""
    from harness.models.hf.prompts import Prompts

    if model == "smol-llava":
        from harness.embedded.smol_llava import language_model
        from harness.embedded.smol_llava.architecture import VISION
        from harness.models.smol.assemble import configuration, processor

        base = language_model()
        return Prompts(processor(base), configuration(base, VISION), chat="auto")
    from transformers import AutoConfig, AutoProcessor

    from harness.embedded.tiny_llava import WEIGHTS

    return Prompts(AutoProcessor.from_pretrained(WEIGHTS), AutoConfig.from_pretrained(WEIGHTS), chat="auto")


def write(examples: Iterator[Example], directory: Path, prompts: Prompts) -> int:
    """Write the folder; the number of examples."""
    from harness.embedded.scenes import GRID

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
            numbers = [shown[p.digest] for p in request.pictures]
            row = {"kind": kind, "prompt": prompts.text(request), "answer": answer, "pictures": numbers}
            file.write(json.dumps(row) + "\n")
            count += 1
    np.save(directory / "pictures.npy", np.stack(pixels))
    return count


def main(words: Sequence[str] | None = None) -> int:
    from harness.plugins.registry import Registry

    parser = argparse.ArgumentParser(prog="python -m harness.embedded.examples", description=__doc__)
    parser.add_argument("task", help="a task that makes examples: stare, vic_bench, screenspot, miniwob, or your own")
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--each", type=int, default=100, help="items of each set, world, platform or page")
    parser.add_argument("--model", choices=MODELS, default=MODELS[0], help="whose chat template")
    given = parser.parse_args(words)
    try:
        task = Registry().get("task", given.task).build(data="embedded")
        print(f"{write(task.examples(given.each), given.out, prompts_of(given.model))} examples")
    except HarnessError as e:
        print(f"harness: {e}", file=sys.stderr)
        return e.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

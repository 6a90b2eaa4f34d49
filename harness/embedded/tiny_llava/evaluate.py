"""Score a trained model on held-out pictures: `python -m harness.embedded.tiny_llava.evaluate`."""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from harness.embedded.scenes import BY_NAME, EVALUATION, SHOWS_ALSO, Scene, scene
from harness.embedded.tiny_llava import WEIGHTS
from harness.embedded.tiny_llava.conversations import COUNT, DETAIL, POINT
from harness.embedded.tiny_llava.scoring import (
    SPLITS,
    binary_scores,
    caption_scores,
    count_scores,
    point_scores,
    pope,
    says_yes,
)

PICTURE = 288
"""Side of evaluation pictures in pixels; the processor shrinks them to 96."""


class Answerer:
    """Greedy answers in batches."""

    def __init__(self, directory: Path) -> None:
        self.model: Any = AutoModelForImageTextToText.from_pretrained(directory, dtype=torch.float32).eval()
        self.processor = AutoProcessor.from_pretrained(directory)

    @torch.no_grad()
    def __call__(self, asked: list[tuple[Scene, str]], tokens: int, batch: int = 32) -> list[str]:
        """Answers to (scene, question) pairs, at most `tokens` long each."""
        answers: list[str] = []
        for k in range(0, len(asked), batch):
            part = asked[k : k + batch]
            prompts = [
                self.processor.apply_chat_template(
                    [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": q}]}],
                    add_generation_prompt=True,
                )
                for _, q in part
            ]
            inputs = self.processor(
                images=[s.picture for s, _ in part], text=prompts, return_tensors="pt", padding=True
            )
            out = self.model.generate(**inputs, max_new_tokens=tokens, do_sample=False)
            new = out[:, inputs["input_ids"].shape[1] :]
            answers += [t.strip() for t in self.processor.batch_decode(new, skip_special_tokens=True)]
        return answers


def evaluate(directory: Path, pictures: int, captions: int, suffix: str = "") -> dict[str, dict[str, float]]:
    """All scores of the card.

    Args:
        directory: The exported model.
        pictures: POPE pictures, six questions each in each split; also the pictures of counts and points.
        captions: Caption pictures.
        suffix: Appended to the POPE question.
    """
    answer = Answerer(directory)
    scenes = [scene(s, PICTURE, min_objects=3) for s in EVALUATION[: max(pictures, captions)]]
    scores: dict[str, dict[str, float]] = {}
    for split in SPLITS:
        asked = pope(scenes[:pictures], split)
        said = [says_yes(a) for a in answer([(scenes[q.picture], q.text + suffix) for q in asked], 6)]
        scores[f"pope_{split}"] = binary_scores(asked, said)
    described = scenes[:captions]
    texts = answer([(s, DETAIL[0]) for s in described], 64)
    scores["caption"] = caption_scores(described, texts)
    rng = np.random.default_rng(0)
    counts: list[tuple[Scene, str]] = []
    points: list[tuple[Scene, str]] = []
    for s in scenes[:pictures]:
        doubtful = {v for k, v in SHOWS_ALSO.items() if k in s.counts}
        counts += [(s, c) for c in s.objects if c not in doubtful]
        single = [c for c, n in s.counts.items() if n == 1]
        if single:
            points.append((s, single[rng.integers(len(single))]))
    replies = answer([(s, COUNT[0].format(p=BY_NAME[c].plural)) for s, c in counts], 4)
    scores["count"] = count_scores([s.counts[c] for s, c in counts], replies)
    boxes = [next(i.box for i in s.instances if i.category == c) for s, c in points]
    scores["point"] = point_scores(boxes, answer([(s, POINT[0].format(n=c)) for s, c in points], 14))
    for s, text in list(zip(described, texts, strict=True))[:5]:
        print(f"{s.seed}: {text}  [{', '.join(f'{n} {c}' for c, n in s.counts.items())}]")
    return scores


def main() -> None:
    """Score a trained model on held-out pictures."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--weights", type=Path, default=WEIGHTS)
    parser.add_argument("--pictures", type=int, default=200, help="POPE pictures")
    parser.add_argument("--captions", type=int, default=200)
    parser.add_argument("--suffix", default="", help="appended to the POPE question")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    for name, row in evaluate(args.weights, args.pictures, args.captions, args.suffix).items():
        print(json.dumps({"name": name, **row}))


if __name__ == "__main__":
    main()

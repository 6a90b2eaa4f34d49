"""Held-out questions and scores of the model card: POPE's construction, CHAIR's counting. No model here."""

import re
from collections import Counter
from dataclasses import dataclass

import numpy as np

from harness.embedded.scenes import CATEGORIES, NAMES, Scene, article

SPLITS = ("random", "popular", "adversarial")


@dataclass(frozen=True)
class Asked:
    """One POPE question about `scenes[picture]`."""

    picture: int
    category: str
    present: bool

    @property
    def text(self) -> str:
        """The question in POPE's official wording."""
        return f"Is there {article(self.category)} {self.category} in the image?"


def pope(scenes: list[Scene], split: str, seed: int = 0) -> list[Asked]:
    """Six questions a picture, yes and no in turn, by the official construction.

    Frequencies and co-occurrences are counted over `scenes`, each of which must show three categories or more.
    """
    rng = np.random.default_rng(seed)
    frequency = Counter(o for s in scenes for o in s.objects)
    together: dict[str, Counter[str]] = {n: Counter() for n in NAMES}
    for s in scenes:
        for o in s.objects:
            together[o].update(p for p in s.objects if p != o)
    asked = []
    for k, s in enumerate(scenes):
        used = set(s.objects)
        for positive in s.objects[:3]:
            order: list[str] = []
            if split == "popular":
                order = [n for n, _ in frequency.most_common()]
            elif split == "adversarial":
                order = [n for n, _ in together[positive].most_common()]
            negative = next((n for n in order if n not in used), None)
            if negative is None:
                negative = str(rng.choice([n for n in NAMES if n not in used]))
            used.add(negative)
            asked += [Asked(k, positive, True), Asked(k, negative, False)]
    return asked


def says_yes(answer: str) -> bool:
    """Whether POPE's official parser reads the answer as yes."""
    tokens = answer.split(".")[0].replace(",", "").split(" ")
    return not {"No", "not", "no"} & set(tokens)


def binary_scores(asked: list[Asked], yes: list[bool], seed: int = 0) -> dict[str, float]:
    """Accuracy with a 95 % bootstrap interval over pictures, precision, recall, F1 and yes ratio."""
    truth, said = np.array([a.present for a in asked]), np.array(yes)
    right, hits = truth == said, (truth & said).sum()
    precision, recall = hits / max(1, said.sum()), hits / truth.sum()
    pictures = np.array([a.picture for a in asked])
    share = np.bincount(pictures, right) / np.bincount(pictures)  # equally many questions each
    rng = np.random.default_rng(seed)
    low, high = np.percentile(share[rng.integers(len(share), size=(2000, len(share)))].mean(1), [2.5, 97.5])
    scores = {
        "accuracy": right.mean(),
        "low": low,
        "high": high,
        "precision": precision,
        "recall": recall,
        "f1": 2 * precision * recall / max(1e-9, precision + recall),
        "yes_ratio": said.mean(),
    }
    return {k: round(float(v), 4) for k, v in scores.items()} | {"n": len(asked)}


_FORMS = sorted(((form, c.name) for c in CATEGORIES for form in {c.name, c.plural}), key=lambda f: -len(f[0]))
_MENTION = re.compile(r"\b(" + "|".join(re.escape(f) for f, _ in _FORMS) + r")\b")


def mentions(text: str) -> list[str]:
    """Categories named in a text, in order, each mention; longest names first ("hot dog" is not a dog)."""
    names = dict(_FORMS)
    return [names[m] for m in _MENTION.findall(text)]


def spans(text: str) -> list[tuple[int, int]]:
    """Where each mention of `mentions` begins and ends."""
    return [m.span() for m in _MENTION.finditer(text)]


def caption_scores(scenes: list[Scene], captions: list[str]) -> dict[str, float]:
    """CHAIR_i (wrong share of mentions), CHAIR_s (share of captions with one), recall of visible categories,
    mentions a caption, and the share of captions that name a category twice."""
    named = [mentions(c) for c in captions]
    wrong = [[m for m in found if m not in s.objects] for found, s in zip(named, scenes, strict=True)]
    total = sum(map(len, named))
    covered = sum(len(set(found) & set(s.objects)) for found, s in zip(named, scenes, strict=True))
    scores = {
        "chair_i": sum(map(len, wrong)) / max(1, total),
        "chair_s": np.mean([bool(w) for w in wrong]),
        "recall": covered / sum(len(s.objects) for s in scenes),
        "mentions": total / len(scenes),
        "repeating": np.mean([len(set(found)) < len(found) for found in named]),
    }
    return {k: round(float(v), 4) for k, v in scores.items()} | {"n": len(scenes)}


def point_scores(boxes: list[tuple[float, float, float, float]], answers: list[str]) -> dict[str, float]:
    """Share of answered points inside the box, and the median distance to its middle (picture side = 1)."""
    inside, distances = [], []
    for (x0, y0, x1, y1), answer in zip(boxes, answers, strict=True):
        numbers = [float(v) for v in re.findall(r"\d*\.\d+", answer)]
        x, y = numbers if len(numbers) == 2 else (9.0, 9.0)
        inside.append(x0 <= x <= x1 and y0 <= y <= y1)
        distances.append(np.hypot(x - (x0 + x1) / 2, y - (y0 + y1) / 2))
    scores = {"inside": np.mean(inside), "median_distance": np.median(distances)}
    return {k: round(float(v), 4) for k, v in scores.items()} | {"n": len(boxes)}


def count_scores(numbers: list[int], answers: list[str]) -> dict[str, float]:
    """Exact share, beside that of always answering 1, and the exact share where there are several."""
    right = np.array([a.strip() == str(n) for n, a in zip(numbers, answers, strict=True)])
    several = np.array(numbers) > 1
    scores = {"accuracy": right.mean(), "always_one": (np.array(numbers) == 1).mean(), "several": right[several].mean()}
    return {k: round(float(v), 4) for k, v in scores.items()} | {"n": len(numbers)}

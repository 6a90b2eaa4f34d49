"""Trained models on disk: weights in half precision with the network's shape, and beside them what training was like.

A folder holds a folder for each model, and that `COURSE-SEED.safetensors` and `COURSE-SEED.json`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.core.errors import Missing, first_line

COMMITTED = Path(__file__).parents[1] / "models" / "zoo" / "weights"

TIED = "lm_head.0.weight"
"""Stored as the embeddings where the two are one."""


@dataclass(frozen=True)
class Trained:
    """One model, trained on one course with one seed."""

    folder: Path
    name: str
    course: str
    seed: int

    @property
    def file(self) -> Path:
        """Its weights."""
        return self.folder / self.name / f"{self.course}-{self.seed}.safetensors"

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the weights' file, which holds the shape as well."""
        return hashlib.sha256(self.file.read_bytes()).hexdigest()

    @cached_property
    def shape(self) -> dict[str, Any]:
        """Keywords of the network's `Shape`, read from the head of the file. Raises Missing where it is damaged."""
        try:
            with self.file.open("rb") as file:
                head = json.loads(file.read(int.from_bytes(file.read(8), "little")))
            return json.loads(head["__metadata__"]["shape"])
        except (OSError, ValueError, KeyError, OverflowError, MemoryError) as e:
            raise Missing(f"{self.file} is damaged ({first_line(e)}): train it again") from e

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What is beside the weights: recipe, scores, seconds and the learning curve; empty where it is gone."""
        beside = self.file.with_suffix(".json")
        return json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else {}

    def load(self) -> Any:
        """The network, ready to answer. Raises Missing where the file is damaged."""
        from safetensors.torch import load_file

        network = self._empty()
        try:
            stored = {k: v.float() for k, v in load_file(self.file).items()}
            network.load_state_dict(network.state_dict() | stored)
            if absent := {k for k, v in network.state_dict().items() if k not in stored and v.numel()} - {TIED}:
                raise ValueError(f"it has no {min(absent)}")
        except Exception as e:  # readers of damaged files raise anything
            raise Missing(f"{self.file} is damaged ({first_line(e)}): train it again") from e
        return network.eval().requires_grad_(False)

    @property
    def sees(self) -> bool:
        """Whether it reads pictures: a tower, or a learner on one."""
        return "grid" in self.shape or "tower" in self.shape

    def _empty(self) -> Any:
        """The network before its weights are read."""
        shape = dict(self.shape)
        shape["mixers"] = tuple((name, options) for name, options in shape["mixers"])
        if "tower" in shape:
            from harness.zoo.towers import lanes

            frozen = trained_tower(self.folder, shape["tower"]["seed"])
            tower = frozen.load()
            if lanes.digest(tower) != shape["tower"]["digest"]:
                raise Missing(f"{self.file} was learnt on another tower than {frozen.file}: train it again")
            return lanes.learner(lanes.Shape(**shape), tower)
        if self.sees:
            from harness.zoo.towers import tower

            return tower.Tower(tower.Shape(**shape))
        from harness.zoo.network import Network, Shape

        return Network(Shape(**shape))

    def save(self, network: Any, facts: Mapping[str, Any]) -> None:
        """Write the weights and the facts beside them."""
        import torch
        from safetensors.torch import save_file

        state = network.state_dict()
        if network.tied:
            del state[TIED]
        tensors = {name: value.to(torch.float16).contiguous() for name, value in state.items()}
        self.file.parent.mkdir(parents=True, exist_ok=True)
        save_file(tensors, self.file, {"shape": json.dumps(network.shape.facts())})
        self.file.chmod(0o644)  # safetensors writes 0600
        self.file.with_suffix(".json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def trained_tower(folder: Path, seed: int) -> Trained:
    """The dense tower that learners of increments stand on: of the folder, else of those that come with harness. Raises
    Missing."""
    for place in (folder, COMMITTED):
        found = Trained(place, "dense", "scenes", seed)
        if found.file.is_file():
            return found
    how = f"harness zoo train mixer=dense task=scenes seed={seed}"
    raise Missing(f"learners of increments need the dense tower of their seed, which is missing: {how}")


def models(folder: Path = COMMITTED) -> list[str]:
    """Names of the models in a folder."""
    return sorted({p.parent.name for p in folder.glob("*/*.safetensors")})


def all_of(name: str, seed: int, folder: Path = COMMITTED) -> dict[str, Trained]:
    """What a model was trained on with a seed, by course."""
    found = sorted((folder / name).glob(f"*-{seed}.safetensors"))
    return {p.stem.rpartition("-")[0]: Trained(folder, name, p.stem.rpartition("-")[0], seed) for p in found}

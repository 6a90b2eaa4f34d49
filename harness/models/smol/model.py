"""smol-llava as the harness loads it: a package's language model, and the delta kept here, merged in memory."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import Any

from harness.core.errors import Missing
from harness.core.files import DIGESTS
from harness.models.hf.model import HFModel
from harness.models.hf.unpacked import unpacked

DELTAS = Path(__file__).parent / "weights"


class SmolLlava(HFModel):
    """A stock LlavaForConditionalGeneration.

    Args:
        delta: A safetensors file as `harness.models.smol.assemble` reads it, or the name of one in `DELTAS`. Its
            metadata hold the tower's sizes under `vision`, and under `base` the SHA-256 of the GGUF file that it was
            trained on.
        options: Of `HFModel`; `path` and `gguf` name the language model.
    """

    def __init__(self, delta: str, **options: Any):
        super().__init__(**options)
        own = DELTAS / f"{delta}.safetensors"
        self.delta = own if own.is_file() else Path(delta)
        if not self.delta.is_file():
            here = ", ".join(sorted(f.stem for f in DELTAS.glob("*.safetensors"))) or "none comes with this harness"
            raise Missing(
                f"model.delta={delta} is neither a file nor one of the deltas that ship with harness ({here}); "
                f"those of other seeds lie in the repository, in {DELTAS.relative_to(DELTAS.parents[3])}"
            )

    @cached_property
    def _checkpoint(self) -> str:
        """SHA-256 over the language model's file and the delta."""
        assert self.gguf
        parts = DIGESTS.of(Path(self.path) / self.gguf), DIGESTS.of(self.delta)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def read(self, **options: Any) -> tuple[Any, Any]:
        from safetensors import safe_open
        from safetensors.torch import load_file

        from harness.models.smol.assemble import assemble, processor

        assert self.gguf
        with safe_open(self.delta, "pt") as file:
            facts = file.metadata() or {}
        if facts.get("base") != DIGESTS.of(Path(self.path) / self.gguf):
            raise ValueError(f"{self.delta.name} was trained on another file than {self.gguf}")
        base = unpacked(Path(self.path), self.gguf)
        model = assemble(base, load_file(self.delta), json.loads(facts["vision"]), **options)
        return model, processor(base)

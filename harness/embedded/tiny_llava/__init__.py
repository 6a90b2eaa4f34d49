"""The embedded model: a real vision-language model of a few megabytes, trained from scratch on embedded pictures.

`WEIGHTS` is a stock LlavaForConditionalGeneration directory; importing this package loads neither torch nor
transformers.
"""

from pathlib import Path

WEIGHTS = Path(__file__).parents[2] / "models" / "tiny" / "weights"
"""Directory for `AutoModelForImageTextToText.from_pretrained` and `AutoProcessor.from_pretrained`; it lies beside the
models that load it."""

__all__ = ["WEIGHTS"]

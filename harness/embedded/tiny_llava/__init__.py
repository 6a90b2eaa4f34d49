"""The embedded model: a real vision-language model of a few megabytes, trained from scratch on embedded pictures.

`WEIGHTS` is a stock LlavaForConditionalGeneration directory; importing this package loads neither torch nor
transformers.
"""

from pathlib import Path

WEIGHTS = Path(__file__).parents[2] / "models" / "tiny" / "weights"
"""Directory, shipped beside the models that load it, for `AutoModelForImageTextToText.from_pretrained` and `AutoProcessor.from_pretrained`."""

__all__ = ["WEIGHTS"]

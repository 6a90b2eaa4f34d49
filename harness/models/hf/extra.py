"""`decoding.extra`: which arguments of transformers' `generate()` a run may set, beside those that the harness sets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.core.decoding import Decoding
from harness.core.errors import UsageError, nearest

TAKEN: dict[str, tuple[type, ...]] = {
    "bad_words_ids": (list,),
    "begin_suppress_tokens": (list,),
    "early_stopping": (bool, str),
    "exponential_decay_length_penalty": (list,),
    "forced_eos_token_id": (int, list),
    "length_penalty": (float,),
    "min_length": (int,),
    "min_new_tokens": (int,),
    "no_repeat_ngram_size": (int,),
    "remove_invalid_values": (bool,),
    "renormalize_logits": (bool,),
    "repetition_penalty": (float,),
    "sequence_bias": (list,),
    "suppress_tokens": (list,),
}
"""Those that act on the logits or on beams, with what they may be. Others choose tokens, run the model or keep its
cache, which the harness does itself."""
OF_BEAMS = ("early_stopping", "length_penalty")
OURS = {
    "do_sample": "decoding=greedy or nucleus",
    "max_length": "decoding.max_new_tokens=",
    "max_new_tokens": "decoding.max_new_tokens=",
    "num_beams": "decoding=beam decoding.num_beams=",
    "temperature": "decoding=nucleus decoding.temperature=",
    "top_k": "decoding=nucleus decoding.top_k=",
    "top_p": "decoding=nucleus decoding.top_p=",
}
"""Arguments that have a setting of their own."""
NAMES = {int: "a whole number", float: "a number", bool: "true or false", list: "a list", str: "a text"}


def check(decoding: Decoding) -> None:
    """Raises UsageError for a name that transformers does not have, that is not the user's to set, or a value of
    another kind."""
    if not decoding.extra:
        return
    from transformers import GenerationConfig

    known = [name for name in vars(GenerationConfig()) if not name.startswith("_")]
    for name, value in decoding.extra.items():
        key = f"decoding.extra.{name}"
        if name not in known:
            raise UsageError(f"unknown setting {key}: {nearest(name, TAKEN)}")
        if name in OURS:
            raise UsageError(f"{key} is set by the harness: give {OURS[name]}")
        if name not in TAKEN:
            raise UsageError(f"{key} is set or ruled out by the harness: choose one of {', '.join(TAKEN)}")
        if name in OF_BEAMS and decoding.strategy != "beam":
            raise UsageError(f"{key} acts on beams alone: add decoding=beam, or leave it out")
        if not _fits(value, TAKEN[name]):
            raise UsageError(f"{key}={value} must be {' or '.join(NAMES[kind] for kind in TAKEN[name])}")


def arguments(extra: Mapping[str, Any]) -> dict[str, Any]:
    """As transformers takes them: 2 as 2.0 where it wants a number."""
    return {name: float(value) if float in TAKEN.get(name, ()) else value for name, value in extra.items()}


def _fits(value: Any, kinds: tuple[type, ...]) -> bool:
    if isinstance(value, bool):
        return bool in kinds
    return isinstance(value, kinds) or (float in kinds and isinstance(value, int))

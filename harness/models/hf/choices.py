"""`decoding=choices`: the tokens by which a model says each of the answers that a task allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.core.errors import UsageError


def tokens_of(tokenizer: Any, choices: Sequence[str], model: str) -> dict[int, str]:
    """Token -> choice: all tokens whose whole text is a choice, whatever blanks are around it. Words count in lower
    case, in capitals and capitalised; a letter as it is, for " a" is an article.

    Raises:
        UsageError: no token is the choice, or one is two of them.
    """
    special = set(tokenizer.all_special_ids)
    vocabulary = [(piece, token) for piece, token in tokenizer.get_vocab().items() if token not in special]
    found: dict[int, str] = {}
    for choice in choices:
        forms = {choice} if len(choice) == 1 else {choice, choice.lower(), choice.upper(), choice.capitalize()}
        ends = tuple(forms)
        own = [i for piece, i in vocabulary if piece.endswith(ends) and tokenizer.decode([i]).strip() in forms]
        if not own:
            raise UsageError(f"model={model} has no single token for the choice {choice!r}: leave decoding=choices out")
        if twice := next((found[i] for i in own if i in found), None):
            raise UsageError(f"the choices {twice!r} and {choice!r} have one token: leave decoding=choices out")
        found |= dict.fromkeys(own, choice)
    return found

"""What is wrong with a configuration that Hydra composes, in our own words."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable
from typing import Any

from harness.config.literal import quoted
from harness.core.errors import HarnessError, Missing, UsageError, near


def missing(node: Any, path: str = "") -> str:
    """The first key that is still ???, or an empty string."""
    if node == "???":
        return path
    children = node.items() if isinstance(node, dict) else ()
    return next((found for k, v in children if (found := missing(v, f"{path}.{k}".lstrip(".")))), "")


def fault(error: Exception) -> HarnessError:
    """Hydra's and OmegaConf's errors as one of ours."""
    text = one_line(error)
    if match := re.search(r"Could not find '(hydra/launcher/\w+)'", text):
        return Missing(f"{match[1].replace('launcher/', 'launcher=')} is not installed: pip install 'harness[sweep]'")
    if match := re.search(r"Ambiguous value for argument '([^=]+)=(.*)'", text):
        return UsageError(
            f"{match[1]}={match[2]} holds several values: write {match[1]}=[{match[2]}] for a list, or sweep over them "
            "by -m"
        )
    word = getattr(error, "override", None)
    if word:
        key, _, value = word.partition("=")
        return UsageError(
            f"{word} cannot be read: quote the value, for example {shlex.quote(f'{key}={quoted(value)}')}"
        )
    return UsageError(text)


def one_line(error: Exception) -> str:
    """The first line, with the nearest key where one was misspelt; of an error of ours that a resolver raised, its
    own."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    text = text.removeprefix("UsageError raised while resolving interpolation: ")
    if match := re.search(r"Could not override '([^']+)'", text):
        text = f"unknown setting {match[1]}{_near(match[1])}"
    if text.startswith("Interpolation key"):
        text += ": a value with ${...} names another setting; for the text itself write \\${...}"
    return text


def _near(key: str) -> str:
    """The nearest keys of Hydra's own; the others were looked at before."""
    from hydra import compose, initialize_config_module

    with initialize_config_module("harness.config", version_base="1.3"):
        known = list(_keys(compose("eval", return_hydra_config=True)))
    return f": {near(key, known, 0.6) or 'see harness eval ... --cfg all for all settings'}"


def _keys(node: Any, path: str = "") -> Iterable[str]:
    for key in node:
        yield (at := f"{path}{key}")
        child = node._get_node(key)
        if hasattr(child, "keys") and child._value() is not None and not isinstance(child._value(), str):
            yield from _keys(child, f"{at}.")

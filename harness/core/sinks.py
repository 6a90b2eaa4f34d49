"""Texts that others wrote (ids, names, answers, messages) made safe for where they are printed: one function a sink."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

LONE_SURROGATE = re.compile("[\ud800-\udfff]")
SHAPES = ("\u200c", "\u200d")
"""Joiners, which Persian and emoji need; the other invisible characters can reorder or hide text."""
FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What a cell begins with that a spreadsheet calculates."""


def line(text: Any) -> str:
    """For a terminal or a log: one line without control characters, bidirectional overrides and lone surrogates, which
    are written as escapes. It cannot begin a command of GitHub's runners, which look for `::` and `##[`."""
    plain = str(text)
    if not plain.isprintable():
        plain = "".join(map(_visible, plain))
    plain = plain.replace("##[", "#\\#[")
    return f"\\{plain}" if plain.lstrip().startswith("::") else plain


def cell(text: Any) -> str:
    """For a cell of a Markdown table, or any line of Markdown: no column more, no HTML, no emphasis, no link behind
    other words, no picture, nobody mentioned."""
    plain = re.sub(r"[\\`*|~]", r"\\\g<0>", line(text))
    plain = re.sub(r"!(?=\[)|\](?=[(\[:])|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", plain)
    plain = plain.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"(?<!\w)@(?=\w)", "&#64;", plain)


def annotation(level: str, title: Any, message: Any) -> str:
    """A workflow command of GitHub: notice, warning or error."""
    named = line(title).replace("%", "%25").replace(":", "%3A").replace(",", "%2C")
    return f"::{level} title={named}::{line(message).replace('%', '%25')}"


def utf8(value: Any) -> Any:
    """For a file or a table in UTF-8: a lone surrogate (half an emoji, of an answer that was cut) becomes U+FFFD."""
    return LONE_SURROGATE.sub("\ufffd", value) if isinstance(value, str) and not value.isascii() else value


def csv_cell(value: Any) -> Any:
    """For CSV: a text that a spreadsheet would take for a formula is kept a text by a leading apostrophe. Numbers, also
    as texts, stay as they are, and a lone surrogate becomes U+FFFD."""
    if not isinstance(value, str):
        return value
    plain = utf8(value)
    return f"'{plain}" if plain.startswith(FORMULAS) and not _number(plain) else plain


def _visible(character: str) -> str:
    if character in SHAPES or unicodedata.category(character) not in ("Cc", "Cf", "Cs", "Zl", "Zp"):
        return character
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def _number(text: str) -> bool:
    return re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?%?", text) is not None

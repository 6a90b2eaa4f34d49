"""Readers of answers: STARE's own fast path, and a lenient one. Each gives a text that is compared with the letter."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

LETTERS = "ABCDEFGH"
FLAGS = ("final answer is", "correct answer is", "answer should be", "answer is", "answer:")
TEXT = re.compile(r"\\text{(.*?)}")
OPTION = re.compile(r"^\s*\(?([A-H])[.):]\s*(.+?)\s*$", re.MULTILINE)
ALONE = re.compile(r"(?<![A-Za-z])\(?([A-Ha-h])\)?(?![A-Za-z'])")
LETTER = re.compile(r"(?<![A-Za-z])([A-H])(?![A-Za-z'])")


def boxed(text: str) -> str | None:
    """The content of the last balanced \\boxed{...}."""
    found, at = None, 0
    while (at := text.find(r"\boxed{", at)) >= 0:
        depth, start = 1, at + 7
        end = start
        while end < len(text) and depth:
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        if depth:
            break
        found, at = text[start : end - 1], end
    return found


def strict_official(said: str, options: Mapping[str, str]) -> str:
    """fast_extract_answer, its flaws included: "(A)" and "Option A" are lost, a leading "A." wins over a box."""
    text = said.strip()
    for letter in LETTERS:
        if text.upper() == letter or text.startswith((f"{letter}:", f"{letter}.")):
            return letter
    try:
        float(text)
        return text
    except ValueError:
        pass
    if "boxed{" in text and (content := boxed(text)) is not None:
        inner = TEXT.findall(content)
        return (inner[-1] if inner else content).strip()
    lowered = text.lower()
    for flag in FLAGS:
        if flag in lowered:
            return lowered.split(flag)[-1].strip().split("\n")[0].split(".")[0]
    return ""


def lenient(said: str, options: Mapping[str, str]) -> str:
    """A letter by the last box, the last "answer is", a short answer or the last capital, or by an option's words."""
    text = said.strip()
    if (content := boxed(text)) is not None and (letter := _letter(content, options)):
        return letter
    lowered = text.lower()
    for flag in FLAGS:
        if flag in lowered:
            rest = text[lowered.rindex(flag) + len(flag) :].strip()
            if letter := _letter(rest.split("\n")[0], options):
                return letter
    if len(text) <= 40 and (letter := _letter(text, options)):
        return letter
    found = LETTER.findall(text)
    return found[-1] if found and found[-1] in (options or LETTERS) else ""


def _letter(text: str, options: Mapping[str, str]) -> str:
    """The first option letter standing alone, else the letter of the one option whose words are there."""
    bare = re.sub(r"\\text\s*{([^}]*)}", r"\1", text).replace("*", "").replace("$", "").strip()
    words = [k for k, v in options.items() if re.fullmatch(rf"{re.escape(v.lower())}\W*", bare.lower())]
    if len(words) == 1:
        return words[0]
    pattern = ALONE if len(bare) <= 4 else LETTER
    for letter in pattern.findall(bare):
        if letter.upper() in (options or LETTERS):
            return letter.upper()
    return ""


PARSERS: dict[str, Callable[[str, Mapping[str, str]], str]] = {"strict_official": strict_official, "lenient": lenient}


def options(question: str) -> dict[str, str]:
    """Letters and words of the options that a question lists, one a line."""
    return dict(OPTION.findall(question))


def equal(answer: str, key: str) -> bool:
    """is_equal: letters of any case; for a key that is a number, numbers to two decimals."""
    if answer.strip().lower() == key.strip().lower():
        return True
    try:
        return round(float(answer), 2) == round(float(key), 2)
    except (ValueError, OverflowError):
        return False

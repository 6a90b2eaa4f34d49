"""The accuracy of VQAv2 with its processing of answers, as in its official script (GT-Vision-Lab/VQA, a013f00)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.tasks.vqa.texts import ARTICLES

ENOUGH = 4
"""Annotators from which on an answer can score 1: three others must agree. VQAv2 has ten."""
PUNCTUATION = ';/[]"{}()=+\\_-><@`,?!'
DIGITS = {word: str(n) for n, word in enumerate("zero one two three four five six seven eight nine ten".split())}
DIGITS["none"] = "0"
SHORTENED = """
    ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd he'd've
    he's how'd how'll how's isn't it'd it'd've it'll ma'am might've mightn't mightn't've must've mustn't needn't not've
    o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've somebody'll somebody's
    someone'd someone'd've someone'll someone's something'd something'd've something'll that's there'd there'd've
    there're there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll what're what's
    what've when's where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't would've
    wouldn't wouldn't've y'all y'all'd've y'all'll you'd you'd've you'll you're you've
""".split()
CONTRACTIONS = {word[:i] + word[i + 1 :]: word for word in SHORTENED for i, c in enumerate(word) if c == "'"}
"""A contraction that lacks one apostrophe -> with it."""
CONTRACTIONS["somebody'd"] = "somebodyd"
"""The one entry of the script that is the wrong way round."""


def processed(text: str) -> str:
    """Without punctuation and articles, in small letters, number words as digits, contractions with apostrophes.

    As in the script: a mark becomes a blank, unless it stands beside one somewhere in the text, or the text has a comma
    between digits; then it is deleted. Of stops, the first 32 that no digit follows are deleted.
    """
    text = out = re.sub(r"[\n\t]", " ", text).strip()
    joined = re.search(r"\d,\d", text) is not None
    for mark in PUNCTUATION:
        beside = f"{mark} " in text or f" {mark}" in text
        out = out.replace(mark, "" if beside or joined else " ")
    out = re.sub(r"\.(?!\d)", "", out, count=32)
    words = (DIGITS.get(word, word) for word in out.lower().split())
    return " ".join(CONTRACTIONS.get(word, word) for word in words if word not in ARTICLES)


def accuracy(said: str, answers: Sequence[str], *, official: bool = False) -> float:
    """The mean over annotators of min(1, how many of the others agree / 3), 0 to 1.

    Args:
        answers: One of each annotator.
        official: As the script has it, annotators who all say the same are compared with the answer as it is typed:
            "Yes" is wrong where all say "yes". Otherwise answers are always processed, as lmms-eval and VLMEvalKit do.
    """
    plain = [re.sub(r"[\n\t]", " ", a).strip() for a in answers]
    if official and len(set(plain)) == 1:
        said = re.sub(r"[\n\t]", " ", said).strip()
    else:
        said, plain = processed(said), [processed(a) for a in plain]
    agree = [a == said for a in plain]
    return sum(min(1.0, (sum(agree) - own) / 3) for own in agree) / len(agree)

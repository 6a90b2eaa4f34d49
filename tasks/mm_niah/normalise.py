"""The VQA metric's normalisation of answers, as MM-NIAH applies it (utils/tools.py, VQAEval)."""

from __future__ import annotations

import re

PUNCTUATION = ';/[]"{}()=+\\_->@`,?!<'
PERIOD = re.compile(r"\.(?!\d)")
COMMA = re.compile(r"\d,\d")
PERIODS = int(re.UNICODE)
"""The official call passes re.UNICODE where the number of replacements belongs: 32 full stops go, later ones stay."""
ARTICLES = {"a", "an", "the"}
UNITS = """
zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen
nineteen
"""
TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
NUMBERS = {w: str(i) for i, w in enumerate(UNITS.split())} | {w: str(10 * i) for i, w in enumerate(TENS.split(), 2)}
WHOLE = """
ain't aren't can't could've couldn't couldn't've didn't doesn't don't hadn't hadn't've hasn't haven't he'd he'd've
he's how'd how'll how's isn't it'd it'd've it'll ma'am mightn't mightn't've might've mustn't must've needn't not've
o'clock oughtn't 'ow's'at shan't she'd've should've shouldn't shouldn't've somebody'd've somebody'll somebody's
someone'd someone'd've someone'll someone's something'd something'd've something'll that's there'd there'd've there're
there's they'd they'd've they'll they're they've 'twas wasn't we'd've we've weren't what'll what're what's what've
when's where'd where's where've who'd who'd've who'll who's who've why'll why're why's won't would've wouldn't
wouldn't've y'all y'all'll y'all'd've you'd you'd've you'll you're you've
"""
CONTRACTIONS = {
    whole[:at] + whole[at + 1 :]: whole
    for whole in WHOLE.split()
    for at in (m.start() for m in re.finditer("'", whole))
} | {"somebody'd": "somebodyd"}
"""A form that lacks one apostrophe, and the whole one."""


def normalised(text: str) -> str:
    """Punctuation, number words, articles and contractions as VQAEval.evaluate treats them."""
    plain = text.replace("\n", " ").replace("\t", " ").strip()
    glued = COMMA.search(plain) is not None
    out = plain
    for sign in PUNCTUATION:
        beside_blank = sign + " " in plain or " " + sign in plain
        out = out.replace(sign, "" if beside_blank or glued else " ")
    out = PERIOD.sub("", out, count=PERIODS)
    words = [NUMBERS.get(w, w) for w in out.lower().split()]
    return " ".join(CONTRACTIONS.get(w, w) for w in words if w not in ARTICLES)


def has_word(text: str, word: str) -> bool:
    return re.search(rf"\b{re.escape(word)}\b", text) is not None

"""NLTK's tokenizer alone: the same tokens, and nothing of NLTK left behind."""

from __future__ import annotations

import subprocess
import sys

SENTENCES = ["It's a dog (or two) \"there\", isn't it?", "Cannot say: 3.5% of the men's ties, e.g. U.S. ones...", ""]
CODE = f"""
import sys
from harness.tasks.chair.treebank import tokenizer
alone = [tokenizer()(s) for s in {SENTENCES}]
left = [n for n in sys.modules if n.split(".")[0] in ("nltk", "pandas", "sklearn")]
assert not left, left
from nltk.tokenize.destructive import NLTKWordTokenizer
import nltk
assert nltk.word_tokenize and tokenizer().__self__.__class__ is NLTKWordTokenizer
assert alone == [NLTKWordTokenizer().tokenize(s) for s in {SENTENCES}]
"""


def test_it_is_the_same_tokenizer_without_the_rest_of_nltk():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr

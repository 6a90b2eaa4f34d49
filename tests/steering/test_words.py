"""A view's tokenizer: words to ids and back, whatever kind of tokenizer a family has."""

from __future__ import annotations

import functools

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from harness.checks.zoo import FAMILIES
from harness.core import UsageError
from harness.steering import View

CORPUS = ["Yes , there is a dog .", "No , there is no cat .", "yes no Yes No", "a yesterday noon", " yes", " no"] * 20
BLANK = "\N{LOWER ONE EIGHTH BLOCK}"
"""What SentencePiece writes for one."""


def _bytes(prefix: bool) -> Tokenizer:
    """Qwen, Llama 3, SmolLM: a word with a blank before it is another token. `prefix`: GPT-2's option that sets one."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix)
    made.decoder = decoders.ByteLevel()
    made.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=400, show_progress=False))
    return made


def _pieces(split: bool) -> Tokenizer:
    """Llama 2, Vicuna: every text begins with a blank. `split`: it is a token of its own."""
    made = Tokenizer(models.BPE(unk_token="<unk>"))
    made.normalizer = normalizers.Sequence([normalizers.Prepend(BLANK), normalizers.Replace(" ", BLANK)])
    made.pre_tokenizer = pre_tokenizers.Split(BLANK, "isolated" if split else "merged_with_next")
    made.decoder = decoders.Sequence([decoders.Replace(BLANK, " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    made.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=400, special_tokens=["<unk>"], show_progress=False))
    return made


def _wordpiece() -> Tokenizer:
    """BERT's: no blanks at all, and no case."""
    made = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer()
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    made.train_from_iterator(
        CORPUS, trainers.WordPieceTrainer(vocab_size=400, special_tokens=["[UNK]"], show_progress=False)
    )
    return made


KINDS = {
    "bytes": lambda: _bytes(False),
    "bytes after a blank": lambda: _bytes(True),
    "pieces": lambda: _pieces(False),
    "pieces with blanks apart": lambda: _pieces(True),
    "wordpiece": _wordpiece,
}


@functools.cache
def model():
    return FAMILIES["llama"].build()


@pytest.mark.parametrize("kind", KINDS)
def test_words_to_ids_and_back(kind):
    v = View(model())
    v.tokenizer = PreTrainedTokenizerFast(tokenizer_object=KINDS[kind]())
    v.decode = v.tokenizer.decode
    yes, no = v.begins("yes"), v.begins(" No ")
    assert yes and no and not {*yes, *no} & {*v.begins("dog")} and not {*yes} & {*no}
    assert {v.decode([i]).strip().lower() for i in yes} == {"yes"} and {*yes} <= {*v.begins("YES")}
    for text in ("Yes , there is a dog .", "no", "No cat"):
        first = next(i for i in v.tokens(text) if v.decode([i]).strip())
        assert (first in yes, first in no) == (text.startswith("Yes"), text.lower().startswith("no"))
        assert v.decode(v.tokens(text)).strip().lower().replace(" ", "") == text.lower().replace(" ", "")
    assert v.begins("") == ()


def test_without_a_tokenizer():
    with pytest.raises(UsageError, match="LlamaForCausalLM is known by token ids alone"):
        View(model()).begins("yes")

"""Byte-level BPE tokenizer with the chat template, trained on the model's own conversations."""

from collections.abc import Iterator

import numpy as np
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from harness.embedded.scenes import CATEGORIES, SCENE_TYPES
from harness.embedded.tiny_llava.conversations import NUMBERS, SUFFIXES, conversation

VOCABULARY = 1024
SPECIAL = ("<pad>", "<s>", "</s>", "<unk>", "<image>")
PAD, BOS, EOS, UNKNOWN, IMAGE = range(5)

# One image comes first in a user turn, whatever its place in the content list; several stand where they are. A system
# message leads its text.
TEMPLATE = (
    "{{ bos_token }}"
    "{% for m in messages %}"
    "{% if m['role'] == 'assistant' %} ASSISTANT: {% elif m['role'] == 'user' %}USER: {% endif %}"
    "{% if m['content'] is string %}{{ m['content'] }}"
    "{% else %}"
    "{% set images = m['content'] | selectattr('type', 'equalto', 'image') | list %}"
    "{% if images | length == 1 %}<image>\n{% endif %}"
    "{% for c in m['content'] %}{% if c['type'] == 'text' %}{{ c['text'] }}"
    "{% elif images | length > 1 %}<image>\n{% endif %}{% endfor %}"
    "{% endif %}"
    "{% if m['role'] == 'assistant' %}{{ eos_token }}{% elif m['role'] == 'system' %}{{ '\n' }}{% endif %}"
    "{% endfor %}"
    "{% if add_generation_prompt %} ASSISTANT:{% endif %}"
)


def words() -> set[str]:
    """Every word of the object names and their plurals: each must be one token."""
    return {w for c in CATEGORIES for w in (*c.name.split(), *c.plural.split())}


def _corpus(instances: np.ndarray, kinds: np.ndarray, seed: int) -> Iterator[str]:
    rng = np.random.default_rng(seed)
    for rows, kind in zip(instances, kinds, strict=True):
        for turn in conversation(rows, int(kind), rng):
            yield f"USER: {turn.question} ASSISTANT: {turn.answer}"
    every = sorted(words()) + list(NUMBERS)
    phrases = [s.phrase for s in SCENE_TYPES]
    for _ in range(300):  # rare names, scene words and suffixes must not be split
        yield " " + " ".join(every)
        yield " " + " ".join(phrases) + "".join(SUFFIXES)
    for _ in range(20):
        for i in range(100):
            yield f"[0.{i:02d}, 0.{i:02d}]"


def build(instances: np.ndarray, kinds: np.ndarray, seed: int = 0) -> PreTrainedTokenizerFast:
    """Train on the conversations of some scenes.

    Args:
        instances: float (n, SLOTS, 6) as in `SceneArrays`; a few thousand suffice.
        kinds: (n,) scene types.
        seed: Of the conversations.

    Raises:
        ValueError: a word of an object name needs more than one token.
    """
    raw = Tokenizer(models.BPE())
    # Digits by twos: a coordinate 0.32 ends in one token "32".
    split = pre_tokenizers.Split(Regex(r"\d{1,2}"), "isolated")
    raw.pre_tokenizer = pre_tokenizers.Sequence([split, pre_tokenizers.ByteLevel(add_prefix_space=False)])
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(_corpus(instances, kinds, seed), trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        extra_special_tokens={"image_token": "<image>"},
        padding_side="left",
        model_max_length=1024,
    )
    tokenizer.chat_template = TEMPLATE
    long = [w for w in words() if len(tokenizer.encode(" " + w, add_special_tokens=False)) != 1]
    if long:
        raise ValueError(f"words of object names need one token each, these need more: {sorted(long)}")
    return tokenizer


def lead_token(tokenizer: PreTrainedTokenizerFast, name: str) -> int:
    """The first token of " name", which stands for the whole category."""
    return tokenizer.encode(" " + name, add_special_tokens=False)[0]

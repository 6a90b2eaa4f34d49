"""Thinking of Hugging Face models: tags that decoding would lose, tags of the template, prompts beyond the context."""

from __future__ import annotations

import pytest
import torch

from harness.core import Request, Unusable, user
from harness.core.reasoning import answered, opened
from harness.embedded.tiny_llava import WEIGHTS
from harness.models.hf.prompts import Prompts
from harness.models.hf.thinking import Thinking

MARKS = ["[THINK]", "[/THINK]", "<|channel|>", "<|message|>", "<|start|>", "<|end|>", "<|im_sep|>"]
ASK = Request(user("Is it red?"), 8)


def prompts(template: str = "{{ messages[0]['content'] }}", marks: list[str] = MARKS) -> Prompts:
    from transformers import AutoTokenizer, GPT2Config

    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS)
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    tokenizer.chat_template = template
    return Prompts(tokenizer, GPT2Config(n_positions=32), chat="auto")


def test_special_tokens_that_mark_thinking_survive():
    made = prompts()
    thinking = Thinking(made)
    for text, left in (
        ("[THINK]is it a red ball?[/THINK]yes", "yes"),
        ("<|channel|>analysis<|message|>a red ball<|end|><|start|>assistant<|channel|>final<|message|>no", "no"),
    ):
        tokens = made.tokenizer(f"{text}<|im_sep|>", add_special_tokens=False)["input_ids"]
        found = thinking.text(torch.tensor(tokens), ASK)
        assert found.replace(" ", "") == text.replace(" ", "") and answered(found) == left
        assert answered(made.tokenizer.decode(tokens, skip_special_tokens=True)) != left
        assert 0 < thinking.count(found, len(tokens)) < len(tokens)


def test_other_texts_are_decoded_as_before():
    made = prompts(marks=["<|end|>", "<|start|>", "<|sep|>"])
    thinking = Thinking(made)
    tokens = made.tokenizer("yes<|end|>it is<|sep|>", add_special_tokens=False)["input_ids"]
    assert thinking.text(tokens, ASK) == made.tokenizer.decode(tokens, skip_special_tokens=True)
    assert thinking.text([], ASK) == "" and thinking.count("yes", 3) == 0


@pytest.mark.parametrize("tag", ["<think>", "<think>\n", "[THINK]", "<|channel|>analysis<|message|>"])
def test_what_the_template_opened_is_marked(tag):
    made = prompts("{{ messages[0]['content'] }}" + f"{{{{ {tag!r} }}}}")
    thinking = Thinking(made)
    tokens = made.tokenizer("is it a red", add_special_tokens=False)["input_ids"]
    assert answered(thinking.text(tokens, ASK)) == "", "it was cut while it thought"
    plain = Request(user("Is it red?"), 8, plain=True)
    assert answered(thinking.text(tokens, plain)) == "is it a red"


def test_tags_at_the_end_of_a_prompt():
    assert opened("assistant\n<think>\n") == "<think>" and opened("<think>\n\n</think>\n\n") == ""
    assert opened("say <think> please") == "" == opened("")


def test_a_prompt_beyond_the_context_costs_its_sample():
    made = prompts()
    made.encode(Request(user("is it a red ball"), 8))
    with pytest.raises(Unusable, match="the model's context holds 32"):
        made.encode(Request(user("is it a red ball " * 12), 8))
    with pytest.raises(Unusable, match="25 tokens and 8 for the answer"):
        made.fits(25, 8)
    made.encode(Request(user("is it"), 8, plain=True))
    assert made.cut == 0
    long = user("is it a red ball " * 12)
    assert made.encode(Request(long, 8, plain=True)).length == 24
    assert made.cut > 90
    made.cut = 0
    made.continued(Request(long, 1, plain=True, continuations=(" red",)))
    assert made.cut > 90

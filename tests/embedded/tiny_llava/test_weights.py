"""The shipped weights are a stock model directory."""

import numpy as np
import pytest
import torch
from PIL import Image

from harness.embedded.tiny_llava import WEIGHTS

if not (WEIGHTS / "model.safetensors").exists():
    pytest.skip("no weights: run `python -m harness.embedded.tiny_llava.train`", allow_module_level=True)

from transformers import AutoModelForImageTextToText, AutoProcessor

from harness.embedded.scenes import NAMES

QUESTION = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Is there a dog in the image?"}]}]


@pytest.fixture(scope="module")
def model():
    return AutoModelForImageTextToText.from_pretrained(WEIGHTS, dtype=torch.float32).eval()


@pytest.fixture(scope="module")
def processor():
    return AutoProcessor.from_pretrained(WEIGHTS)


def test_size():
    assert sum(f.stat().st_size for f in WEIGHTS.iterdir()) <= 20 * 2**20


def test_answers_a_large_picture_with_yes_or_no(model, processor):
    picture = Image.fromarray(np.full((300, 300, 3), 150, np.uint8))
    prompt = processor.apply_chat_template(QUESTION, add_generation_prompt=True)
    inputs = processor(images=[picture], text=[prompt], return_tensors="pt")
    assert inputs["pixel_values"].shape == (1, 3, 96, 96)
    out = model.generate(**inputs, max_new_tokens=4, do_sample=False)
    answer = processor.batch_decode(out[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)[0]
    assert answer.strip() in {"Yes", "No"}


def test_chat_template_takes_every_form(processor):
    def text(messages, prompt=False):
        return processor.apply_chat_template(messages, add_generation_prompt=prompt)

    asked = "<s>USER: <image>\nIs there a dog in the image?"
    assert text(QUESTION, True) == asked + " ASSISTANT:"
    behind = [{"role": "user", "content": QUESTION[0]["content"][::-1]}]
    assert text(behind) == asked
    assert text([{"role": "user", "content": "Hello"}]) == "<s>USER: Hello"
    turns = [
        {"role": "system", "content": "Be brief."},
        *QUESTION,
        {"role": "assistant", "content": [{"type": "text", "text": "No"}]},
        {"role": "user", "content": "Sure?"},
    ]
    assert text(turns, True) == "<s>Be brief.\n" + asked[3:] + " ASSISTANT: No</s>USER: Sure? ASSISTANT:"


def test_object_words_are_single_tokens(processor):
    for word in {w for n in NAMES for w in n.split()}:
        assert len(processor.tokenizer.encode(" " + word, add_special_tokens=False)) == 1, word

"""Training: packing, and a smoke run whose resumption equals an uninterrupted run."""

import numpy as np
import pytest
import torch

from harness.embedded.scenes import CALIBRATION, NAMES, TRAINING
from harness.embedded.tiny_llava import architecture, cache, tokenizer
from harness.embedded.tiny_llava.conversations import conversation
from harness.embedded.tiny_llava.joint import LENGTH, Packer
from harness.embedded.tiny_llava.train import Plan, run
from harness.training.loop import Budget, Settings, learning_rate


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    directory = tmp_path_factory.mktemp("drawn")
    cache.build(directory, TRAINING[:24], workers=1)
    cache.build(directory / "calibration", CALIBRATION[:8], workers=1)
    return directory


@pytest.fixture(scope="module")
def vocabulary(drawn):
    scenes = cache.load(drawn)
    return tokenizer.build(scenes.instances, scenes.kind)


def plan(directory, drawn, stop_after=0, weights=None):
    directory.mkdir(exist_ok=True)
    settings = Settings(directory, batch=2, stop_after=stop_after)
    return Plan(settings, Budget(steps=2), Budget(steps=2), drawn, architecture.SMALLEST, weights)


def test_patches_agree_with_the_instances(drawn):
    scenes = cache.load(drawn)
    for wanted, table in zip(scenes.patch_class, scenes.instances, strict=True):
        assert set(wanted.tolist()) <= set(table[:, 0].astype(int).tolist()) | {cache.BACKGROUND}


def test_every_name_leads_with_its_own_token(vocabulary):
    leads = {tokenizer.lead_token(vocabulary, n) for n in NAMES}
    assert len(leads) == len(NAMES)
    for word in tokenizer.words():
        assert len(vocabulary.encode(" " + word, add_special_tokens=False)) == 1, word
    assert len(vocabulary.encode("32", add_special_tokens=False)) == 1


@pytest.mark.parametrize("apart", [True, False])
def test_packing_learns_answers_only(drawn, vocabulary, apart):
    scenes = cache.load(drawn)
    turns = conversation(scenes.instances[0], int(scenes.kind[0]), np.random.default_rng(0))
    packed = Packer(vocabulary).pack(turns, apart)
    answers = vocabulary.decode(packed["labels"][packed["labels"] >= 0])
    assert answers == "".join(f" {t.answer}</s>" for t in turns)
    assert (packed["probe"] >= 0).sum() == sum(t.task == "presence" for t in turns)
    assert packed["turn"].max() == (len(turns) - 1 if apart else 0)
    assert len(packed["ids"]) == LENGTH


def test_packing_equals_the_chat_template(drawn, vocabulary):
    """A turn is trained at the tokens and positions it has in use."""
    scenes = cache.load(drawn)
    turn = conversation(scenes.instances[1], int(scenes.kind[1]), np.random.default_rng(1))[0]
    packer = Packer(vocabulary)
    packed = packer.pack([turn], True)
    messages = [
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": turn.question}]},
        {"role": "assistant", "content": turn.answer},
    ]
    used = vocabulary.apply_chat_template(messages, tokenize=False)
    ids = vocabulary.encode(used, add_special_tokens=False)
    trained = packed["ids"][packed["turn"] >= 0].tolist()
    assert ids == [*packer.prefix, tokenizer.IMAGE, *trained]
    assert packed["position"][0] == packer.start


def test_learning_rate_rises_and_falls():
    rates = [learning_rate(p) for p in (0.001, 0.03, 0.5, 1.0)]
    assert rates[0] < rates[1] > rates[2] > rates[3] > 0


def test_resumed_training_equals_uninterrupted(tmp_path, drawn):
    whole = run(plan(tmp_path / "whole", drawn))
    for _ in range(2):  # stage 1 leaves after a step and resumes; then stage 2 does
        assert run(plan(tmp_path / "parts", drawn, stop_after=1)) is None
        state = torch.load(tmp_path / "parts" / "vision.checkpoint.pt", weights_only=True)
        assert state["step"] == 1
    assert run(plan(tmp_path / "parts", drawn, stop_after=2)) is not None
    resumed = run(plan(tmp_path / "parts", drawn))
    a, b = whole.modules.state_dict(), resumed.modules.state_dict()
    assert a.keys() == b.keys()
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_export_loads_and_answers_alike(tmp_path, drawn):
    from transformers import AutoModelForImageTextToText

    weights = tmp_path / "weights"
    trained = run(plan(tmp_path / "run", drawn, weights=weights)).model.eval()
    loaded = AutoModelForImageTextToText.from_pretrained(weights, dtype=torch.float32).eval()
    image = tokenizer.IMAGE
    ids = torch.tensor([[tokenizer.BOS, *[image] * cache.PATCHES, 300, 301]])
    pixels = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        a = trained(input_ids=ids, pixel_values=pixels, attention_mask=torch.ones_like(ids)).logits
        b = loaded(input_ids=ids, pixel_values=pixels, attention_mask=torch.ones_like(ids)).logits
    assert torch.allclose(a, b, atol=2e-2)

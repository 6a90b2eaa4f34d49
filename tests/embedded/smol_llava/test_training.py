"""Training on a stand-in: what is learnt, what is kept, and that a resumed run equals an uninterrupted one."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, LlavaForConditionalGeneration

from harness.embedded.smol_llava.architecture import Parts
from harness.embedded.smol_llava.conversations import conversation
from harness.embedded.smol_llava.export import write
from harness.embedded.smol_llava.forward import behind, described, yes_margins
from harness.embedded.smol_llava.joint import again
from harness.embedded.smol_llava.packing import IGNORED, Packer
from harness.embedded.smol_llava.train import DECAY, KEPT, Plan, _resume, run, steady
from harness.embedded.tiny_llava import cache
from harness.embedded.tiny_llava.conversations import Turn
from harness.embedded.tiny_llava.vision import pixels
from harness.models.smol.assemble import IMAGE, PATCHES, assemble
from harness.training.loop import Budget

SMALL = (("hidden_size", 32), ("intermediate_size", 32), ("num_hidden_layers", 1), ("num_attention_heads", 1))


@pytest.fixture
def parts(base):
    torch.manual_seed(0)
    made = Parts(base, dict(SMALL), rank=2, dtype=torch.float32)
    for layer in made.lora.values():
        for low in layer.values():
            torch.nn.init.normal_(low.B, std=0.1)
    return made


def plan(base, drawn, directory, **changes):
    directory.mkdir(exist_ok=True)
    made = Plan(
        base, directory, drawn, Budget(steps=2), Budget(steps=4), batch=2, vision=SMALL, rank=2, held_out=(2, 1)
    )
    return replace(made, **changes)


def test_packing_learns_answers_only(drawn, parts):
    scenes = cache.load(drawn)
    turns = conversation(scenes.instances[0], int(scenes.kind[0]), np.random.default_rng(0), captions=1.0)
    packed = Packer(parts.tokenizer).pack(turns, 10_000)
    learnt = [i for i in packed["labels"] if i != IGNORED]
    assert parts.tokenizer.decode(learnt) == "".join(f"{t.answer}<|im_end|>" for t in turns)
    asked = [p for p in packed["probe"] if p >= 0]
    assert asked == [int(t.answer == "Yes") for t in turns if t.task == "presence"]
    short = Packer(parts.tokenizer).pack(turns, 60)
    assert 0 < len(short["ids"]) <= 60 and {len(v) for v in short.values()} == {len(short["ids"])}


def test_naming_a_category_again_costs_what_its_probability_is():
    x = IGNORED
    names = {4: (4, 5), 5: (4, 5), 7: (7,)}  # 4 and 5: a category's name and its plural
    text = {
        # A question, "4 9 7" as its answer; another turn, whose answer begins anew, with "5 4".
        "labels": torch.tensor([[x, 4, 9, 7, x, 5, 4], [x, 7, 9, x, x, x, x]]),
        "turn": torch.tensor([[0, 0, 0, 0, 1, 1, 1], [0, 0, 0, -1, -1, -1, -1]]),
    }
    p = torch.full((7, 10), 0.05)
    p[:, 4], p[:, 5], p[:, 7] = 0.1, 0.2, 0.35
    # Behind 4: 4 and 5 for each of "9 7"; behind 5: 5 alone, as 4 is right; behind 7 in the second row: 7.
    got = sorted(again(p.log() + 3, text, names).exp().tolist())
    assert got == pytest.approx(sorted(1 / (1 - v) for v in (0.1, 0.2, 0.1, 0.2, 0.2, 0.35)))


def test_a_turn_behind_others_is_asked_as_a_first_turn_of_the_stock_model(base, drawn, parts):
    """The packed pass, low-rank additions beside the weights, equals the exported model asked one question a time."""
    packer, seen = Packer(parts.tokenizer), pixels(cache.load(drawn), np.arange(2))
    turns = [Turn(f"Is there a {n} in the image?", "Yes", "presence", 0) for n in ("dog", "wine glass", "cup")]
    packs = [packer.pack(turns), packer.pack(turns[:2])]
    with torch.no_grad():
        margins = yes_margins(parts, packer, seen, packs)
        delta = {k: v.detach() for k, v in parts.state_dict().items()}
        stock = assemble(base, delta, dict(SMALL), dtype=torch.float32)
        wanted = []
        for picture, asked in zip(seen, (turns, turns[:2]), strict=True):
            for turn in asked:
                text = f"<|im_start|>user\n{IMAGE * PATCHES}\n{turn.question}<|im_end|>\n<|im_start|>assistant\n"
                ids = torch.tensor([parts.tokenizer.encode(text)])
                logits = stock(input_ids=ids, pixel_values=picture[None], attention_mask=torch.ones_like(ids)).logits
                wanted.append((logits[0, -1, packer.yes] - logits[0, -1, packer.no]).item())
    assert margins.tolist() == pytest.approx(wanted, abs=2e-4)


def test_captions_equal_stock_generation(base, drawn, parts):
    packer, seen = Packer(parts.tokenizer), pixels(cache.load(drawn), np.arange(2))
    with torch.no_grad():
        said = described(parts, packer, seen, "Describe the image.", 6)
    stock = assemble(base, dict(parts.state_dict()), dict(SMALL), dtype=torch.float32)
    text = f"<|im_start|>user\n{IMAGE * PATCHES}\nDescribe the image.<|im_end|>\n<|im_start|>assistant\n"
    ids = torch.tensor([parts.tokenizer.encode(text)] * 2)
    out = stock.generate(
        input_ids=ids, pixel_values=seen, attention_mask=torch.ones_like(ids), max_new_tokens=6, do_sample=False
    )
    assert said == parts.tokenizer.batch_decode(out[:, ids.shape[1] :])


def test_what_other_turns_say_changes_nothing(drawn, parts):
    packer, seen = Packer(parts.tokenizer), pixels(cache.load(drawn), np.arange(1))
    first = Turn("Is there a dog in the image?", "Yes", "presence", 0)
    with torch.no_grad():
        tokens = parts.see(seen)
        pair = (packer.pack([first, Turn(f"Is there a {n}?", "No", "presence", 0)]) for n in ("cup", "bed"))
        one, two = (behind(parts, packer, tokens, packer.batch([p])) for p in pair)
    length = len(packer.pack([first])["ids"])
    assert torch.equal(one[:, : length + 1], two[:, : length + 1])


def test_resumed_equals_uninterrupted(base, drawn, tmp_path):
    whole = run(plan(base, drawn, tmp_path / "whole"))
    assert run(plan(base, drawn, tmp_path / "cut", stop_after=2)) is None
    resumed = run(plan(base, drawn, tmp_path / "cut"))
    assert whole and resumed
    for (name, a), b in zip(whole.modules.state_dict().items(), resumed.modules.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
    rows = [json.loads(line) for line in (tmp_path / "cut" / "log.jsonl").read_text().splitlines()]
    assert {r["stage"] for r in rows} == {"align", "joint"}
    assert {"val_random", "val_popular", "val_adversarial", "val_chair_i", "val_recall"} <= rows[-1].keys()
    torch.manual_seed(0)
    other = run(plan(base, drawn, tmp_path / "other", seed=1))
    assert other and not torch.equal(other.parts.lora["0"]["q_proj"].A, whole.parts.lora["0"]["q_proj"].A)


def test_only_the_delta_is_trained_and_kept(base, drawn, tmp_path):
    made = run(plan(base, drawn, tmp_path))
    assert made
    write(tmp_path / "joint.checkpoint.pt", tmp_path / "delta.safetensors", "the file's hash", dict(SMALL))
    delta = load_file(tmp_path / "delta.safetensors")
    assert {k.split(".")[0] for k in delta} == {"tower", "projector", "lora"}
    assert all(v.dtype == torch.float16 for v in delta.values())
    assert any(v.any() for k, v in delta.items() if k.endswith(".B"))
    stock = AutoModelForImageTextToText.from_pretrained  # the merged model is a stock one
    assemble(base, delta, dict(SMALL), dtype=torch.float32).save_pretrained(tmp_path / "saved")
    assert isinstance(stock(tmp_path / "saved"), LlavaForConditionalGeneration)


def test_the_rate_is_steady_before_the_decay():
    assert steady(0.02) == steady(DECAY) == 1.0
    assert steady(0.001) < 0.2 and steady(1.0) == pytest.approx(0.02)


def test_a_longer_run_continues_from_before_the_decay(base, drawn, tmp_path):
    short = plan(base, drawn, tmp_path, joint=Budget(seconds=100))
    checkpoint = tmp_path / "joint.checkpoint.pt"
    _resume(short, checkpoint)
    torch.save({"elapsed": 75.0}, tmp_path / KEPT)
    torch.save({"elapsed": 100.0}, checkpoint)
    _resume(short, checkpoint)
    assert torch.load(checkpoint)["elapsed"] == 100.0  # the same budget: nothing left to do
    _resume(replace(short, joint=Budget(seconds=200)), checkpoint)
    assert torch.load(checkpoint)["elapsed"] == 75.0


def test_examples_of_other_tasks_are_learnt_beside_scenes(base, drawn, parts, tmp_path, monkeypatch):
    from harness.embedded import examples
    from harness.embedded.smol_llava import joint
    from harness.embedded.smol_llava.align import WordHead
    from harness.embedded.smol_llava.heldout import HeldOut
    from harness.embedded.tiny_llava.instruction import Examples

    monkeypatch.setattr("harness.embedded.smol_llava.language_model", lambda: base)
    assert examples.main(["vic_bench", "--out", str(tmp_path / "vic"), "--each", "1", "--model", "smol-llava"]) == 0
    read = Examples(tmp_path, parts.tokenizer, lead="", longest=2000)
    item = read.items[0]
    text = parts.tokenizer.decode(item.ids)
    assert text.startswith("<|im_start|>user\n") and text.endswith("<|im_end|>")
    assert text[: len(parts.tokenizer.decode(item.ids[: item.answer]))].endswith("<|im_start|>assistant\n")
    assert text.count(IMAGE) == PATCHES * len(item.pictures)
    monkeypatch.setattr(joint, "EXAMPLES", 1.0)
    made = joint.JointObjective(parts, WordHead(parts.words()), cache.load(drawn), HeldOut(2, 0), read)
    loss, figures = made.loss(np.random.default_rng(0), 2)
    loss.backward()
    assert figures == {"examples": loss.item()} and parts.tower.embeddings.patch_embedding.weight.grad is not None
    assert made.validate()["val_vic_bench"] > 0

"""GGUF checkpoints are unpacked once, into a folder that is verified on each use."""

from __future__ import annotations

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from harness.models.hf.unpacked import MANIFEST, unpacked
from tests.models.smol.standin import GGUF, write

pytest.importorskip("gguf", reason="reading GGUF needs the extra smollm2")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("package")
    write(made)
    return made


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_the_unpacked_folder_is_the_same_model(folder, cache):
    made = unpacked(folder, GGUF)
    assert made.parent == cache / "unpacked" and [p.name for p in made.parent.iterdir()] == [made.name]
    slow = AutoModelForCausalLM.from_pretrained(folder, gguf_file=GGUF, dtype=torch.float32)
    fast = AutoModelForCausalLM.from_pretrained(made)
    assert fast.dtype == torch.float32 and not hasattr(fast.config, "quantization_config")
    wanted, given = slow.state_dict(), fast.state_dict()
    assert wanted.keys() == given.keys() and all(torch.equal(wanted[k], given[k]) for k in wanted)
    for name in ("eos_token_id", "bos_token_id", "pad_token_id"):
        assert getattr(slow.generation_config, name) == getattr(fast.generation_config, name)
    words = AutoTokenizer.from_pretrained(folder, gguf_file=GGUF), AutoTokenizer.from_pretrained(made)
    text = "<|im_start|>user\nIs there a dog? 12<|im_end|>\n"
    assert words[0].encode(text) == words[1].encode(text)
    assert words[0].chat_template == words[1].chat_template


def test_it_is_unpacked_once(folder, cache, monkeypatch):
    made = unpacked(folder, GGUF)
    monkeypatch.setattr("harness.models.hf.unpacked._unpack", lambda *_: pytest.fail("unpacked again"))
    assert unpacked(folder, GGUF) == made


@pytest.mark.parametrize("damage", ["cut", "gone", "no manifest"])
def test_a_damaged_folder_is_unpacked_again(folder, cache, damage):
    made = unpacked(folder, GGUF)
    weights = made / "model.safetensors"
    whole = weights.read_bytes()
    if damage == "cut":
        weights.write_bytes(whole[:-9])
    elif damage == "gone":
        weights.unlink()
    else:
        (made / MANIFEST).unlink()
    assert unpacked(folder, GGUF) == made and weights.read_bytes() == whole
    assert [p.name for p in made.parent.iterdir()] == [made.name]


def test_another_file_is_another_folder(folder, cache, tmp_path):
    write(tmp_path / "other", seed=1)
    assert unpacked(folder, GGUF) != unpacked(tmp_path / "other", GGUF)


def test_a_model_answers_alike_unpacked_and_read_anew(folder, cache, monkeypatch):
    from harness.core import Call, Decoding, Request, Sample, user
    from harness.models.hf import unpacked as room
    from harness.plugins.registry import Registry

    said = []
    for largest in (room.LARGEST, 0):
        monkeypatch.setattr(room, "LARGEST", largest)
        monkeypatch.setattr("harness.models.hf.model._LOADED", {})
        plugin = Registry().get("model", "smollm2")
        model = plugin.build(path=str(folder), gguf=GGUF, device="cpu")
        model.load([])
        request = Request(user("Is there a dog?"), max_new_tokens=8)
        (reply,) = model.answer([Call(request, Sample("1", "c", "g", None), 1)], Decoding())
        said.append((reply.text, model.fingerprint()))
    assert len(list((cache / "unpacked").iterdir())) == 1 and not room.is_small(folder, "nothing.gguf")
    assert said[0] == said[1] and said[0][0]

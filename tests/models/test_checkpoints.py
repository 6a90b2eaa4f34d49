"""Checkpoints as people have them: damaged, wrapped, cut, with code in them, with templates elsewhere."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from harness.core import Decoding, Message, Missing, Request, Unusable, UsageError, user
from harness.models.hf.model import _LOADED
from tests.models.test_hf import WEIGHTS, calls, hf, hf_picture

CONFIG = json.loads((WEIGHTS / "config.json").read_text())
TEMPLATE = (WEIGHTS / "chat_template.jinja").read_text()
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
ASKED = Request(user(hf_picture(), "Is there a dog?"), 4)


@pytest.fixture
def folder(tmp_path):
    return Path(shutil.copytree(WEIGHTS, tmp_path / "checkpoint"))


@pytest.fixture(scope="module")
def answer():
    return answered(hf())


def answered(model):
    _LOADED.clear()  # what was loaded before is not to be kept
    model.load([])
    return model.answer(calls([ASKED]), Decoding())[0].text


def refused(path, kind=Missing, **settings):
    """The message, which is one line and names the folder."""
    with pytest.raises(kind) as found:
        hf(path, **settings).load([])
    said = str(found.value)
    assert "\n" not in said and str(path) in said and len(said) < 700 + len(str(path))
    return said


def edit(path, **values):
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def change(folder, how):
    file = folder / "model.safetensors"
    save_file({k: v.contiguous() for k, v in how(load_file(file)).items()}, file, metadata={"format": "pt"})


def without_a_layer(tensors):
    return {k: v for k, v in tensors.items() if "language_model.model.layers.2." not in k}


def test_a_wrappers_prefix(folder):
    change(folder, lambda t: {f"base_model.model.{k}": v for k, v in t.items()})
    said = refused(folder)
    assert "97 tensors missing" in said and "97 tensors unknown" in said and "model.partial=true" in said
    assert "all unknown names begin with base_model.model:" in said


def test_a_layer_that_is_absent_is_random_only_where_that_is_allowed(folder):
    change(folder, without_a_layer)
    said = refused(folder)
    assert "9 tensors missing (model.language_model.layers.2.input_layernorm.weight, " in said and "unknown" not in said
    twice = [answered(hf(folder, partial=True)) for _ in range(2)]
    assert twice[0] == twice[1] and hf(folder, partial=True).remarks() and not hf(folder).remarks()


def test_tensors_of_another_head(folder, answer):
    change(folder, lambda t: t | {"score.weight": torch.zeros(2)})
    assert "1 tensor unknown (score.weight)" in refused(folder)
    assert answered(hf(folder, partial=True)) == answer


def test_buffers_that_older_versions_stored(folder, answer):
    names = ("language_model.model.layers.0.self_attn.masked_bias", "rotary_emb.inv_freq", "vision_tower.position_ids")
    change(folder, lambda t: t | {name: torch.zeros(2) for name in names})
    assert answered(hf(folder)) == answer


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(float("nan"), "float32"), (float("-inf"), "float32"), (float("nan"), "bfloat16"), (1e6, "float16")],
)
def test_values_that_are_not_finite(folder, value, dtype):
    name = "language_model.model.layers.1.mlp.down_proj.weight"

    def spoiled(tensors):
        tensors[name] = tensors[name].float()
        tensors[name][3, 5] = value
        return tensors

    change(folder, spoiled)
    said = refused(folder, dtype=dtype)
    assert f"in 1 tensor as torch.{dtype} (model.language_model.layers.1.mlp.down_proj.weight)" in said
    hf(folder, dtype=dtype, partial=True).load([])


def test_tied_weights_may_be_left_out_or_stored_twice(folder, answer):
    for tied in (False, True):
        embedding = load_file(WEIGHTS / "model.safetensors")["language_model.model.embed_tokens.weight"]
        change(folder, lambda t: t | ({"language_model.lm_head.weight": embedding} if tied else {}))
        assert answered(hf(folder)) == answer


def test_another_configuration(folder):
    edit(folder / "config.json", vision_config=CONFIG["vision_config"] | {"hidden_size": 170})
    said = refused(folder)
    assert "128 x 160, and 128 x 170 by config.json" in said and "take the config.json" in said
    assert "by config.json" in refused(folder, partial=True)
    edit(folder / "config.json", **CONFIG | {"text_config": CONFIG["text_config"] | {"num_hidden_layers": 6}})
    assert "18 tensors missing (model.language_model.layers.4." in refused(folder)
    edit(folder / "config.json", **CONFIG | {"model_type": "qwen2_vl"})
    assert "architecture Qwen2VLForConditionalGeneration" in refused(folder)
    edit(folder / "config.json", **CONFIG | {"model_type": "bert"})
    assert "is config.json that of these weights?" in refused(folder)
    edit(folder / "config.json", **CONFIG | {"model_type": "t5"})
    assert "neither continues texts nor answers about pictures" in refused(folder, UsageError)
    edit(folder / "config.json", **CONFIG | {"model_type": "no-such-model"})
    assert "model type `no-such-model`" in refused(folder)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("model.safetensors", POINTER, "model.safetensors is a pointer of Git LFS, not the file: run git lfs pull"),
        ("tokenizer.json", POINTER, "tokenizer.json is a pointer of Git LFS"),
        ("config.json", POINTER, "config.json is a pointer of Git LFS"),
        ("config.json", "{", "config.json is not JSON, or is truncated"),
        ("tokenizer.json", '{"version": "1.', "tokenizer.json is not JSON, or is truncated"),
        ("model.safetensors", "", "model.safetensors is not a safetensors file, or is truncated"),
        ("model.safetensors", "<!doctype html>" * 9, "model.safetensors is not a safetensors file"),
        ("model.safetensors", -1000, "model.safetensors has 3,720,152 bytes of 3,721,152: download it again"),
        ("model.safetensors", -3721052, "model.safetensors is not a safetensors file, or is truncated"),
        ("model.safetensors", None, "holds no weights: model.safetensors is missing"),
        ("tokenizer.json", None, "its tokenizer cannot be read: copy tokenizer.json"),
        ("processor_config.json", None, "it holds no image processor: copy preprocessor_config.json"),
        *(
            (f"{name}.json", content, f": {name}.json is not a JSON object: download it again")
            for name in ("config", "generation_config", "tokenizer", "tokenizer_config", "processor_config")
            for content in ("[]", "null")
        ),
    ],
)
def test_a_damaged_or_missing_file(folder, name, content, said):
    file = folder / name
    if content is None:
        file.unlink()
    else:
        file.write_bytes(content.encode() if isinstance(content, str) else file.read_bytes()[:content])
    assert said in refused(folder)


def test_lists_in_other_files_are_not_ours_to_judge(folder, answer):
    (folder / "modules.json").write_text("[]")
    assert answered(hf(folder)) == answer


def test_a_folder_without_what_prompts_begin_with_says_so(folder):
    (folder / "tokenizer_config.json").unlink()
    model = hf(folder)
    model.load([])
    (said,) = model.remarks()
    assert str(folder) in said and "holds no tokenizer_config.json, which says what prompts begin with" in said
    assert not hf(folder, gguf="model.gguf").remarks() and not hf("owner/name").remarks() and not hf().remarks()


@pytest.mark.parametrize("layer", [-9, 4, [-1, -5]])
def test_a_layer_that_the_tower_does_not_have(folder, layer):
    edit(folder / "config.json", vision_feature_layer=layer)
    said = refused(folder, UsageError)
    at = layer if isinstance(layer, int) else layer[1]
    assert f"config.json has vision_feature_layer={at}, and its vision tower has 3 layers" in said


@pytest.mark.parametrize("layer", [-4, 3])
def test_the_first_and_the_last_layer_of_the_tower(folder, layer):
    edit(folder / "config.json", vision_feature_layer=layer)
    assert answered(hf(folder))


def test_another_models_tokenizer(folder):
    file = folder / "tokenizer.json"
    made = json.loads(file.read_text())
    vocabulary = made["model"]["vocab"]
    vocabulary |= {f"zz{i}": len(vocabulary) + i for i in range(2000)}
    file.write_text(json.dumps(made))
    assert "the tokenizer that belongs to these weights" in refused(folder)


def test_files_that_a_mac_left_beside_them_are_passed_over(folder, answer):
    for name in ("model.safetensors", "config.json"):
        (folder / f"._{name}").write_bytes(b"\x00\x05\x16\x07")
    assert answered(hf(folder)) == answer


def test_a_shard_that_is_missing(folder, answer):
    tensors = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = {k: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, k in enumerate(tensors)}
    for file in set(names.values()):
        save_file({k: v for k, v in tensors.items() if names[k] == file}, folder / file, metadata={"format": "pt"})
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))
    assert answered(hf(folder)) == answer
    (folder / "model-00002-of-00002.safetensors").unlink()
    assert "model-00002-of-00002.safetensors is missing" in refused(folder)


def test_an_adapter(folder):
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    (folder / "adapter_config.json").write_text("{}")
    assert "is an adapter, not a model: merge it" in refused(folder)
    (folder / "config.json").unlink()
    assert "is an adapter, not a model: merge it" in refused(folder, UsageError)


def test_no_pickle_without_trust(folder, answer):
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    assert answered(hf(folder)) == answer
    (folder / "model.safetensors").unlink()
    assert "pytorch_model.bin: its weights are pickles" in refused(folder, UsageError)
    assert answered(hf(folder, trust=True)) == answer


def test_no_code_without_trust(folder, answer, monkeypatch, tmp_path):
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("asked on the terminal"))
    monkeypatch.setattr("transformers.dynamic_module_utils.HF_MODULES_CACHE", str(tmp_path / "modules"))
    mark = tmp_path / "ran"
    code = (
        f"open({str(mark)!r}, 'w').close()\n"
        "from transformers import LlavaConfig, LlavaForConditionalGeneration, LlavaProcessor\n"
        "class Config(LlavaConfig): model_type = 'mine'\n"
        "class Model(LlavaForConditionalGeneration): config_class = Config\n"
        "class Processor(LlavaProcessor): pass\n"
    )
    (folder / "code.py").write_text(code)
    edit(folder / "processor_config.json", auto_map={"AutoProcessor": "code.Processor"}, processor_class="Processor")
    assert "comes with code of its own" in refused(folder, UsageError)
    names = {"AutoConfig": "code.Config", "AutoModelForImageTextToText": "code.Model"}
    edit(folder / "config.json", auto_map=names, model_type="mine")
    assert "model.trust=true" in refused(folder, UsageError) and not mark.exists()
    trusted = hf(folder, trust=True)
    assert answered(trusted) == answer and mark.exists()
    assert type(trusted.model).__module__.startswith("transformers_modules")


def test_settings_left_out_change_no_identity(folder):
    facts = [hf(folder, **s).fingerprint() for s in ({}, {"partial": False}, {"partial": True}, {"trust": True})]
    assert facts[0] == facts[1] == hf().fingerprint() and len(set(facts)) == 3


@pytest.mark.parametrize(
    ("file", "template"),
    [
        ("chat_template.json", TEMPLATE),
        ("tokenizer_config.json", TEMPLATE),
        ("tokenizer_config.json", [{"name": "default", "template": TEMPLATE}, {"name": "tools", "template": "x"}]),
        ("tokenizer_config.json", [{"name": "only", "template": TEMPLATE}]),
    ],
)
def test_a_template_elsewhere_is_used(folder, answer, file, template):
    (folder / "chat_template.jinja").unlink()
    if not (folder / file).exists():
        (folder / file).write_text("{}")
    edit(folder / file, chat_template=template)
    assert answered(hf(folder)) == answer


def test_the_template_of_a_text_model_in_a_legacy_file(tmp_path):
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(tmp_path)
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(tokenizer), **sizes)).save_pretrained(tmp_path)
    with pytest.raises(UsageError, match="this model has no chat template"):
        hf(tmp_path).load([])
    template = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}{% endfor %}"
    (tmp_path / "chat_template.json").write_text(json.dumps({"chat_template": template}))
    model = hf(tmp_path)
    model.load([])
    assert model.prompts.text(Request(user("Hello"), 2)) == "<user>Hello"


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (
            "{{ raise_exception('No users here') }}",
            "the chat template refuses these messages: No users here: add model.chat",
        ),
        ("{% if %}", "the chat template refuses these messages: Expected an expression"),
        ("{{ messages[0].nope.more }}", "refuses these messages: 'dict object' has no attribute 'nope'"),
        ("hello", "the chat template leaves a question out"),
        ([{"name": "a", "template": "x"}, {"name": "b", "template": "y"}], "chat templates are called a, b"),
    ],
)
def test_a_template_that_cannot_be_used(folder, template, said):
    (folder / "chat_template.jinja").unlink()
    edit(folder / "tokenizer_config.json", chat_template=template)
    with pytest.raises(UsageError, match=re.escape(said)):
        hf(folder).load([])


def test_a_template_that_refuses_a_role_costs_its_samples(folder):
    refusal = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
    (folder / "chat_template.jinja").write_text(refusal + TEMPLATE)
    model = hf(folder)
    model.load([])
    (call,) = calls([Request((Message("system", ("Be brief.",)), *ASKED.messages), 4)])
    with pytest.raises(Unusable, match="refuses these messages: System role not supported"):
        model.prepare(call)
    assert model.answer(calls([ASKED]), Decoding())


@pytest.mark.parametrize("content", ["{{ m['content'] }}", "{{ ': ' + m['content'] }}"])
def test_a_template_that_knows_texts_only_gets_the_pictures_placeholder(folder, content):
    """Given a list, it would print the list, or fail."""
    (folder / "chat_template.jinja").write_text("{% for m in messages %}" + content + "{% endfor %}")
    model = hf(folder)
    model.load([])
    assert model.prompts.text(ASKED).removeprefix(": ") == "<image>Is there a dog?"

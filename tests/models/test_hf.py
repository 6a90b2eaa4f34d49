"""The embedded model through the real loading code of transformers."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from harness.core import Call, Decoding, Message, Missing, Pipeline, Request, Sample, UsageError, user
from harness.core.types import Capture
from harness.models.hf.batching import _pack
from harness.models.hf.model import HFModel
from harness.models.hf.prompts import Prompts

WEIGHTS = Path(__file__).parents[2] / "harness" / "models" / "tiny" / "weights"
GREEDY = Decoding()


def hf(path=WEIGHTS, **other):
    values = {
        "name": "tiny-llava", "family": None, "data": "embedded", "path": str(path), "revision": None,
        "dtype": "float32", "device": "cpu", "attention": "sdpa", "chat": "auto", "pad": "auto",
    }  # fmt: skip
    return HFModel(**values | other)


@pytest.fixture(scope="module")
def model():
    made = hf()
    made.load([])
    return made


@pytest.fixture(scope="module")
def requests():
    from harness.plugins.registry import Registry

    task = Registry().tasks["pope"].build(data="embedded")
    samples = list(task.samples())
    pictures = list(dict.fromkeys(s.cluster for s in samples))[:6]
    return [next(task.episode(s)) for s in samples if s.cluster in pictures]


def calls(requests):
    return [Call(r, Sample(str(i), "c", "g", None), i) for i, r in enumerate(requests)]


def test_spliced_prompts_equal_the_processors(model, requests):
    processor = AutoProcessor.from_pretrained(WEIGHTS)
    prompts = Prompts(processor, model.model.config, chat="auto")
    for request in requests[:30]:
        text = prompts.text(request)
        wanted = processor(images=[request.pictures[0].load()], text=[text], return_tensors="pt")
        prompts.encode(request)
        given = prompts.encode(request).tensors
        assert given.keys() == {k for k in wanted if k != "token_type_ids"} | (given.keys() & {"token_type_ids"})
        for key, tensor in given.items():
            assert torch.equal(tensor, wanted[key]), key


def test_what_the_user_wrote_is_found_around_pictures_and_in_every_message(model, requests):
    shown, other = (requests[i].pictures[0] for i in (0, -1))
    turns = (
        Message("user", (shown, "Is there a dog?")),
        Message("assistant", ("No.",)),
        Message("user", (other, "Is there a cat?", shown, "Is it red?")),
    )
    prompts = Prompts(AutoProcessor.from_pretrained(WEIGHTS), model.model.config, chat="auto")
    prompts.mark_questions = True
    for messages, expected in {
        turns: ["Is there a cat?", "Is it red?", "Is there a dog?"],
        turns[:1]: ["Is there a dog?"],
        (turns[0], turns[1], Message("user", ("Is it red?",))): ["Is it red?", "Is there a dog?"],
    }.items():
        made = prompts.encode(replace(requests[0], messages=messages))
        ids = made.tensors["input_ids"][0]
        assert [prompts.tokenizer.decode(ids[a:b]).strip() for a, b in made.spans] == expected
        keep = ids != model.view.image_token_id
        assert [ids[keep][a:b].tolist() for a, b in made.kept(keep).spans] == [ids[a:b].tolist() for a, b in made.spans]


def test_answers_equal_stock_generate_in_any_batch(model, requests):
    stock = AutoModelForImageTextToText.from_pretrained(WEIGHTS, dtype=torch.float32)
    processor = AutoProcessor.from_pretrained(WEIGHTS)
    wanted = []
    for request in requests[:24]:
        text = model.prompts.text(request)
        x = processor(images=[request.pictures[0].load()], text=[text], return_tensors="pt")
        x.pop("token_type_ids", None)
        out = stock.generate(**x, max_new_tokens=request.max_new_tokens, do_sample=False)
        wanted.append(processor.decode(out[0, x["input_ids"].shape[1] :], skip_special_tokens=True).strip(" "))
    for size in (1, 5, 24):
        batches = [requests[i : min(i + size, 24)] for i in range(0, 24, size)]
        replies = [r for batch in batches for r in model.answer(calls(batch), GREEDY)]
        assert [r.text for r in replies] == wanted
    assert all(r.finish == "stop" and r.new_tokens >= 1 and r.prompt_tokens > 60 for r in replies)


def test_the_view_knows_the_words_of_the_model(model, requests):
    yes, no = model.view.begins("yes"), model.view.begins("no")
    for reply in model.answer(calls(requests[:12]), GREEDY):
        assert model.view.tokens(f" {reply.text}")[0] in (yes if reply.text == "Yes" else no)
    assert model.view.decode(model.view.tokens("Is there a dog?")) == "Is there a dog?"


def test_captured_attention_has_the_step_that_ended_the_answer(model, requests):
    looks = [replace(request, capture=Capture((1, 2))) for request in requests[:3]]
    for reply in model.answer(calls(looks), GREEDY):
        assert reply.finish == "stop" and len(reply.attention.weights) == reply.new_tokens + 1
    cut = model.answer(calls([replace(looks[0], max_new_tokens=1)]), GREEDY)[0]
    stopped = model.answer(calls([replace(looks[0], stop=("e", "o"))]), GREEDY)[0]
    assert len(cut.attention.weights) == 1 and len(stopped.attention.weights) == stopped.new_tokens


def test_plans_keep_pictures_together_and_lose_nothing(model, requests):
    given = calls(requests)
    batches = list(model.plan(given, 20))
    assert sorted(c.sample.id for b in batches for c in b) == sorted(c.sample.id for c in given)
    assert max(map(len, model.batching.plan(given, 20))) <= 20
    again = list(model.plan(given, 20))
    assert [[c.sample.id for c in b] for b in batches] == [[c.sample.id for c in b] for b in again]


def test_a_picture_is_decoded_once_however_often_it_is_asked(requests, monkeypatch):
    from harness.records.pictures import Named

    decoded, load = [], Named.load
    monkeypatch.setattr(Named, "load", lambda self: decoded.append(self.name) or load(self))
    made = hf()
    made.load([])
    made.answering.prompts = Prompts(made.prompts.processor, made.model.config, chat="auto")
    asked = calls(requests)
    for call in asked:
        made.prepare(call)
    replies = made.answer(asked, GREEDY)
    assert len(replies) == len(asked) > len(set(decoded))
    assert len(decoded) == len({c.request.pictures[0].digest for c in asked})
    assert not made.answering.ready and all(r.latency > 0 for r in replies)


def test_a_corrupt_picture_is_found_before_its_batch(model):
    from harness.core import Picture, Unusable

    (call,) = calls([Request(user(Picture(b"no picture"), "What is this?"), 4)])
    for _ in range(2):
        with pytest.raises(Unusable, match="cannot be decoded"):
            model.prepare(call)
    assert not model.answering.ready


def test_pack_cuts_only_what_is_too_large():
    groups = [list("aaaa"), list("bbb"), list("ccccccc"), list("d")]
    assert ["".join(b) for b in _pack(groups, 5)] == ["aaaa", "bbb", "ccccc", "ccd"]


def test_half_precision_batches_only_equal_lengths(requests):
    half = hf(dtype="bfloat16")
    half.load([])
    for batch in half.plan(calls(requests), 16):
        assert len({half.prompts.encode(c.request).tensors["input_ids"].shape[1] for c in batch}) == 1


def test_half_precision_keeps_a_picture_for_all_lengths_of_its_questions(requests, monkeypatch):
    """As many pictures together as are kept, so that each is encoded once."""
    monkeypatch.setattr("harness.steering.shown.KEPT", 0)
    half = hf(dtype="bfloat16")
    half.load([])
    shown = [c.request.pictures[0].digest for batch in half.plan(calls(requests), 16) for c in batch]
    assert len([1 for a, b in pairwise(shown) if a != b]) == len(set(shown)) - 1 > 0


def test_rows_that_share_nothing_are_bounded_by_their_cache(model, requests, monkeypatch):
    """Keys and values of a large model: those of a shared picture are held once."""
    monkeypatch.setattr("harness.models.hf.batching.HELD", 3 * 2**20)
    (call,) = calls(requests[:1])
    apart = replace(model.batching, shares=False)
    assert apart.rows(call) < model.batching.rows(call)


def test_calls_that_come_while_others_are_answered_get_the_same_replies(model, requests, monkeypatch):
    asked = [replace(c, again=True) for c in calls([replace(r, max_new_tokens=4) for r in requests[:9]])]
    asked[6] = replace(asked[6], request=replace(asked[6].request, capture=Capture((1,))))
    asked[7] = replace(asked[7], request=replace(asked[7].request, max_new_tokens=5))  # needs more room
    monkeypatch.setattr(type(model.batching), "slots", lambda _, prompt, limit: 2 if limit > 4 else 4)
    rest, found, order = asked[4:], {}, []
    coming = model.answers(asked[:4], GREEDY, None, lambda: [rest.pop(0) for _ in rest[:]])
    for part, replies in coming:
        order += [int(call.sample.id) for call in part]
        found |= {call.sample.id: reply for call, reply in zip(part, replies, strict=True)}
    assert len(order) == len(found) == 9 and set(order[-2:]) == {6, 7}
    for call in asked:
        (wanted,) = model.answer([call], GREEDY)
        reply = found[call.sample.id]
        assert (reply.text, reply.new_tokens, reply.finish) == (wanted.text, wanted.new_tokens, wanted.finish)
        assert (reply.attention is None) == (call.request.capture is None)


def test_max_new_tokens_and_stop(model, requests):
    ask = Request(
        (*requests[0].messages[:-1], *user(requests[0].pictures[0], "Please describe this image in detail.")), 3
    )
    (short,) = model.answer(calls([ask]), GREEDY)
    assert short.new_tokens == 3 and short.finish == "length"
    (longer,) = model.answer(calls([ask]), Decoding(max_new_tokens=12))
    assert longer.text.startswith(short.text) and longer.new_tokens > 3
    word = longer.text.split()[1]
    (stopped,) = model.answer(calls([Request(ask.messages, 12, stop=(word,))]), GREEDY)
    assert word not in stopped.text and stopped.finish == "stop"


def test_sampling_is_seeded_per_request(model, requests):
    nucleus = Decoding("nucleus", temperature=1.5, top_p=1.0)
    together = [r.text for r in model.answer(calls(requests[:12]), nucleus)]
    alone = [model.answer([c], nucleus)[0].text for c in calls(requests[:12])]
    assert together == alone


def test_a_system_message_and_a_text_only_prompt_are_read(model, requests):
    system = Request((Message("system", ("Be brief.",)), *requests[0].messages), 4)
    text = Request(user("Is there a dog in the image?"), 4)
    assert all(r.new_tokens for r in model.answer(calls([system, text]), GREEDY))


def test_the_fingerprint_is_of_the_weights_not_the_path(tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(WEIGHTS, copy)
    assert hf(copy).fingerprint() == hf().fingerprint() != hf(dtype="bfloat16").fingerprint()
    with (copy / "model.safetensors").open("r+b") as file:
        file.seek(-2, 2)
        last = file.read(2)
        file.seek(-2, 2)
        file.write(bytes([last[0] ^ 1, last[1]]))
    assert hf(copy).fingerprint() != hf().fingerprint()


def test_a_fingerprint_needs_no_torch():
    code = (
        "import sys; from tests.models.test_weights_only import fingerprint; fingerprint();"
        "sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False)
    assert done.returncode == 0


def test_wrong_settings_are_named(tmp_path):
    with pytest.raises(UsageError, match=r"model.dtype=int8 is unknown"):
        hf(dtype="int8")
    with pytest.raises(UsageError, match=r"model.attention=fast is unknown"):
        hf(attention="fast")
    with pytest.raises(Missing, match="is neither a folder nor a hub name"):
        hf(tmp_path / "gone").fingerprint()
    with pytest.raises(UsageError, match=r"holds no config.json"):
        hf(tmp_path).fingerprint()
    with pytest.raises(Missing, match="HF_HUB_OFFLINE"):
        hf("nobody/nothing").fingerprint()
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "no-such-model"}))
    with pytest.raises(Missing, match="holds no weights"):
        hf(tmp_path).load([])
    assert hf(device="cuda:1")._waits(GREEDY) == "model.device=cuda:1", "batches on a GPU wait"
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="sees no CUDA device"):
            hf(device="cuda").load([])


def test_a_compiled_model_is_another_one_and_takes_no_steering(tmp_path, capsys):
    from harness.cli import main

    assert hf(compile=True).fingerprint() != hf().fingerprint()
    words = ["eval", "task=pope", "method=vista", "model.compile=true", "limit=18", f"results={tmp_path}"]
    assert main(words) == 2
    assert "leave model.compile out" in capsys.readouterr().err


@pytest.mark.slow
def test_a_compiled_model_answers_alike(model, requests):
    compiled = hf(compile=True)
    compiled.load([])
    some = calls(requests[:20])
    assert [r.text for r in compiled.answer(some, GREEDY)] == [r.text for r in model.answer(some, GREEDY)]


def test_a_method_that_steers_nothing_is_refused():
    with pytest.raises(UsageError, match="steers nothing"):
        hf().load([Pipeline()])


def test_work_counts_streams_and_shared_prefixes(requests):
    from tests.methods.test_every_method import make

    works = []
    for methods in ([], [make("vcd")]):
        own = hf()
        own.load(methods)
        own.answer(calls(requests[:6]), Decoding(max_new_tokens=1))
        works.append(own.work())
    # Six questions on one picture: its prefix once, then each question.
    assert works[0]["passes"] == 7 and works[1] == {k: 2 * v for k, v in works[0].items()}


def test_a_text_checkpoint_needs_no_image_processor(tmp_path):
    """Even if its tokenizer was taken from a vision-language model."""
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(WEIGHTS)
    small = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2,
        bos_token_id=1, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    LlamaForCausalLM(small).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    reader = hf(tmp_path)
    reader.load([])
    (reply,) = reader.answer(calls([Request(user("Is there a dog?"), 3, plain=True)]), GREEDY)
    assert reply.new_tokens <= 3
    with pytest.raises(UsageError, match="reads text only"):
        reader.answer(calls([Request(user(hf_picture(), "?"), 3)]), GREEDY)


def hf_picture():
    import io

    from PIL import Image

    from harness.core import Picture

    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    return Picture(file.getvalue())

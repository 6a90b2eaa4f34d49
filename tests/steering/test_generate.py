"""The steering layer against stock `generate()`, single runs and full forward passes, over ten families."""

from __future__ import annotations

import copy

import pytest
import torch

from harness.checks.playing import differ, hooks, play, same
from harness.checks.zoo import FAMILIES, SEEING, sample, view
from harness.core import Decoding, UsageError
from harness.steering import Inputs, Steering, View, generate
from harness.steering import forward as passes
from tests.methods.made import made
from tests.steering.probes import LookAtImage, NoPicture, Scale

POINTS = ["residual", "layer_input", "mlp", "attention_output", "attention_input", "heads", "attention_logits"]
POINTS += ["attention_weights", "logits"]
BEAM = Decoding("beam", num_beams=3)
NUCLEUS = Decoding("nucleus", temperature=0.8, top_p=0.9)


def vista(lam: float = 0.1, gamma: float = 0.3) -> Steering:
    return made("vista", lam=lam, gamma=gamma)


def vcd(alpha: float = 1.0, beta: float = 0.1) -> Steering:
    return made("vcd", alpha=alpha, beta=beta)


def three(name: str) -> list[Inputs]:
    """Prompts of three lengths with three pictures."""
    return [
        sample(name, 0, length=4),
        sample(name, 1, length=9, picture=2),
        sample(name, 2, picture=3, before=5),
    ]


def questions(name: str) -> list[Inputs]:
    """Five questions of different lengths about two pictures whose prefixes differ in length."""
    return [sample(name, i, length=4 + i % 3, picture=i // 3, before=3 + i // 3, shared=True) for i in range(5)]


@pytest.mark.parametrize("name", FAMILIES)
def test_vanilla_is_stock_generate(name):
    v, one = view(name), sample(name, 0)
    tensors = {k: x.to(v.device) for k, x in one.tensors.items()}
    out = v.model.generate(**tensors, max_new_tokens=5, do_sample=False)
    assert play(v, [one])[0].tokens == out[0, one.length :].tolist()
    assert generate(v, [one], (), Decoding(), 5, [0])[0].tokens == out[0, one.length :].tolist()


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("methods", [(), (vista(), vcd()), (LookAtImage(0.5), NoPicture(1.0))], ids=["0", "1", "2"])
def test_batch_equals_singles(name, methods):
    v, batch = view(name), three(name)
    same(play(v, batch, methods), [play(v, [one], methods)[0] for one in batch], 5e-4)


@pytest.mark.parametrize("name", FAMILIES)
def test_neutral_strength_is_vanilla_bit_for_bit(name):
    v, batch = view(name), three(name)
    neutral = [*(Scale(p, 0.0) for p in POINTS), LookAtImage(0.0), NoPicture(0.0), vista(0.0, 0.0), vcd(0.0, 0.0)]
    same(play(v, batch, neutral), play(v, batch), 0)


@pytest.mark.parametrize("name", ["llava", "qwen2_5_vl", "gemma3", "instructblip"])
@pytest.mark.parametrize("point", POINTS)
def test_every_point_edits(name, point):
    v, batch = view(name), three(name)
    differ(play(v, batch, [Scale(point, 0.5)]), play(v, batch))


@pytest.mark.parametrize("name", FAMILIES)
def test_model_is_restored(name):
    v, batch = view(name), three(name)
    before, hung, attention = play(v, batch), hooks(v), v.implementation
    play(v, batch, [vista(), LookAtImage(0.5), vcd()])

    class Breaks(LookAtImage):
        def attention_logits(self, l, a, run):
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        play(v, batch, [Scale("mlp", 0.5), Breaks(0.5)])
    assert (hooks(v), v.implementation) == (hung, attention)
    same(play(v, batch), before, 0)


@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize(
    "methods",
    [(), (LookAtImage(0.5),), (Scale("heads", 0.5),), (Scale("mlp", 0.1), LookAtImage(0.5), vcd(), NoPicture(0.5))],
    ids=["vanilla", "plain", "with", "mixed"],
)
def test_shared_prefix_changes_nothing(name, methods, monkeypatch):
    v, batch = view(name), questions(name)
    encoded = []
    real = passes.encode
    monkeypatch.setattr("harness.steering.generation.encode", lambda run: encoded.append(run) or real(run))
    shared = play(v, batch, methods)
    assert len(encoded) == (name != "instructblip")
    for one in batch:
        one.shared = None
    same(shared, play(v, batch, methods), 5e-4)
    assert len(encoded) == (name != "instructblip")


def test_prefix_of_the_wrong_kind_differs():
    v, batch = view("llava"), questions("llava")
    right = play(v, batch, [Scale("mlp", 0.5)])
    wrong = Scale("mlp", 0.5)
    wrong.prefix = "plain"
    differ(play(v, batch, [wrong]), right)


@pytest.mark.parametrize("methods", [(vista(),), (Scale("heads", 0.5), vista())])
def test_no_sharing_where_one_method_forbids_it(methods, monkeypatch):
    monkeypatch.setattr("harness.steering.generation.encode", lambda run: pytest.fail("shared"))
    play(view("llava"), questions("llava"), methods)


def test_a_lone_question_and_a_late_picture_are_not_shared():
    v = view("llava")
    pair = [[sample("llava", i, shared=True)] for i in range(2)]
    assert passes.sharing(v, pair, 5) == [True, True]
    assert passes.sharing(v, pair[:1], 5) == [False]
    pair[0][0].shared = (pair[0][0].shared[0], 5)
    assert passes.sharing(v, pair, 5) == [False, False]


def test_no_sharing_beyond_a_sliding_window():
    v = view("gemma3")
    rows = [[sample("gemma3", i, length=6 + i, shared=True)] for i in range(2)]
    assert passes.sharing(v, rows, 5) == [True, True]
    assert passes.sharing(v, rows, 30) == [False, False]


def test_rope_deltas_of_the_prefix_are_used_and_put_back():
    v, batch = view("qwen2_vl"), questions("qwen2_vl")
    first = play(v, batch)
    v.rope_deltas = torch.tensor([[123]])
    same(play(v, batch), first, 0)
    assert v.rope_deltas is not None and v.rope_deltas.tolist() == [[123]]
    v.rope_deltas = None


@pytest.mark.parametrize("name", SEEING)
@pytest.mark.parametrize("methods", [(), (Scale("heads", 0.5), vista(0.0), vcd())], ids=["vanilla", "methods"])
def test_cached_decode_is_full_forward(name, methods):
    v, one = view(name), sample(name, 0)
    cached = play(v, [one], methods)[0]
    assert cached.scores is not None
    for t in range(1, 4):
        if v.image_token_id in cached.tokens[:t]:
            break  # as a prompt it would be a picture's
        ids = torch.cat([one.tensors["input_ids"], torch.tensor([cached.tokens[:t]])], 1)
        longer = {k: torch.ones_like(ids) if k == "attention_mask" else torch.zeros_like(ids) for k in one.tensors}
        longer = {
            k: longer[k] if k.endswith(("mask", "type_ids")) and k[0] != "q" else x for k, x in one.tensors.items()
        }
        for k in ("mm_token_type_ids", "token_type_ids"):
            if k in longer:
                longer[k] = (ids == v.image_token_id).long()
        step = play(v, [Inputs(longer | {"input_ids": ids})], methods, steps=1)[0]
        assert step.scores is not None
        torch.testing.assert_close(step.scores[0], cached.scores[t], atol=5e-4, rtol=1e-4)


@pytest.mark.parametrize("name", ["llama", "llava", "qwen2_5_vl", "instructblip"])
@pytest.mark.parametrize("methods", [(), (vcd(),)], ids=["vanilla", "vcd"])
def test_a_sample_draws_the_same_alone_and_in_a_batch(name, methods):
    v, batch, seeds = view(name), questions(name), [5, 6, 7, 8, 9]
    together = play(v, batch, methods, NUCLEUS, seeds)
    same(together, [play(v, [b], methods, NUCLEUS, [s])[0] for b, s in zip(batch, seeds, strict=True)], 5e-4)
    other = play(v, batch, methods, NUCLEUS, [s + 100 for s in seeds])
    assert [g.tokens for g in other] != [g.tokens for g in together]


def test_sampling_follows_the_warped_distribution():
    v, one = view("llama"), sample("llama", 0)
    scores = play(v, [one])[0].scores
    assert scores is not None
    for decoding in (
        Decoding("nucleus", top_k=1),
        Decoding("nucleus", top_p=1e-6),
        Decoding("nucleus", temperature=1e-3),
    ):
        assert play(v, [one], (), decoding)[0].tokens == play(v, [one])[0].tokens
    draws = generate(v, [one] * 400, (), Decoding("nucleus", temperature=2.0, top_k=3), 1, range(400))
    p, tokens = (scores[0] / 2).topk(3)
    counts = torch.tensor([sum(d.tokens == [int(t)] for d in draws) for t in tokens])
    assert counts.sum() == 400
    assert (counts / 400 - p.softmax(-1)).abs().max() < 0.1


@pytest.mark.parametrize("name", ["llama", "llava", "qwen2_5_vl", "gemma3", "instructblip"])
def test_beams(name):
    v, one = view(name), sample(name, 0)
    stock = v.model.generate(**one.tensors, max_new_tokens=5, do_sample=False, num_beams=3)
    assert play(v, [one], (), BEAM)[0].tokens == stock[0, one.length :].tolist()
    batch = questions(name)
    for methods in ((), (vista(), LookAtImage(0.5)), (Scale("heads", 0.5), vista(0.0))):
        tokens = [g.tokens for g in generate(v, batch, methods, BEAM, 5, range(5))]
        assert tokens == [generate(v, [b], methods, BEAM, 5, [0])[0].tokens for b in batch]


def test_refusals_name_method_and_mend():
    v, one = view("llava"), [sample("llava", 0)]
    with pytest.raises(UsageError, match="method=vcd cannot run in decoding=beam"):
        generate(v, one, [vcd()], BEAM, 5, [0])
    greedy = LookAtImage(0.5)
    greedy.sampling = False
    with pytest.raises(UsageError, match="method=look does not sample"):
        generate(v, one, [greedy], NUCLEUS, 5, [0])
    greedy.conflicts = ("vcd",)
    with pytest.raises(UsageError, match="method=look cannot run beside method=vcd"):
        generate(v, one, [vcd(), greedy], Decoding(), 5, [0])


def test_a_method_without_batches_runs_sample_by_sample():
    class Alone(Steering):
        name, batch = "alone", False

        def prepare(self, run):
            sizes.append(len(run.samples))

        def residual(self, l, h, batch):
            return None

    sizes: list[int] = []
    play(view("llava"), three("llava"), [Alone()])
    assert sizes == [1, 1, 1]


def test_end_of_sequence_ends_an_answer():
    v, batch = view("llama"), three("llama")
    free = play(v, batch)
    stop = free[0].tokens[2]
    v.model.generation_config.eos_token_id = [stop]
    try:
        ended = play(View(v.model), batch)
    finally:
        v.model.generation_config.eos_token_id = None
    for a, b in zip(free, ended, strict=True):
        cut = a.tokens.index(stop) if stop in a.tokens else None
        assert (b.tokens, b.finish) == (a.tokens[:cut], "length" if cut is None else "stop")


def test_columns_that_methods_ask_for():
    v = view("llava")
    first = sample("llava", 0, length=4, shared=True)
    batch = [first, sample("llava", 1, length=7, shared=True)]
    seen = []

    class Asks(Steering):
        name = "asks"

        def attention_logits(self, l, a, run):
            if l == 0:
                masks = [f(self) for f in (run.image, run.question, run.prompt, run.generated)]
                seen.append((run.prefill, a.shape[-1], [m.sum(1).tolist() for m in masks]))
                assert all(m.shape == (2, a.shape[-1]) for m in masks)

    play(v, batch, [Asks()], steps=2)
    prompt = [first.length, first.length + 3]
    assert seen == [
        (True, prompt[1], [[16, 16], [4, 7], prompt, [0, 0]]),
        (False, prompt[1] + 1, [[16, 16], [4, 7], prompt, [1, 1]]),
    ]


def test_attention_edits_beyond_a_sliding_window():
    v = view("gemma3")
    long = [sample("gemma3", 0, length=50), sample("gemma3", 1, length=41)]
    look = [LookAtImage(0.5)]
    together = play(v, long, look, steps=8)
    same(together, [play(v, [one], look, steps=8)[0] for one in long], 5e-4)
    differ(together, play(v, long, steps=8))


@pytest.mark.parametrize("name", ["llava", "qwen2_vl", "instructblip", "idefics3"])
def test_prompts_with_and_without_pictures_share_a_batch(name):
    v = view(name)
    batch = [sample(name, 0, picture=None, length=5), sample(name, 1), sample(name, 2, picture=None)]
    if name == "qwen2_vl":
        del batch[0].tensors["mm_token_type_ids"]
    methods = [vista(), vcd()]
    out = play(v, batch, methods)
    same(out, [play(v, [one], methods)[0] for one in batch], 5e-4)
    vanilla = play(v, batch)
    for at in (0, 2):
        same([out[at]], [vanilla[at]], 5e-4)


def test_half_precision():
    model = FAMILIES["llava"].build().eval().to(torch.bfloat16)
    model.generation_config.pad_token_id = 0
    v, methods = View(model), [vista(), vcd(), LookAtImage(0.5), Scale("heads", 0.5)]
    out = play(v, questions("llava"), methods)
    assert all(len(g.tokens) == 5 and g.scores is not None and not g.scores.isnan().any() for g in out)


def test_tiles_of_different_number():
    v = view("idefics3")
    one, two = sample("idefics3", 0), sample("idefics3", 1)
    ids = two.tensors["input_ids"]
    at = int((ids[0] == v.image_token_id).nonzero()[0])
    ids = torch.cat([ids[:, :at], torch.full((1, 4), v.image_token_id), ids[:, at:]], 1)
    pixels = torch.randn(1, 2, 3, 56, 56, generator=torch.Generator().manual_seed(3))
    tiled = Inputs({"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": pixels})
    same(play(v, [one, tiled]), [play(v, [x])[0] for x in (one, tiled)])


def test_long_seeds_differ_in_their_upper_bits():
    v, one = view("llama"), [sample("llama", 0)]
    warm = Decoding("nucleus", temperature=3.0)
    draws = {tuple(play(v, one, (), warm, [7 + (n << 32)])[0].tokens) for n in range(6)}
    assert len(draws) > 1


@pytest.mark.parametrize("family", ["llava", "instructblip"])
def test_generation_config_of_a_checkpoint_changes_nothing(family, monkeypatch):
    """Whatever it holds besides special tokens, and it is there again afterwards."""
    v = view(family)
    plain = play(v, [sample(family, 1), sample(family, 2)])
    odd = {
        "min_new_tokens": 4,
        "min_length": 40,
        "suppress_tokens": [plain[0].tokens[0]],
        "begin_suppress_tokens": [plain[1].tokens[0]],
        "bad_words_ids": [[plain[0].tokens[1]]],
        "sequence_bias": [[[plain[0].tokens[2]], -100.0]],
        "forced_eos_token_id": 7,
        "exponential_decay_length_penalty": [1, 3.0],
        "repetition_penalty": 3.0,
        "no_repeat_ngram_size": 1,
        "renormalize_logits": True,
        "remove_invalid_values": True,
        "stop_strings": ["a"],
        "num_beams": 3,
        "do_sample": True,
        "temperature": 0.1,
        "output_scores": True,
        "max_time": 0.0,
    }
    for model in {v.model, v.text_model}:
        own = copy.deepcopy(model.generation_config)
        own.update(**odd)
        monkeypatch.setattr(model, "generation_config", own)
    same(play(v, [sample(family, 1), sample(family, 2)]), plain, 0)
    assert v.model.generation_config.min_new_tokens == 4 and v.text_model.generation_config.min_new_tokens == 4

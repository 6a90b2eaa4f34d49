"""ICD, SID and INTER: the tests of their specifications."""

from __future__ import annotations

import math

import pytest
import torch

from harness.checks.playing import GREEDY, play, same
from harness.checks.zoo import encode, sample, view
from harness.core import Decoding, UsageError
from harness.methods.decoding.inter import interaction, uniform
from harness.methods.decoding.sid import hidden_columns
from harness.steering import Steering
from tests.methods.made import made


def first(v, inputs):
    with torch.no_grad():
        return v.model(**inputs.tensors).logits[0, -1]


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl", "idefics3"])
def test_icd_puts_the_sentence_between_picture_and_question(family):
    v, one = view(family), sample(family, 0)
    disturbed = made("icd").contrast(one, v)
    ids, other = one.tensors["input_ids"][0], disturbed.tensors["input_ids"][0]
    question = one.question[0]
    added = len(other) - len(ids)
    assert added == len(made("icd").disturbance.split())
    assert torch.equal(other[:question], ids[:question]) and torch.equal(other[question + added :], ids[question:])
    got = play(v, [one], [made("icd", alpha=0.6, beta=0.0)])[0].scores
    assert got is not None
    torch.testing.assert_close(got[0], 1.6 * first(v, one) - 0.6 * first(v, disturbed), atol=2e-4, rtol=1e-4)


def test_icd_disturbs_only_the_q_formers_text():
    v, one = view("instructblip"), sample("instructblip", 0)
    both, alone = (made("icd", variant=x).contrast(one, v) for x in ("question", "normal"))
    for stream in (both, alone):
        assert torch.equal(stream.tensors["input_ids"], one.tensors["input_ids"])
        assert not torch.equal(stream.tensors["qformer_input_ids"], one.tensors["qformer_input_ids"])


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl"])
def test_icd_exchanges_the_system_message(family):
    v, one = view(family), sample(family, 0, shared=True)
    method = made("icd", variant="system", alpha=0.6, beta=0.0)
    disturbed = method.contrast(one, v)
    wanted = encode(family, one.request.changed(system=method.disturbance))
    assert torch.equal(disturbed.tensors["input_ids"], wanted.tensors["input_ids"])
    assert disturbed.request.messages[0].content == (method.disturbance,)
    assert torch.equal(disturbed.tensors["input_ids"][0, -6:], one.tensors["input_ids"][0, -6:])  # the question is kept
    got = play(v, [one], [method])[0].scores
    torch.testing.assert_close(got[0], 1.6 * first(v, one) - 0.6 * first(v, disturbed), atol=2e-4, rtol=1e-4)


def test_icd_refuses_a_system_message_that_reaches_nothing():
    with pytest.raises(UsageError, match=r"method\.icd\.variant=system does not reach a Q-Former"):
        made("icd", variant="system").contrast(sample("instructblip", 0), view("instructblip"))
    v, one = view("llava"), sample("llava", 0)
    same_words = made("icd", variant="system", disturbance=one.request.messages[0].content[0])
    with pytest.raises(UsageError, match=r"method\.icd\.variant=system changes nothing"):
        same_words.contrast(one, v)


def test_icd_prompts_share_the_picture():
    v, one = view("llava"), sample("llava", 0, shared=True)
    stream = made("icd").contrast(one, v)
    assert stream.shared == one.shared


class See(Steering):
    """What each stream's last row attends to in the picture, at each layer of the first pass."""

    name = "see"
    scope = "all"

    def __init__(self):
        self.rows = {}

    def attention_weights(self, l, w, run):
        if run.prefill:
            self.rows[l] = (w[:, :, -1] * run.image(self)[:, None]).amax(1)


def test_sid_hides_all_but_the_least_attended():
    v, see = view("llava"), See()
    play(v, [sample("llava", 0)], [made("sid", keep=4, of=16), see], steps=1)
    clean, blind = (see.rows[3][i] for i in (0, 1))
    assert (clean > 0).sum() == 16 and (blind > 0).sum() == 4
    assert (see.rows[1][1] > 0).sum() == 16  # below the layer all is seen
    chosen = (see.rows[2][1] > 0).nonzero()[:, 0]
    assert torch.equal((blind > 0).nonzero()[:, 0], chosen)


def test_sid_columns_by_hand():
    attention = torch.tensor([[0.1, 0.4, 0.2, 0.3, 0.9]])
    image = torch.tensor([[True, True, True, True, False]])
    assert hidden_columns(attention, image, 0.5).tolist() == [[False, True, False, True, False]]


def test_sid_as_released_cuts_in_sampling_only():
    v, one, sampled = view("llava"), [sample("llava", 0)], Decoding("nucleus", temperature=1.0, top_p=1.0)
    for form, decoding, cut in (("code", GREEDY, False), ("code", sampled, True), ("paper", GREEDY, True)):
        scores = play(v, one, [made("sid", keep=4, of=16, form=form, beta=0.9)], decoding)[0].scores
        assert scores is not None and bool(scores.isinf().any()) == cut


def test_sid_that_keeps_all_is_vanilla():
    v, one = view("llava"), [sample("llava", 0)]
    same(play(v, one, [made("sid", keep=576, beta=0.0)]), play(v, one), 5e-4)


def test_interaction_by_hand():
    torch.manual_seed(0)
    picture, question, none = torch.randn(3, 2, 9)
    assert torch.allclose(
        interaction(picture + question, question, picture, none * 0, 0.0), torch.zeros(2, 9), atol=1e-6
    )
    z = torch.randn(4, 2, 9) * 3
    phi = interaction(*z, 0.0)
    torch.testing.assert_close(phi, interaction(z[0], z[2], z[1], z[3], 0.0))  # the players change places
    assert torch.equal(interaction(*z, math.inf), torch.zeros(2, 9))
    torch.testing.assert_close(phi, z[0] - z[1] - z[2] + z[3])


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl", "instructblip"])
def test_inters_streams_and_formula(family):
    v, one = view(family), sample(family, 0)
    streams = made("inter").contrast(one, v)
    bare = encode(family, one.request.changed(text=lambda q: ""))
    assert torch.equal(streams[1].tensors["input_ids"], bare.tensors["input_ids"])
    noise = streams[0].tensors["pixel_values"]
    assert 0 <= noise.min() < 0.1 and 0.9 < noise.max() < 1
    assert torch.equal(noise, uniform(one.tensors["pixel_values"], 0))
    z = [first(v, s) for s in (one, *streams)]
    got = play(v, [one], [made("inter", beta=0.0)])[0].scores
    assert got is not None
    torch.testing.assert_close(got[0], z[0] + (z[0] - z[1] - z[2] + z[3]), atol=5e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("icd", {"disturbance": " "}),
        ("icd", {"variant": "x"}),
        ("sid", {"keep": 0}),
        ("sid", {"layer": 0}),
        ("sid", {"form": "x"}),
        ("inter", {"k": -1}),
    ],
)
def test_bad_values_are_named(name, values):
    with pytest.raises(UsageError, match=f"method.{name}.{next(iter(values))}"):
        made(name, **values)

"""VAR: the tests of its specification."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from harness.checks.playing import differ, play, same
from harness.checks.zoo import sample, view
from harness.core import Decoding, UsageError
from harness.methods.attention.var import Var, least, midway, redistribute, sink_dims, sink_value, thresholds
from harness.steering import Batch
from harness.steering.forward import peek
from tests.methods.made import made

IMAGE = torch.tensor([[False, True, True, True, False]])
SINKS = torch.tensor([[True, True, False, False, False]])
ROWS = torch.ones(1, 1, dtype=torch.bool)


def test_by_hand():
    w = torch.tensor([[[[0.2, 0.1, 0.3, 0.1, 0.3]]]])
    new = redistribute(w, IMAGE, SINKS, ROWS, 0.5, 0.5, 0.2)
    # 0.15 is taken from the sinks and shared 3 : 1 by the other two image tokens.
    torch.testing.assert_close(new[0, 0, 0], torch.tensor([0.1, 0.05, 0.3 + 0.1125, 0.1 + 0.0375, 0.3]))


@pytest.mark.parametrize(
    ("least", "share", "sinks", "rows"),
    [(0.9, 0.2, SINKS, ROWS), (0.5, 0.6, SINKS, ROWS), (0.5, 0.2, SINKS & ~IMAGE, ROWS), (0.5, 0.2, SINKS, ~ROWS)],
)
def test_what_is_left_alone(least, share, sinks, rows):
    w = torch.tensor([[[[0.2, 0.1, 0.3, 0.1, 0.3]]]])
    new = redistribute(w, IMAGE, sinks, rows, 0.5, least, share)
    assert new is None or torch.equal(new, w)


def test_the_released_epsilon_tips_a_near_tie():
    w = torch.tensor([[[[0.1, 0.20001, 0.1, 0.1, 0.49999]]]])  # 50.001 % of the picture's share on a sink
    assert torch.equal(redistribute(w, IMAGE, SINKS, ROWS, 0.5, 0.5, 0.2), w)
    assert not torch.equal(redistribute(w, IMAGE, SINKS, ROWS, 0.5, 0.5, 0.2, 1e-5), w)


def test_all_image_mass_on_sinks_gives_no_nan():
    w = torch.tensor([[[[0.2, 0.5, 0.0, 0.0, 0.3]]]])
    assert torch.equal(redistribute(w, IMAGE, SINKS, ROWS, 0.5, 0.0, 0.2), w)


def test_rows_sum_to_one_and_the_picture_gains():
    w = torch.rand(3, 4, 5, 20, generator=torch.Generator().manual_seed(0))
    w = w / w.sum(-1, keepdim=True)
    image = (torch.arange(20) > 4)[None].expand(3, -1)
    sinks = torch.rand(3, 20, generator=torch.Generator().manual_seed(1)) > 0.8
    new = redistribute(w, image, sinks, torch.ones(3, 5, dtype=torch.bool), 0.7, 0.0, 0.0)
    torch.testing.assert_close(new.sum(-1), torch.ones(3, 4, 5))
    at = image[:, None, None]
    assert ((new * at).sum(-1) >= (w * at).sum(-1) - 1e-6).all()


@pytest.mark.parametrize("values", [{"rho": -0.1}, {"tau": 1e9}])
def test_no_head_or_no_sink_is_vanilla(values):
    v, inputs = view("llava"), [sample("llava", i) for i in range(2)]
    same(play(v, inputs, [made("var", **values)]), play(v, inputs), 5e-4)


def test_sinks_are_found_where_the_first_token_is_extreme():
    h = torch.ones(1, 2, 8)
    h[0, 0, 3] = 50
    assert sink_value(h, [3])[0, 0] > 2.5 > sink_value(h, [3])[0, 1]
    v = view("llava")
    run = Batch(v, [], [sample("llava", 0)], peek=peek)
    with torch.no_grad():
        dims = sink_dims(run, 1.77)
        assert dims and sink_dims(run, 1e9) == []


def test_paper_and_code_agree_where_they_should():
    paper, code = made("var", form="paper", p=0.4), made("var", form="code", p=0.6)
    assert paper.q == pytest.approx(code.q) and paper.least == pytest.approx(code.least)
    v = view("llava")
    assert 3 in code.layers(v) and 3 not in paper.layers(v)
    assert made("var", form="paper", rho=0.8).least == 0.8 and made("var", rho=0.8).least == pytest.approx(0.2)


LIVELY = {"share": 0.0, "rho": 1.0, "tau": 1.5}
"""Values under which there are sinks, and heads that are edited, in a random model."""


class Watch(Var):
    """Counts the passes that edit something."""

    edits = 0

    def attention_weights(self, l, w, run):
        new = super().attention_weights(l, w, run)
        self.edits += new is not None and not torch.equal(new, w)
        if new is not None:
            torch.testing.assert_close(new.sum(-1), w.sum(-1))
        return new


def watch() -> Watch:
    method = made("var", **LIVELY)
    method.__class__ = Watch
    return method


def test_a_prefix_is_encoded_under_the_method_and_shared():
    v, method = view("llava"), watch()
    # Words of the shared part behind the picture are edited as well, and prefixes of two lengths stand in one batch.
    inputs = []
    for i in range(5):
        one = sample("llava", i, length=3 + 2 * i, picture=i // 2, before=2 + i // 2)
        ids = one.tensors["input_ids"].clone()
        behind = one.question[0]
        ids[0, behind : behind + 2] = torch.tensor([5, 6])
        inputs.append(replace(one.change(input_ids=ids), shared=(f"picture {i // 2}", behind + 2)))
    fed = v.work.positions
    together = play(v, inputs, [method])
    fed = v.work.positions - fed
    assert method.edits > 3
    fresh = [replace(one, shared=None) for one in inputs]
    before = v.work.positions
    same(together, [play(v, [one], [watch()])[0] for one in fresh], 5e-4)
    assert fed < v.work.positions - before
    differ(together[:1], play(v, inputs[:1]), 1e-4)


def test_beams_of_a_shared_prefix():
    v, beams = view("llava"), Decoding("beam", num_beams=2)
    inputs = [sample("llava", i, length=4 + i, picture=0, shared=True) for i in range(3)]
    alone = [play(v, [one], [watch()], beams)[0].tokens for one in inputs]
    assert [g.tokens for g in play(v, inputs, [watch()], beams)] == alone


def test_columns_that_a_sliding_window_has_left_are_not_confused():
    v = view("llava")
    method, run = made("var", **LIVELY), Batch(v, [], [sample("llava", 0)], peek=peek)
    length = run.samples[0].length
    method._sinks = {2: torch.zeros(1, length, dtype=torch.bool)}
    method._sinks[2][0, 9] = True  # an image token
    run.length, run.total, run.query = length, length + 2, 1
    w = torch.full((1, 4, 1, length + 2), 1 / (length + 2))
    run.columns = length + 2
    full = method.attention_weights(2, w, run)
    run.columns = length - 3  # the window keeps columns 5 and later
    kept = method.attention_weights(2, w[..., 5:], run)
    assert full[0, 0, 0].argmin() == 9 and kept[0, 0, 0].argmin() == 4


def test_pruning_is_refused_by_name():
    with pytest.raises(UsageError, match="method=var cannot run beside method=flowcut"):
        play(view("llava"), [sample("llava", 0)], [made("flowcut"), made("var")])


def test_no_sink_dimension_is_vanilla():
    v, inputs = view("llava"), [sample("llava", i, picture=i, shared=True) for i in range(2)]
    same(play(v, inputs, [made("var", tau=1e9, share=0.0, rho=1.0)]), play(v, inputs), 0)


class Wide:
    def __init__(self, width: int):
        self.head = torch.nn.Linear(width, 8, device="meta")
        self.depth, self.device = 3, torch.device("cpu")


def test_tau_shrinks_only_where_it_could_not_be_reached():
    assert [round(least(Wide(d)), 2) for d in (128, 1024, 4096, 5120)] == [3.54, 10.0, 20.0, 20.0]


def test_the_authors_models_keep_their_tau():
    """No look at the model is needed: this one could not be looked at."""
    for width in (4096, 5120):
        assert thresholds(Batch(Wide(width), [], [sample("llava", 0)]), [3]) == [20.0] * 3


def test_midway_by_hand():
    # 3-4-5: beside a rest of 4, values of 3 and 48 (geometric mean 12).
    a, b = (value / (value**2 + 16) ** 0.5 * 10 for value in (3, 48))
    got = midway(torch.tensor(a), torch.tensor([b, a]), 100)
    torch.testing.assert_close(got, torch.tensor([12 / (12**2 + 16) ** 0.5 * 10, a]))


def test_midway_parts_the_values_of_smol_llava():
    """Measured in layers 3, 6, 15 and 24: median tokens, the most outlying image token, the weakest true sink."""
    for ordinary, image, sink in ((9.3, 12.2, 23.2), (8.3, 10.7, 23.3), (9.9, 14.5, 23.8), (14.5, 18.2, 23.8)):
        assert image < midway(torch.tensor(23.8), torch.tensor(ordinary), 576) < sink


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl", "internvl", "gemma3"])
@pytest.mark.parametrize("visual", [False, True])
def test_true_sinks_are_marked_and_ordinary_tokens_are_not(family, visual, monkeypatch):
    """All tokens are large in one dimension, so that 20 by the square root of the width would mark them; the first
    token, and one image token if `visual`, are a hundred times larger there."""
    v, inputs = view(family), [sample(family, 0)]
    embedding = v.model.get_input_embeddings()
    weight = crowded(torch.randn(embedding.weight.shape, generator=torch.Generator().manual_seed(1)))
    first = int(inputs[0].tensors["input_ids"][0, 0])
    weight[first, 3] *= 100
    monkeypatch.setattr(embedding.weight, "data", weight)
    images = inputs[0].tensors["input_ids"][0] == v.image_token_id
    sinks = torch.zeros(len(images), dtype=torch.bool)
    sinks[0], sinks[images.nonzero()[1, 0]] = True, visual

    seen = crowded(torch.randn(int(images.sum()), weight.shape[1], generator=torch.Generator().manual_seed(2)))

    def enter(_module, args, kwargs):
        states = kwargs["inputs_embeds"].clone()
        if states.shape[1] == len(images):  # the prompt, not a look at two tokens, nor a later step
            states[0, images] = seen
            states[0, sinks, 3] *= 100 if visual else 1
            states[0, 0, 3] = kwargs["inputs_embeds"][0, 0, 3]
        return args, kwargs | {"inputs_embeds": states}

    hook = v.decoder.register_forward_pre_hook(enter, with_kwargs=True)
    try:
        assert least(v) < 2.8  # of a most 5.66; ordinary tokens are at half of that
        method = made("var", share=0.0, rho=1.0)
        before, after = play(v, inputs), play(v, inputs, [method])
        assert method._found[1] == [3] and max(method._found[2]) > 3
        assert all(torch.equal(found[0, : len(sinks)], sinks) for found in method._sinks.values())
        (differ if visual else same)(after, before, 1e-4)
    finally:
        hook.remove()


def crowded(x: torch.Tensor) -> torch.Tensor:
    """States that hold a quarter of their energy in dimension 3."""
    x *= 30  # above what random layers add
    x[..., 3] = 0
    x[..., 3] = x.norm(dim=-1) * (1 / 3) ** 0.5
    return x


def test_q_former_models_are_refused_by_name():
    with pytest.raises(UsageError, match="method=var is not meant for resampled image tokens"):
        play(view("instructblip"), [sample("instructblip", 0)], [made("var")])

"""PAINT: the tests of its specification."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from harness.checks.playing import differ, play, same
from harness.checks.zoo import IMAGE, sample, view
from harness.core import UsageError
from harness.methods.attention.paint import Paint, select
from harness.steering.vision import Tower
from tests.methods.made import made


class Watch(Paint):
    """Keeps what each edit saw and made."""

    def attention_logits(self, l, a, run):
        new = super().attention_logits(l, a, run)
        self.kept.append((l, run.prefill, a, new, run.image(self)))
        return new


def watch(**changes) -> Watch:
    method = made("paint", **changes)
    method.__class__, method.kept = Watch, []
    return method


def expected(v, pixels, alpha: float, beta: float) -> torch.Tensor:
    """Strength per patch, straight from the stock tower's attention maps."""
    tower = Tower(v, "test")
    maps = [a.sum(1)[0] for a in tower.attentions(pixels, (0, -2))]
    local, summary = select(*maps, 0.25)
    assert not (local & summary).any() and local.any()
    return local * alpha + summary * beta


def test_edit_by_hand():
    v, one, method = view("llava"), sample("llava", 0), watch(alpha=0.5, beta=0.25, gamma=1.0)
    play(v, [one], [method])
    strength = expected(v, one.tensors["pixel_values"], 0.5, 0.25)
    for _, _, a, new, image in method.kept:
        assert a.shape[2] == 1  # the last row alone
        wanted = a.clone()
        wanted[..., image[0]] += strength * a[..., image[0]].abs()
        torch.testing.assert_close(new, wanted)
    assert {l for l, *_ in method.kept} == {0, 1, 2, 3} and any(p for _, p, *_ in method.kept)  # layers 2 to 32 of 32


def test_summary_wins_and_the_two_never_meet():
    g = torch.Generator().manual_seed(0)
    for _ in range(20):
        first, late = torch.rand(64, generator=g), torch.rand(64, generator=g) ** 8
        local, summary = select(first, late, 0.5)
        assert not (local & summary).any() and summary.any()
        assert (late[summary].min() > late[~summary].max()).all()
        top = torch.zeros(64, dtype=torch.bool)
        top[first.topk(32).indices] = True
        assert torch.equal(local, top & ~summary)
    assert not select(torch.rand(8, generator=g), torch.ones(8), 0.0)[0].any()


def test_each_of_two_pictures_has_its_own_patches():
    v, one, other = view("llava"), sample("llava", 0, picture=1), sample("llava", 0, picture=2)
    ids = one.tensors["input_ids"][0]
    last = int((ids == IMAGE).nonzero()[-1]) + 1
    ids = torch.cat([ids[:last], torch.tensor([7]), torch.full((16,), IMAGE), ids[last:]])[None]
    pixels = torch.cat([one.tensors["pixel_values"], other.tensors["pixel_values"]])
    both = replace(one, question=None).change(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=pixels)
    method = watch(gamma=1.0)
    batch = [both, one, sample("llava", 1, picture=None)]
    together = play(v, batch, [method])
    strengths = [expected(v, p[None], 0.7, 0.4) for p in pixels]
    _, _, a, new, image = method.kept[0]
    gained = ((new - a) / a.abs())[0, 0, 0][image[0]]
    torch.testing.assert_close(gained, torch.cat(strengths), atol=1e-4, rtol=1e-4)
    assert not torch.equal(*strengths)
    same(together, [play(v, [s], [made("paint", gamma=1.0)])[0] for s in batch], 5e-4)


def test_zero_strengths_touch_nothing():
    v, inputs = view("llava"), [sample("llava", i) for i in range(2)]
    none = {"alpha": 0.0, "beta": 0.0, "gamma": 1.0}
    same(play(v, inputs, [made("paint", **none)]), play(v, inputs), 0)
    differ(play(v, inputs, [made("paint", **none | {"alpha": 0.7})]), play(v, inputs))


def test_a_tower_without_a_class_token_is_refused_by_name():
    for name in ("qwen2_5_vl", "gemma3", "internvl"):
        with pytest.raises(UsageError, match="method=paint reads the class token"):
            play(view(name), [sample(name, 0)], [made("paint")])
        play(view(name), [sample(name, 0)], [made("paint", alpha=0.0, beta=0.0, gamma=1.0)])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"local": 1.5}, r"method\.paint\.local=1\.5"),
        ({"cut": -1.0}, r"method\.paint\.cut=-1\.0"),
        ({"start": 9, "end": 3}, r"method\.paint\.start=9 and method\.paint\.end=3"),
    ],
)
def test_bad_values_are_named(changes, words):
    with pytest.raises(UsageError, match=words):
        made("paint", **changes)

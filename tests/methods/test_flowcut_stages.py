"""FlowCut in two stages, on LLaVA-NeXT and Qwen2-VL."""

from __future__ import annotations

import pytest
import torch

from harness.checks.playing import play, same
from harness.checks.zoo import sample, view
from harness.core import UsageError
from harness.methods.pruning.flowcut_stages import global_scores
from harness.steering import Steering
from tests.methods.made import made


class Watch(Steering):
    """Image columns that the last row of the prompt reads, by layer."""

    name, prefix = "watch", "none"

    def prepare(self, batch):
        self.read = {}

    def attention_weights(self, l, w, batch):
        if batch.prefill:
            read = (w[:, :, -1] > 0).any(1) & batch.image(self)
            self.read[l] = [row.nonzero().flatten().tolist() for row in read]


@pytest.mark.parametrize(("family", "tokens", "first"), [("llava_next", 52, None), ("qwen2_vl", 16, 8)])
def test_two_stages_leave_what_was_asked(family, tokens, first):
    """All layers up to 1 read what the tower left, later ones as many as asked, of those."""
    v, inputs, watch = view(family), [sample(family, i, picture=i) for i in range(2)], Watch()
    method = made("flowcut_stages", keep=1, of=4)
    out = play(v, inputs, [method, watch])
    for row in range(2):
        early, late = watch.read[1][row], watch.read[2][row]
        assert watch.read[0][row] == early and watch.read[3][row] == late and set(late) < set(early)
        assert len(late) == tokens // 4 and len(early) < tokens
        assert first is None or len(early) == first, "twice as many"
        assert out[row].measures["visual_share"] == pytest.approx(0.25)
    same([play(v, [one], [method])[0] for one in inputs], out, 5e-4)


def test_crops_of_next_lose_their_own_patches():
    """Three crops of 16 patches: half of a quarter of 52 tokens in each, in the packed order of the model itself."""
    v, one = view("llava_next"), sample("llava_next", 0)
    method = made("flowcut_stages", keep=1, of=4)
    play(v, [one], [method])
    (crops,) = method._calls
    assert [len(c.kept) for c in crops] == [round(0.25 * 52 / 2)] * 3
    stays = method._stays(one, iter(crops), v)
    assert len(stays) == 52 and stays[:16].nonzero().flatten().tolist() == crops[0].kept.tolist()
    rows = stays[16:].view(4, 9)  # two crops side by side, and a line break behind each row
    assert rows[:, 8].all() and int(rows[:, :8].sum()) == len(crops[1].kept) + len(crops[2].kept)
    left = torch.zeros(16, dtype=torch.bool)
    left[crops[1].kept] = True
    assert torch.equal(rows[:, :4], left.view(4, 4))


def test_scores_without_a_class_token_by_hand():
    q = torch.tensor([[[[1.0], [3.0], [0.0], [0.0]]]])
    k = torch.tensor([[[[1.0], [0.0], [2.0], [0.0]]]])
    v = torch.tensor([[[[1.0, -1.0], [0.0, 2.0], [3.0, 0.0], [1.0, 0.0]]]])
    found, entropy = global_scores(q, k, v, 2)
    relation = torch.tensor([1.0, 0.0, 2.0, 0.0]).softmax(0)  # the mean query is 1
    density = torch.tensor([2.0, 2.0, 3.0, 1.0])
    torch.testing.assert_close(found[0], (relation * density).view(2, 2).mean(1))
    groups = relation.view(2, 2).sum(1)
    assert entropy == pytest.approx(float(-(groups * groups.log()).sum()))


def test_other_families_are_shown_the_way():
    with pytest.raises(UsageError, match=r"method=flowcut is for LLaVA-1\.5"):
        play(view("llava"), [sample("llava", 0)], [made("flowcut_stages")])
    with pytest.raises(UsageError, match="keep=0 must lie in"):
        made("flowcut_stages", keep=0)

"""Points in the vision tower, on CLIP, SigLIP, Qwen's and InternVL's; where its tokens lie; attention by tiles."""

from __future__ import annotations

import functools

import pytest
import torch
import torch.nn.functional as F
import transformers as T

from harness.checks.playing import differ, hooks, play, same
from harness.checks.zoo import IMAGE, TEXT, VISION, sample, view
from harness.core.errors import BrokenPromise, UsageError
from harness.steering import Batch, Steering, View, visible
from harness.steering.places import Places, single
from harness.steering.tower import tower_of
from harness.steering.tower_points import Pass
from harness.steering.visible import Visible

TOWERS = {
    "llava": "CLIP",
    "gemma3": "SigLIP",
    "qwen2_vl": "Qwen2-VL",
    "qwen2_5_vl": "Qwen2.5-VL",
    "internvl": "InternVL",
}
POINTS = ("tower_qkv", "tower_logits", "tower_weights", "tower_residual")


class Edit(Steering):
    """Raises one tensor of the tower, by nothing where `by` is 0."""

    name, prefix = "edit", "with"

    def __init__(self, point: str, by: float):
        self.point, self.by = point, by
        self.seen: list[Places] = []

    def has(self, *points: str) -> bool:
        return self.point in points

    def _raised(self, x, batch):
        self.seen.append(batch.places)
        return x + self.by * x.abs() if self.by else None

    def tower_qkv(self, l, q, k, v, batch):
        new = self._raised(v, batch)
        return None if new is None else (q, k, new)

    def tower_logits(self, l, a, batch):
        return self._raised(a, batch)

    def tower_weights(self, l, w, batch):
        assert torch.allclose(w.sum(-1), torch.ones(()), atol=1e-5)
        return self._raised(w, batch)

    def tower_residual(self, l, h, batch):
        return self._raised(h, batch)

    def tower_output(self, h, batch):
        return self._raised(h, batch)


@pytest.mark.parametrize("family", TOWERS)
def test_points_see_the_tower_and_leave_no_trace(family):
    v, inputs = view(family), [sample(family, i, picture=i, shared=True) for i in range(2)]
    plain, hung, before = play(v, inputs), hooks(v), tower_of(v, "edit").implementation
    for point in POINTS:
        off = Edit(point, 0.0)
        same(play(v, inputs, [off]), plain, 0)
        assert off.seen and all(isinstance(p, Places) for p in off.seen)
        differ(play(v, inputs, [Edit(point, 1.0)]), plain, 1e-5)
    if family.startswith("qwen"):
        with pytest.raises(UsageError, match=r"method=edit needs a connector that reads one layer .* Qwen2"):
            play(v, inputs, [Edit("tower_output", 1.0)])
    else:
        differ(play(v, inputs, [Edit("tower_output", 1.0)]), plain, 1e-4)
    assert hooks(v) == hung and tower_of(v, "edit").implementation == before
    same(play(v, inputs), plain, 0)


def test_the_last_layer_counts_though_transformers_records_states_itself():
    """Recorded states are taken by hooks: an edit must come before them."""
    v, inputs = view("llava"), [sample("llava", 0)]
    last = Edit("tower_residual", 1.0)
    last.tower_layers = lambda view: [tower_of(view, "edit").depth - 1]  # type: ignore[method-assign]
    v.model.config.vision_feature_layer, before = -1, v.model.config.vision_feature_layer
    try:
        plain = play(v, inputs)
        differ(play(v, inputs, [last]), plain)
    finally:
        v.model.config.vision_feature_layer = before


def test_rows_see_their_own_picture_only():
    """A batch of two pictures is each alone, under an edit of all tower layers."""
    for family in ("llava_next", "qwen2_vl", "idefics3"):
        v, inputs = view(family), [sample(family, i, picture=i) for i in range(2)]
        edit = Edit("tower_logits", 1.0)
        same(play(v, inputs, [edit]), [play(v, [one], [edit])[0] for one in inputs], 5e-4)


def test_towers_that_are_not_known_are_refused_by_name():
    vision = T.PixtralVisionConfig(**VISION | {"image_size": 56, "patch_size": 14})
    config = T.LlavaConfig(vision_config=vision, text_config=T.LlamaConfig(**TEXT), image_token_index=IMAGE)
    v = View(T.LlavaForConditionalGeneration(config))
    with pytest.raises(UsageError, match="method=edit acts in the vision tower, and steering knows those of CLIP"):
        play(v, [sample("llava", 0)], [Edit("tower_qkv", 1.0)])
    own = view("gemma3")
    tower = tower_of(own, "edit")
    tower.module.set_attn_implementation("eager")
    try:
        with pytest.raises(UsageError, match="method=edit edits the vision tower's attention, which needs model"):
            play(own, [sample("gemma3", 0)], [Edit("tower_qkv", 1.0)])
    finally:
        tower.module.set_attn_implementation("sdpa")


def test_models_that_read_text_are_left_alone():
    inputs = [sample("llama", 0)]
    same(play(view("llama"), inputs, [Edit("tower_qkv", 1.0)]), play(view("llama"), inputs), 0)


def test_padded_crops_are_refused():
    one = sample("idefics3", 0)
    mask = torch.ones(1, 1, 56, 56, dtype=torch.long)
    mask[..., 28:] = 0
    with pytest.raises(UsageError, match="needs crops without padding"):
        play(view("idefics3"), [one.change(pixel_attention_mask=mask)], [Edit("tower_qkv", 1.0)])


def test_a_layer_that_reads_less_is_noticed():
    v = view("llava")
    run = Pass(Batch(v, [], [sample("llava", 0)]), tower_of(v, "edit"))
    run.enter(single(4, 4, 1), 1)
    with pytest.raises(BrokenPromise, match="attention of layer 0 of the vision tower did not read the whole sequence"):
        run.leave()
    with pytest.raises(BrokenPromise, match="attention of layer 1 of the vision tower got 2 rows of 1"):
        run.attend(1, [], *torch.zeros(3, 2, 2, 17, 8), 1.0, lambda q, k, v: q)


# -- places


def test_class_tokens_lie_nowhere():
    places = single(2, 3, before=1)
    assert places.others.tolist() == [0] and places.sizes == ((2, 3),)
    assert places.grids[0].tolist() == [[1, 2, 3], [4, 5, 6]]


def test_registers_and_several_crops_are_told_in_the_same_words():
    grids = (torch.tensor([[5, 4]]), torch.tensor([[7], [8]]))
    places = Places(10, grids)
    assert places.others.tolist() == [0, 1, 2, 3, 6, 9]
    assert places.cut(6, 9).grids[0].tolist() == [[1], [2]] and places.cut(6, 9).others.tolist() == [0]
    assert places.cut(0, 5) is None, "a cut through a picture"


@pytest.mark.parametrize("family", ["qwen2_vl", "qwen2_5_vl", "qwen3_vl"])
def test_merge_order_is_the_models_own(family):
    """The rotary angles that a block gets say where each token lies: rows in one half, columns in the other."""
    v, found = view(family), []
    tower = tower_of(v, "edit")
    grid = torch.tensor([[1, 12, 16], [2, 8, 8]])
    keep = lambda _m, _args, kwargs: found.append(kwargs["position_embeddings"][0])  # noqa: E731
    handle = tower.layers[0].register_forward_pre_hook(keep, with_kwargs=True)
    with torch.no_grad():
        tower.module(torch.randn(int(grid.prod(-1).sum()), 96).to(v.device), grid_thw=grid.to(v.device))
    handle.remove()
    places, cos = tower.places((), {"grid_thw": grid}), found[0].cpu()
    assert places.sizes == ((12, 16), (8, 8), (8, 8)) and not len(places.others)
    every = torch.cat([g.flatten() for g in places.grids]).sort().values
    assert every.tolist() == list(range(places.length))
    quarter = cos.shape[-1] // 4
    for at in places.grids:
        rows, columns = cos[at][..., :quarter], cos[at][..., quarter : 2 * quarter]
        assert torch.equal(rows, rows[:, :1].expand_as(rows)) and rows[:, 0].unique(dim=0).shape[0] == at.shape[0]
        assert torch.equal(columns, columns[:1].expand_as(columns))
        assert columns[0].unique(dim=0).shape[0] == at.shape[1]


def test_windows_of_the_models_own_are_left_alone():
    v = view("qwen2_5_vl")
    places = tower_of(v, "edit").places((), {"grid_thw": torch.tensor([[1, 16, 16]])})
    assert places.cut(0, 64) is None and places.cut(0, 256) is places
    assert sorted(places.grids[0][:8, :8].flatten().tolist()) == list(range(64)), "its first window"


# -- attention by tiles


def tiles(rows: int, generator: torch.Generator) -> Visible:
    """Ten tokens: 0 and 7 see all, three tiles of ragged sizes over the others."""
    queries = torch.tensor([[1, 2, 9], [3, 4, -1], [5, 6, 8]])
    keys = torch.tensor([[1, 3, 5, 9], [2, 4, -1, -1], [6, 8, 9, -1]]).expand(rows, -1, -1).clone()
    if rows > 1:
        keys[1, 0, 0] = 2
    inner = torch.rand(rows, 3, 3, 4, generator=generator) > 0.4
    return Visible(10, queries, keys, inner, torch.tensor([0, 7]))


@pytest.mark.parametrize("rows", [1, 2])
def test_tiles_are_masked_attention(rows):
    g = torch.Generator().manual_seed(rows)
    seen = tiles(rows, g)
    q, k, v = (torch.randn(2, 3, 10, 4, generator=g) for _ in range(3))
    mask = torch.zeros(rows, 10, 10, dtype=torch.bool)
    for b in range(rows):
        for t in range(3):
            for i, one in enumerate(seen.queries[t].tolist()):
                for j, key in enumerate(seen.keys[b, t].tolist()):
                    if one >= 0 and key >= 0 and seen.inner[b, t, i, j]:
                        mask[b, one, key] = True
    mask[:, [0, 7]] = mask[:, :, [0, 7]] = True
    assert torch.equal(seen.mask, mask)
    assert torch.equal(seen.count, mask.sum(-1))
    expected = F.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None], scale=0.3)
    tiled, plain = (functools.partial(seen.flex, tiles=t) for t in (True, False))
    for way in (seen.gathered, seen.attend, seen.flex, tiled, plain):
        torch.testing.assert_close(way(q, k, v, 0.3), expected)


def test_without_a_compiler_the_mask_is_used(monkeypatch):
    seen, tensors = tiles(1, torch.Generator().manual_seed(0)), torch.zeros(3, 1, 1, 10, 4)

    def fails(error):
        def flex(*args, **kwargs):
            raise error

        monkeypatch.setattr(visible, "_UNCOMPILED", set())
        monkeypatch.setattr(Visible, "flex", flex)

    fails(RuntimeError("Cannot find a working triton installation"))
    assert seen.by_blocks(*tensors, 1.0) is None
    monkeypatch.undo()
    monkeypatch.setattr(visible, "_UNCOMPILED", {"cpu"})
    assert seen.by_blocks(*tensors, 1.0) is None, "what cannot be compiled is tried again"
    fails(torch.OutOfMemoryError())
    with pytest.raises(torch.OutOfMemoryError):
        seen.by_blocks(*tensors, 1.0)


def test_looks_count_what_is_seen():
    """A pattern that leaves each patch itself and the class token, on 4 x 4 patches and a class token."""

    class Alone(Edit):
        def tower_visible(self, l, q, k, batch):
            at = batch.places.grids[0].flatten()[:, None].to(q.device)
            return Visible(batch.places.length, at, at[None], None, batch.places.others.to(q.device))

    v, one = view("llava"), sample("llava", 0)
    method = Alone("tower_visible", 1.0)
    runs: list[Batch] = []
    method.measured = lambda batch, passes: runs.append(batch) or {}  # type: ignore[method-assign]
    play(v, [one, sample("llava", 1, picture=None)], [method])
    look, nothing = runs[0].looks
    pairs = 16 * 2 + 17
    assert nothing is None and look.keys == pytest.approx(pairs / 17) and look.dense == 17
    layer = 4 * 16 * 16 + 2 * 16 * 24
    assert look.gflops * 1e9 == pytest.approx(2 * (2 * layer * 17 + 4 * 16 * pairs))

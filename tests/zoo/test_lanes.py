"""Learners of labels in sessions do not interfere, and a tower and its learner are trained, stored and asked."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from harness.core import Call, Decoding
from harness.core.errors import Missing, UsageError
from harness.core.series import predictions
from harness.models.zoo.model import Zoo
from harness.plugins.registry import Registry
from harness.tasks.increments.course import Increments
from harness.tasks.scenes.course import Scenes
from harness.zoo.recipe import recipe
from harness.zoo.towers.lanes import LEARNERS, MultiLane, PromptSelect, Shape, lane, learner, summary
from harness.zoo.towers.learn import learn_tower
from harness.zoo.towers.pictures import Pictures
from harness.zoo.towers.readouts import READOUTS
from harness.zoo.towers.sessions import Session, learn_sessions
from harness.zoo.towers.tower import Shape as TowerShape
from harness.zoo.towers.tower import Tower
from harness.zoo.trained import Trained

FRESH = range(3_000_000, 3_000_024)
SMALL = {"shape.width": 16, "shape.depth": 2, "shape.heads": 2, "steps": 2, "batch": 8, "examine": 1}


def tower(width: int = 16) -> Tower:
    torch.manual_seed(0)
    return Tower(TowerShape((("dense", {}),), width, 2, 2, 2, 2, 12, 5, queries=4))


def made(name: str, sessions: int = 3, **options):
    torch.manual_seed(1)
    return learner(Shape(((name, options),), sessions, 2 * sessions, {}, 12), tower())


def pool(labels: int = 6, n: int = 32) -> Pictures:
    """Random pictures; the tower of these tests has 2 x 2 patches of 2 x 2 pixels."""
    drawn = torch.Generator().manual_seed(2)
    pixels = torch.randint(256, (n, 24, 24, 3), dtype=torch.uint8, generator=drawn)
    return Pictures(pixels, torch.zeros(n, 4, dtype=torch.long), (torch.rand(n, labels, generator=drawn) < 0.3).float())


def learnt(net, t: int, steps: int = 3) -> None:
    """Some steps on random features of a session."""
    drawn = torch.Generator().manual_seed(t)
    net.begin(t)
    optimizer = torch.optim.Adam(net.learnt(t), 0.05)
    for _ in range(steps):
        values = torch.randn(8, 4, 12, generator=drawn)
        labels = torch.zeros(8, 6)
        labels[:, net.of(t)] = (torch.rand(8, 2, generator=drawn) < 0.5).float()
        optimizer.zero_grad()
        net.loss(net.frozen(values), labels, t).backward()
        optimizer.step()
    net.end(t)


VALUES = torch.randn(4, 4, 12, generator=torch.Generator().manual_seed(9))


@pytest.mark.parametrize(("name", "keeps"), [("multilane", True), ("lane_linear", True), ("linear", False)])
def test_what_was_learnt_stays_where_sessions_have_parts_of_their_own(name, keeps):
    net = made(name)
    frozen = {k: v.clone() for k, v in net.tower.state_dict().items()}
    learnt(net, 0)
    with torch.no_grad():
        before = net.answers(VALUES).view(4, 3, 6)[:, 0, :2].clone()
    learnt(net, 1)
    learnt(net, 2)
    with torch.no_grad():
        after = net.answers(VALUES).view(4, 3, 6)
    assert torch.equal(after[:, 0, :2], before), "the answer behind session 1 is that of then"
    assert torch.equal(after[:, 2, :2], before) == keeps
    assert not torch.equal(after[:, 1, 2:4], after[:, 0, 2:4]), "session 2 has taught its own labels"
    assert all(torch.equal(v, frozen[k]) for k, v in net.tower.state_dict().items())
    assert all(p.grad is None for p in net.tower.parameters())
    assert not any(k.startswith("_tower") or "blocks" in k for k in net.state_dict())


def test_labels_of_other_sessions_get_no_gradient():
    net = made("multilane")
    net.loss(net.frozen(VALUES), torch.ones(4, 6), 1).backward()
    assert net.head.weight.grad[2:4].abs().sum() > 0 and not net.head.weight.grad[[0, 1, 4, 5]].any()
    assert net.selectors[1].grad.abs().sum() > 0 and net.selectors[0].grad is None and net.prompts[2].grad is None


@torch.no_grad()
def test_all_lanes_in_one_pass_equal_each_by_itself():
    net = made("multilane")
    for i, part in enumerate((net.first, net.selectors, net.prompts)):
        for p in part:
            p.add_(torch.randn(p.shape, generator=torch.Generator().manual_seed(i)))
    x = net.frozen(VALUES)
    every = net.lanes(x, [0, 1, 2])
    alone = torch.cat([net.lanes(x, [t]) for t in range(3)], 1)
    assert torch.allclose(every, alone, atol=1e-6) and torch.allclose(every.norm(dim=-1), torch.ones(4, 3))
    net.begin(1)
    assert torch.equal(net.selectors[1], net.selectors[0]) and not torch.equal(net.selectors[2], net.selectors[0])


@torch.no_grad()
def test_a_lane_that_reads_all_tokens_is_the_class_token_of_the_plain_pass():
    net, x = made("multilane"), torch.randn(3, 5, 16)
    block = net.tower.blocks[0]
    none = torch.zeros(1, 2, 0, 16)
    out = lane(block, x[:, :1], block.norm1(x)[:, None, 1:], none)
    assert torch.allclose(out[:, 0], block(x)[:, 0], atol=1e-5)
    mean = summary(block, torch.full((1, 2, 16), 3.0), x)  # equal numbers are 0 behind the norm: every token alike
    assert torch.allclose(mean, block.norm1(x).mean(1)[:, None, None].expand_as(mean), atol=1e-5)


@torch.no_grad()
def test_a_picture_is_read_with_the_prompts_of_the_nearest_key():
    net = made("prompt_select")
    assert isinstance(net, PromptSelect)
    for t in range(3):
        net.keyed(VALUES[t : t + 1], t)
        net.heads[t].normal_()
    said = net.answers(VALUES[:3]).view(3, 3, 6)
    for t in range(3):
        own = net.features(VALUES[t : t + 1], t)
        assert torch.allclose(said[t, 2], own[0] @ net.heads[2][:, :-1].T + net.heads[2][:, -1], atol=1e-5)
    first = net.features(VALUES[2:3], 0)
    assert torch.allclose(said[2, 0], first[0] @ net.heads[0][:, :-1].T + net.heads[0][:, -1], atol=1e-5)


def test_a_session_shows_its_pictures_and_marks_no_other_label():
    pictures, net = pool(), made("multilane")
    session = Session(net, pictures.pixels, pictures.labels, 1)
    assert session.rows.tolist() == np.flatnonzero(pictures.labels[:, 2:4].any(1)).tolist()
    _, marked = session.given(np.random.default_rng(0), 16)
    assert marked[:, 2:4].any(1).all() and not marked[:, [0, 1, 4, 5]].any()
    whole = Session(made("joint"), pictures.pixels, pictures.labels, 0)
    assert whole.given(np.random.default_rng(0), 64)[1].any(0).all()


def test_a_mirror_turns_pixels_and_patches_together():
    pictures = pool(n=4)
    shown = torch.arange(16).view(4, 4)
    some = Pictures(pictures.pixels, shown, pictures.labels).drawn(np.random.default_rng(0), 32)
    turned = {True: 0, False: 0}
    for pixels, patches in zip(some.pixels, some.shown, strict=True):
        row = int(patches.min()) // 4
        flipped = patches[0] > patches[1]
        turned[bool(flipped)] += 1
        assert torch.equal(pixels, pictures.pixels[row].flip(1) if flipped else pictures.pixels[row])
    assert min(turned.values()) > 4


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    out = tmp_path_factory.mktemp("towers")
    course = Scenes(24, FRESH, 12)
    assert learn_tower(recipe("dense", "scenes").changed(SMALL), course, "scenes", 0, out)
    how = recipe("multilane", "increments").changed({"steps": 1, "batch": 8})
    assert learn_sessions(how, Increments(FRESH, 24), "increments", 0, out)
    return out


def zoo(weights, mixer="dense", readout=None):
    return Zoo("zoo", "zoo", "official", mixer, 0, str(weights), readout)


def asked(task: str, model: Zoo):
    """Log-odds of one picture, and the sample."""
    made = Registry().get("task", task).build(samples=1)
    model.bind(made)
    model.load(())
    sample = next(iter(made.samples()))
    (reply,) = model.answer([Call(next(made.episode(sample)), sample, 0)], Decoding())
    return reply.text, sample


def test_a_tower_and_its_learner_are_stored_and_asked(weights):
    facts = Trained(weights, "dense", "scenes", 0).facts
    assert set(facts["scores"]) == set(READOUTS) and facts["device"] == "cpu" and facts["steps"] == 2
    assert facts["readouts"]["ep"] - facts["readouts"]["mean"] == 8 * 16 + 16**2
    assert [p["step"] for p in facts["curve"]] == [0, 1, 2] and set(facts["curve"][0]["scores"]) == {"picture", "patch"}
    said = {}
    for readout in (None, *READOUTS):
        model = zoo(weights, readout=readout)
        text, sample = asked("scenes", model)
        said[readout] = predictions(text, 67)
        assert model.name == ("dense" if readout in (None, "ep") else f"dense-{readout}")
    assert said[None] == said["ep"] != said["mean"]
    network = Trained(weights, "dense", "scenes", 0).load()
    wanted = network.answers(torch.from_numpy(sample.data["values"][None]), "mean")[0]
    assert said["mean"] == pytest.approx(wanted.tolist(), abs=1e-4)
    facts = Trained(weights, "multilane", "increments", 0).facts
    assert len(facts["curve"]) == 6 and set(facts["scores"]) == {"average", "last"}
    text, sample = asked("increments", zoo(weights, "multilane"))
    assert len(predictions(text, 360)) == 360
    net = Trained(weights, "multilane", "increments", 0).load()
    assert isinstance(net, MultiLane) and {type(net)} == {LEARNERS["multilane"]}


def test_what_towers_refuse_is_one_line(weights, tmp_path):
    with pytest.raises(UsageError, match=r"unknown model\.readout: cls: choose one of ep, linear, mean, mha"):
        zoo(weights, readout="cls")
    with pytest.raises(UsageError, match=r"model\.readout=ep is of towers: model\.mixer=softmax reads series"):
        Zoo("zoo", "zoo", "official", "softmax", 0, None, "ep")
    with pytest.raises(Missing, match=r"there are no weights in \S+: harness zoo train mixer=softmax makes some"):
        Zoo("zoo", "zoo", "official", "softmax", 0, str(tmp_path))
    with pytest.raises(UsageError, match="unknown learner: multilan: did you mean multilane"):
        made("multilan")
    with pytest.raises(UsageError, match="refuses its options"):
        made("linear", prompts=3)
    copy = Trained(tmp_path, "multilane", "increments", 0)
    copy.file.parent.mkdir()
    copy.file.write_bytes(Trained(weights, "multilane", "increments", 0).file.read_bytes())
    other = Trained(tmp_path, "dense", "scenes", 0)
    torch.manual_seed(5)
    other.save(Tower(TowerShape((("dense", {}),), 16, 2, 2)), {})
    with pytest.raises(Missing, match="was learnt on another tower"):
        copy.load()

"""ACT and soft injection: the tests of their specifications, calibration included."""

from __future__ import annotations

import dataclasses
import functools
import json

import pytest
import torch

from harness.checks.playing import GREEDY, play, same
from harness.checks.zoo import encode, sample, view
from harness.core import UsageError
from harness.core.types import Request
from harness.engine.annotated import Data
from harness.methods.activations.soft_injection import mixed
from harness.methods.attention.act import Accuracies, calibrated
from harness.steering import generate
from harness.steering.bench import Annotated, Bench
from tests.methods.artefacts import ARTEFACTS
from tests.methods.made import made
from tests.methods.test_pipelines import picture
from tests.steering.probes import Steering


def with_heads(heads, **values):
    method = made("act", **values)
    method.artefact = {"heads": heads}
    return method


def test_a_map_by_hand():
    w = torch.tensor([[0.6, 0.4, 0.0, 0.0], [0.5, 0.2, 0.3, 0.0], [0.1, 0.5, 0.2, 0.2]])[None, None]
    sinks = torch.tensor([False, True, False, False])[None, None]
    got = calibrated(w, sinks, 0.5)[0, 0]
    torch.testing.assert_close(got.sum(-1), torch.ones(3))
    torch.testing.assert_close(got[:, 1], w[0, 0, :, 1] / 2)
    torch.testing.assert_close(got[2], torch.tensor([0.1 * 1.5, 0.25, 0.2 * 1.5, 0.2 * 1.5]))
    assert (got[:, 0] >= w[0, 0, :, 0]).all()
    alone = torch.tensor([0.0, 1.0, 0.0, 0.0])[None, None, None]
    assert torch.equal(calibrated(alone, sinks, 0.4), alone), "a row of sinks alone stays"


def test_no_head_no_sink_and_beta_one_are_vanilla():
    v, one = view("llama"), [sample("llama", 0)]
    plain, every = play(v, one), torch.ones(v.depth, v.n_heads)
    same(play(v, one, [with_heads(every * 0, beta=0.1)]), plain, 0)
    same(play(v, one, [with_heads(every, beta=0.1, tau=5.0)]), plain, 2e-4)
    same(play(v, one, [made("act", beta=1.0)]), plain, 0)


def test_only_listed_heads_change():
    v, one = view("llama"), sample("llama", 0, length=12)

    class Outputs(Steering):
        name = "outputs"

        def heads(self, l, x, run):
            if run.prefill and l == 1:
                self.seen = x.clone()

    heads = torch.zeros(v.depth, v.n_heads)
    heads[1, 2] = 1
    before, after = Outputs(), Outputs()
    play(v, [one], [before], steps=1)
    play(v, [one], [with_heads(heads, beta=0.0, tau=0.02), after], steps=1)
    changed = (before.seen - after.seen).abs().amax((0, 1, 3)) > 1e-4
    assert changed.tolist() == [False, False, True, False]


def test_steps_are_calibrated_only_where_asked():
    v, one = view("llama"), sample("llama", 0, length=12)
    every = torch.ones(v.depth, v.n_heads)
    both, prompt = (
        generate(v, [one], [with_heads(every, beta=0.0, tau=0.02, answer=d)], GREEDY, 4, [0], keep_scores=True)[0]
        for d in (True, False)
    )
    torch.testing.assert_close(both.scores[0], prompt.scores[0])
    assert (both.scores[1:] - prompt.scores[1:]).abs().max() > 1e-4


@functools.cache
def bench(kind: str) -> Bench:
    def asked(family: str, request: Request):
        return encode(family, Request((type(request.messages[0])("system", ("w1",)), *request.messages), 1))

    if kind == "text":
        texts = tuple((f"w{i} w{i + 1}", ("w5", "w7")[i % 2]) for i in range(24))
        return Bench(view("llama"), (), functools.partial(asked, "llama"), texts)
    shown = [Annotated(type(picture())(str(i).encode()), (("dog", "cat")[i % 2],)) for i in range(12)]
    return Bench(view("llava"), shown, functools.partial(asked, "llava"))


@pytest.fixture(autouse=True)
def words(monkeypatch):
    """Answers of the random models: w12 is token 12, other words some token."""
    for name in ("llama", "llava"):
        monkeypatch.setattr(view(name), "begins", lambda w: (5 + len(w) * 3 + sum(map(ord, w)) % 7,), raising=False)


@pytest.mark.parametrize("kind", ["text", "pictures"])
def test_heads_are_chosen_by_accuracy(kind):
    method = made("act", beta=0.0, tau=0.02, examples=8)
    found = method.calibrate(bench(kind))
    accuracy, plain = found["accuracy"], float(found["plain"])
    assert accuracy.shape == found["heads"].shape == (4, 4)
    assert torch.equal(found["heads"].bool(), accuracy > plain) and 0 <= plain <= 1


@pytest.mark.parametrize("kind", ["text", "pictures"])
def test_layers_before_a_head_are_computed_once_and_change_nothing(kind):
    """Each head's accuracy and logits are those of whole passes, and a trial begins at its layer."""
    method, b = made("act", beta=0.0, tau=0.02, examples=8), bench(kind)
    accuracies = Accuracies(method, b, b.questions[:8])
    inputs = [dataclasses.replace(b.encode(q.asked()), shared=None) for q in b.questions[:8]]
    for l in range(b.view.depth):
        accuracies.of(l, 0)
        trial = method.alone((l, 1), b.view)
        with accuracies._below():
            midway = accuracies._pass([trial])
        whole = torch.stack([one.scores[0] for one in play(b.view, inputs, [trial], steps=1)])
        assert torch.equal(midway, whole) and not torch.equal(whole, accuracies._scores)


def test_heads_are_tried_on_questions_from_all_over_a_file(monkeypatch):
    """A file may hold one answer after the other."""
    b, asked = bench("text"), []
    monkeypatch.setattr(Accuracies, "_right", lambda self, scores: asked.append(self._asked) or 0.5)
    made("act", examples=8).calibrate(b)
    numbers = [b.questions.index(q) for q in asked[0]]
    assert len(set(numbers)) == 8 and max(numbers) > 11 and all(some == asked[0] for some in asked)


@pytest.mark.parametrize("kind", ["text", "pictures"])
def test_injection_learns_weights_that_lower_the_loss(kind):
    method = made("soft_injection", prompts=3, shots=2, steps=60)
    b = bench(kind)
    before = {n: p.clone() for n, p in b.view.model.named_parameters()}
    found = method.calibrate(b)
    first, last = found["loss"].tolist()
    assert last < first, "the embedding of prompts with answers helps"
    assert (
        found["t"].shape[:2] == found["alpha"].shape == (4, 4) and ((found["alpha"] >= 0) & (found["alpha"] <= 1)).all()
    )
    assert all(torch.equal(p, before[n]) and p.grad is None for n, p in b.view.model.named_parameters())


def test_full_weights_put_the_embedding_in_place_of_the_heads():
    v, one = view("llama"), sample("llama", 0)
    method = made("soft_injection")
    method.artefact = ARTEFACTS["soft_injection"](v)
    method.artefact["alpha"] = torch.ones_like(method.artefact["alpha"])

    class Outputs(Steering):
        name = "outputs"

        def __init__(self):
            self.seen = {}

        def heads(self, l, x, run):
            self.seen.setdefault(l, []).append(x.clone())

    after, plain = Outputs(), Outputs()
    play(v, [one], [method, after], steps=3)
    play(v, [one], [plain], steps=3)
    for l in range(v.depth):
        torch.testing.assert_close(after.seen[l][0][0, -1], method.artefact["t"][l])
    assert torch.equal(after.seen[0][0][0, :-1], plain.seen[0][0][0, :-1]), "earlier positions are left alone"
    assert torch.equal(mixed(torch.ones(2, 3), torch.zeros(2, 3), torch.zeros(2)), torch.ones(2, 3))


def test_questions_of_the_users_own_are_read(tmp_path):
    path = tmp_path / "questions.jsonl"
    path.write_text("\n".join(json.dumps({"prompt": f"q{i}", "answer": "ab"[i % 2]}) for i in range(3)))
    data = Data(str(path))
    assert data.questions() == [("q0", "a"), ("q1", "b"), ("q2", "a")] and data.pictures() == []
    assert data.fingerprint() and Data("embedded").questions() == []
    path.write_text('{"prompt": "q", "answer": 3}')
    with pytest.raises(UsageError, match="row 1: needs prompt and answer, two texts"):
        data.questions()


def test_methods_on_pictures_refuse_questions_alone():
    for name in ("iri", "truthprint"):
        with pytest.raises(UsageError, match=f"method={name} calibrates itself on annotated pictures"):
            made(name).calibrate(bench("text"))


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("act", {"beta": 2}, r"beta=2 must lie in \[0, 1\]"),
        ("act", {"threshold": "x"}, "threshold=x is unknown: choose absolute or per_length"),
        ("act", {"examples": 0}, "needs examples of at least 1"),
        ("soft_injection", {"strength": 2}, r"strength=2 must lie in \[0, 1\]"),
        ("soft_injection", {"shots": 0}, "needs prompts, shots and steps of at least 1"),
    ],
)
def test_wrong_values_are_named(name, values, words):
    with pytest.raises(UsageError, match=words):
        made(name, **values)


def test_too_few_questions_are_named():
    with pytest.raises(UsageError, match="shots=50 needs more than 50 questions"):
        made("soft_injection", shots=50).calibrate(bench("text"))

"""Samples that make room for others get the answers that they get in batches that wait."""

from __future__ import annotations

import pytest
import torch

from harness.checks.playing import play
from harness.checks.zoo import FAMILIES, sample, view
from harness.core import Decoding
from harness.steering import Steering, generate
from harness.steering.lookup import Lookup, worth
from harness.steering.refill import Asked, Refill, hindrance, refilled
from tests.methods.artefacts import ARTEFACTS
from tests.methods.made import made

LIMITS = [3, 9, 1, 6, 4, 8, 2]
GREEDY = Decoding()
NUCLEUS = Decoding("nucleus", temperature=0.8, top_p=0.9)


def asked(name):
    """Prompts of several lengths about four pictures, two of which share theirs; one shows none."""
    lengths = [4, 9, 7, 5, 4, 6, 12]
    mixed = [sample(name, i, length=n, picture=i // 2, before=3 + i // 2, shared=True) for i, n in enumerate(lengths)]
    mixed[4] = view(name).without_image(mixed[4])
    mixed[4].shared = None
    return mixed


def static(name, methods=(), decoding=GREEDY, stops=None, batch=None):
    v = view(name)
    out = generate(v, batch or asked(name), methods, decoding, max(LIMITS), range(7), stops=stops)
    return [one.tokens[:limit] for one, limit in zip(out, LIMITS, strict=True)]


def dynamic(name, methods=(), decoding=GREEDY, stops=None, rows=2, tokens=12_000, batch=None, guess=False, begun=7):
    found, parts = {}, 0
    v, batch = view(name), numbered(batch or asked(name), stops)
    first, rest = batch[:begun], batch[begun:]

    def further():
        assert found or not first
        return [rest.pop(0) for _ in rest[:1]]

    for part in refilled(v, first, methods, decoding, rows, tokens, guess, further):
        parts += 1
        assert torch.is_grad_enabled()
        found |= {a.number: a.made for a in part}
    assert parts > 1 and len(found) == 7
    return [found[i].tokens for i in range(7)]


def numbered(inputs, stops=None):
    return [Asked(i, one, LIMITS[i], i, stops[i] if stops else (), i > 3) for i, one in enumerate(inputs)]


@pytest.mark.parametrize("name", FAMILIES)
def test_answers_are_those_of_batches_that_wait(name):
    if why := hindrance(view(name), (), GREEDY):
        assert why == f"the cache of {type(view(name).model).__name__}" and name in ("gemma3", "instructblip")
        return
    assert dynamic(name) == static(name)


@pytest.mark.parametrize("rows", [1, 3])
def test_sampling_draws_what_it_draws_in_any_batch(rows):
    wanted = [generate(view("llava"), [one], (), NUCLEUS, 9, [i])[0] for i, one in enumerate(asked("llava"))]
    found = dynamic("llava", decoding=NUCLEUS, rows=rows)
    assert found == [one.tokens[:limit] for one, limit in zip(wanted, LIMITS, strict=True)]


@pytest.mark.parametrize("tokens", [1, 60])
def test_prompts_are_read_alone_where_they_fill_a_pass(tokens):
    assert dynamic("llava", tokens=tokens, rows=3) == static("llava")


def test_an_answer_ends_at_its_own_end_and_at_a_text(monkeypatch):
    v, plain = view("llava"), static("llava")
    stop, end = plain[1][4], plain[5][2]
    stops = [(f"w{stop} x", f"{stop}")] * 7
    monkeypatch.setattr(v, "decode", lambda ids: " ".join(map(str, ids)))
    assert dynamic("llava", stops=stops) == static("llava", stops=stops) != plain
    monkeypatch.setitem(v.__dict__, "eos", (end,))
    got = dynamic("llava")
    assert got == static("llava") and len(got[5]) == plain[5].index(end)


@pytest.mark.parametrize("begun", [1, 3])
def test_samples_that_come_while_others_are_answered_get_the_same_answers(begun):
    assert dynamic("llava", rows=3, begun=begun) == static("llava")
    assert dynamic("llava", [made("vcd", alpha=1.0, beta=0.1)], rows=3, begun=begun) == static(
        "llava", [made("vcd", alpha=1.0, beta=0.1)]
    )


def test_samples_that_come_one_by_one_wait_for_others_to_be_read_beside_them(monkeypatch):
    v, read, inner = view("llama"), [], Refill._admit
    monkeypatch.setattr(Refill, "_admit", lambda self, group: read.append(len(group)) or inner(self, group))
    limits = [2, 3, 4, 5, 20, 20, 20, 20, 3, 3, 3, 3]
    batch = [Asked(i, sample("llama", i, length=6), limit, i, again=i > 7) for i, limit in enumerate(limits)]
    rest, done = batch[8:], []
    for part in refilled(v, batch[:8], (), GREEDY, 8, 12_000, further=lambda: [rest.pop(0) for _ in rest[:1]]):
        done += [a.number for a in part]
    assert read == [8, 2, 2] and sorted(done) == list(range(12))


class Drifts(Steering):
    """Reads each kind of column, and what it has kept of each row."""

    refills = ("kept", "layered")

    def __init__(self):
        self.name, self.kept, self.layered = "drifts", torch.zeros(0), {}

    def prepare(self, batch):
        self.kept = torch.tensor([float(s.length) for s in batch.samples])

    def attention_logits(self, l, a, batch):
        if batch.prefill:
            self.layered[l] = a[:, :, -1].mean((-1, -2))
        assert len(self.layered[l]) == len(a) == len(self.kept)
        present, written = batch.present(self), batch.generated(self)
        far = batch.positions(self)[:, -1:] - batch.positions(self)
        share = 0.1 * (self.kept + self.layered[l])[:, None] / present.sum(-1, keepdim=True)
        bias = share * (written * 2.0 + batch.image(self) + batch.prompt(self) * far / 10)
        return a + bias[:, None, None]


def with_artefact(name, **values):
    method = made(name, **values)
    method.artefact = ARTEFACTS[name](view("llava"))
    return method


CASES = {
    "marks": lambda: [Drifts()],
    "streams": lambda: [made("vcd", alpha=1.0, beta=0.1), made("icd")],
    "row state": lambda: [made("vista", lam=0.1, gamma=0.3)],
    "state by layer": lambda: [made("vhr")],
    "all rows": lambda: [made("sid")],
    "pai": lambda: [made("pai")],
    "sums of columns": lambda: [with_artefact("act", beta=0.0, tau=0.05)],
    "marks of columns": lambda: [made("var", share=0.0, rho=1.0, tau=1.5)],
    "vectors": lambda: [made("gift", alpha=3.0, start=0, end=31, saliency=8)],
    "paint": lambda: [made("paint", alpha=1.5, beta=1.5)],
}


@pytest.mark.parametrize("case", CASES)
def test_methods_act_as_in_batches_that_wait(case):
    plain = dynamic("llava", CASES[case]())
    assert plain == static("llava", CASES[case]()) != static("llava")


POLICIES = {
    "window": {"budget": 4},
    "streaming_llm": {"budget": 5, "sinks": 2},
    "h2o": {"budget": 6},
    "snapkv": {"budget": 6, "window": 3, "kernel": 3},
    "stride": {"budget": 4},
    "lazyeviction": {"budget": 5, "window": 2, "alpha": 0.01},
    "gui_kv": {"budget": 6, "window": 2, "kernel": 1},
    "delta": {"budget": 4, "page": 2, "recent": 1, "ratio": 1.0},
    "powerattention": {"block": 2, "window": 1, "dense": 0},
}


@pytest.mark.parametrize("rows", [2, 5])
@pytest.mark.parametrize("policy", POLICIES)
def test_what_is_kept_of_each_column_moves_with_it(policy, rows):
    """Answers and shares are those of samples that are played alone."""
    v, batch = view("llava"), asked("llava")
    alone = [
        generate(v, [one], [made(policy, **POLICIES[policy])], GREEDY, limit, [0])[0]
        for one, limit in zip(asked("llava"), LIMITS, strict=True)
    ]
    found = {}
    for part in refilled(v, numbered(batch, None), [made(policy, **POLICIES[policy])], GREEDY, rows, 12_000):
        found |= {a.number: a.made for a in part}
    assert [found[i].tokens for i in range(7)] == [one.tokens for one in alone] != static("llava")
    shares = [one.measures["kept_share"] for one in alone]
    assert [found[i].measures["kept_share"] for i in range(7)] == pytest.approx(shares) and min(shares) < 0.9


def test_state_that_does_not_follow_its_columns_is_refused():
    class Forgets(Drifts):
        by_column = ("layered",)

    with pytest.raises(RuntimeError, match="layered is not by the 29 columns of the sequence"):
        dynamic("llava", [Forgets()])


def test_what_keeps_batches_waiting_is_named():
    v = view("llava")
    assert hindrance(v, [made("window", cache="evict")], GREEDY) == "method=window"
    assert hindrance(v, [made("logit_lens")], GREEDY) == "method=logit_lens"
    assert hindrance(v, [made("opera")], GREEDY) == "method=opera"
    assert hindrance(v, (), Decoding("beam", num_beams=2)) == "decoding=beam"
    assert hindrance(v, (), Decoding(extra={"no_repeat_ngram_size": 2})) == "decoding.extra"


def test_room_is_filled_before_the_longest_answer_ends():
    v, before = view("llama"), view("llama").work.passes
    batch = [sample("llama", i, length=5 + i) for i in range(7)]
    assert dynamic("llama", rows=3, batch=batch) == static("llama", batch=batch)
    after = v.work.passes - before - 7 * max(LIMITS)  # without those of the batch that waits
    assert sum(LIMITS) <= after < 7 * max(LIMITS) * 0.8


@pytest.mark.parametrize("name", ["llama", "qwen2_5_vl"])
@pytest.mark.parametrize("rows", [1, 3])
def test_guesses_change_nothing_and_save_passes(name, rows, monkeypatch):
    v = view(name)
    plain = dynamic(name, rows=rows)
    said = {tuple(x.tensors["input_ids"][0].tolist()): play(v, [x], steps=12)[0].tokens for x in asked(name)}

    class Knows(Lookup):
        """Guesses what the model will say, wrong at each fourth token."""

        def __init__(self, tokens):
            super().__init__(tokens)
            self.begun, self.said = len(tokens) - 1, said[tuple(tokens[:-1])]

        def guess(self, most):
            at = len(self.tokens) - self.begun
            return [t if (at + i) % 4 else t + 1 for i, t in enumerate(self.said[at : at + most])]

    monkeypatch.setattr("harness.steering.refill.Lookup", Knows)
    monkeypatch.setattr("harness.steering.rows.GAPS", 4)
    before = v.work.passes
    assert dynamic(name, rows=rows, guess=True) == plain
    assert v.work.passes - before < (0.7 if rows == 1 else 1.2) * sum(LIMITS)


def test_what_followed_is_guessed_and_counted():
    one = Lookup([1, 2, 3, 4, 5, 9, 1, 2, 3])
    assert one.guess(2) == [4, 5] and one.guess(0) == []
    one.add([7])
    assert one.guess(3) == []
    one.add([1, 2, 3])
    assert one.guess(9) == [7, 1, 2, 3]
    assert worth([one], [[7, 1, 2, 3]]) >= 3
    assert worth([one, *[Lookup([])] * 40], [[7, 1, 2, 3], *[[]] * 40]) == 0
    for _ in range(20):
        one.told(4, 0)
    assert worth([one], [[7, 1, 2, 3]]) <= 1

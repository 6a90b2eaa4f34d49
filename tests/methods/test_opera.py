"""OPERA: the tests of its specification."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from harness.checks.playing import play
from harness.checks.zoo import FAMILIES, sample, view
from harness.core import Decoding, UsageError
from harness.methods.decoding.beams import Beams, Ended
from harness.methods.decoding.opera import column_scores, prompt_length
from harness.methods.decoding.retrospection import Retrospection, State
from harness.steering.batch import Batch
from harness.steering.decode_loop import Loop
from harness.steering.hooks import attached
from tests.methods.made import made

FAR = 10**6
"""A threshold that is never reached."""


def ending(monkeypatch, v, *tokens):
    """The view with these end tokens."""
    monkeypatch.setitem(v.__dict__, "eos", tokens)
    return v


# -- scores


def test_columns_by_hand():
    opera, products = made("opera", sigma=10.0), torch.zeros(1, 0)
    rows = [torch.tensor([9.0, 9, 0.5]), torch.tensor([9.0, 9, 0.2, 0.1]), torch.tensor([9.0, 9, 0.4, 0.3, 0.6])]
    for row in rows:
        opera._row = row[None]
        products = opera._down(products)
    torch.testing.assert_close(products, torch.tensor([[5.0 * 2 * 4, 1.0 * 3, 6.0]]))


def test_columns_have_half_precision():
    got = column_scores(torch.tensor([[1e-1, 1.0, 1e7, 1e12]]))
    assert got.dtype == torch.float16 and got.tolist() == [[0.0, 1.1920928955078125e-07, 1.0, float("inf")]]


@pytest.mark.parametrize(("family", "runs"), [("llava", 1), ("qwen2_5_vl", 1), ("llama", 0)])
def test_a_picture_counts_as_one_token(family, runs):
    v, one = view(family), sample(family, 0)
    loop = Loop(Batch(v, [made("opera")], [one]), 8)
    assert prompt_length(loop) == one.length - runs * (FAMILIES[family].tokens - 1)


# -- beam search


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl", "llama"])
def test_without_penalty_it_is_beam_search(family):
    picture = None if family == "llama" else 1
    v, inputs = view(family), [sample(family, i, picture=picture) for i in range(3)]
    opera = made("opera", beams=3, candidates=256, alpha=0.0, threshold=FAR)
    got, plain = play(v, inputs, [opera], steps=7), play(v, inputs, [], Decoding("beam", num_beams=3), steps=7)
    assert [g.tokens for g in got] == [g.tokens for g in plain]


def test_no_penalty_stays_none_where_scores_overflow():
    v, inputs = view("llava"), [sample("llava", i) for i in range(2)]
    opera = made("opera", beams=3, candidates=256, alpha=0.0, sigma=1e4, threshold=FAR)
    got, plain = play(v, inputs, [opera], steps=7), play(v, inputs, [], Decoding("beam", num_beams=3), steps=7)
    assert [g.tokens for g in got] == [g.tokens for g in plain]


def test_one_candidate_is_greedy():
    v, inputs = view("llava"), [sample("llava", i) for i in range(3)]
    got = play(v, inputs, [made("opera", beams=1, candidates=1, alpha=0.0)], steps=6)
    assert [g.tokens for g in got] == [g.tokens for g in play(v, inputs, steps=6)]


@pytest.mark.parametrize("beams", [1, 3])
def test_answers_end_as_in_a_search_without_a_cache(monkeypatch, beams):
    """Against the rules of transformers 4.29.2 written down once more; each step reads everything again."""
    v = view("llava")
    for one in (sample("llava", i) for i in range(2)):
        end = play(v, [one], [], Decoding("beam", num_beams=3), steps=8)[0].tokens[4]
        ending(monkeypatch, v, end)
        opera = made("opera", beams=beams, candidates=256, alpha=0.0, threshold=FAR)
        assert play(v, [one], [opera], steps=8)[0].tokens == slowly(v, one, beams, 8, end)
        monkeypatch.undo()


def slowly(v, one, beams, steps, end):
    prompt = one.length - (FAMILIES["llava"].tokens - 1)
    running, ended = [(0.0, [])], []
    for n in range(steps):
        total = torch.tensor([score for score, _ in running])[:, None] + after(v, one, [t for _, t in running])
        top, places = total.flatten().topk(2 * beams)
        new = []
        for rank, (score, at) in enumerate(zip(top.tolist(), places.tolist(), strict=True)):
            tokens, token = running[at // total.shape[1]][1], at % total.shape[1]
            if token != end:
                new.append((score, [*tokens, token]))
            elif rank < beams:
                ended = sorted([*ended, (score / (prompt + n), tokens)])[-beams:]
        if len(ended) == beams and ended[0][0] >= top[0] / (prompt + n + 1):
            return ended[-1][1]
        running = new[:beams]
    return max([*ended, *((score / (prompt + steps), tokens) for score, tokens in running)])[1]


def after(v, one, answers):
    """Log-probabilities of the next token behind each answer."""
    new = torch.tensor(answers, dtype=torch.long)
    ids = torch.cat([one.tensors["input_ids"].expand(len(new), -1), new], 1)
    pixels = one.tensors["pixel_values"].expand(len(new), -1, -1, -1)
    with torch.no_grad():
        z = v.model(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=pixels).logits
    return z[:, -1].float().log_softmax(-1)


def test_only_the_first_ranks_end():
    beams = Beams.first(2, 10, torch.device("cpu"))
    z = torch.tensor([[5.0, 4.0, 3.0, 2.0]])
    assert beams.grow(z, {2}).tokens == [[0], [1]] and not beams.ended.kept  # third
    assert beams.grow(z, {1}).tokens == [[0], [2]] and len(beams.ended.kept) == 1  # second
    assert beams.grow(z, {0, 1}).tokens == [[2], [3]] and len(beams.ended.kept) == 2  # two end tokens: more spare ranks


def test_the_worst_kept_answer_stops_the_search():
    ended = Ended(2, 8)
    ended.add(-10.0, [1, 2])
    assert not ended.settled(-1e9, 3)  # one of two
    ended.add(-20.0, [3, 4])
    assert [value for value, _ in ended.kept] == [-1.0, -2.0]
    assert not ended.settled(-21.0, 3) and ended.settled(-22.0, 3)  # -22 / 11 is not better than the worst
    ended.add(-25.0, [5, 6])  # not good enough
    assert ended.worst == -2.0
    ended.add(-10.0, [7, 8])
    assert ended.worst == -1.0 and ended.best == [7, 8]  # the newest of equals


def test_running_answers_count_where_no_steps_are_left(monkeypatch):
    v, one = view("llava"), sample("llava", 0)
    first = play(v, [one], [], Decoding("beam", num_beams=5), steps=1)[0].tokens[0]
    ending(monkeypatch, v, first)
    got = play(v, [one], [made("opera")], steps=1)[0]
    assert got.tokens != [first] and len(got.tokens) <= 1
    assert len(play(v, [one], [made("opera")], steps=3)[0].tokens) <= 3


def test_alone_and_in_a_batch_with_an_end_token(monkeypatch):
    v, inputs = view("llava"), [sample("llava", i, length=4 + 3 * i) for i in range(3)]
    ending(monkeypatch, v, play(v, inputs[:1], [made("opera")], steps=6)[0].tokens[4])
    method = made("opera", threshold=2)
    together = play(v, inputs, [method], steps=24)
    assert [g.tokens for g in together] == [play(v, [one], [method], steps=24)[0].tokens for one in inputs]
    assert len(together[0].tokens) < 24


@pytest.mark.parametrize("candidates", [1, 2])
def test_fewer_candidates_than_beams(candidates):
    """Beams without a candidate of their own take other tokens, whose pass is yet to come."""
    v, one = view("llava"), sample("llava", 0)
    assert len(play(v, [one], [made("opera", candidates=candidates)], steps=12)[0].tokens) == 12
    if candidates == 1:
        greedy = play(v, [one], steps=12)[0].tokens
        assert play(v, [one], [made("opera", candidates=1, threshold=FAR)], steps=12)[0].tokens == greedy


# -- going back


def searched(retrospection, places, beams=2):
    """Stores states of growing length at which the beams pointed at `places` [beams][steps]."""
    history = torch.tensor(places)
    for n in range(history.shape[1]):
        first = Beams.first(beams, 5, torch.device("cpu"))
        state = Beams([[7] * n] * beams, first.scores, first.ended, torch.tensor([n, 100 + n]) if n else None)
        retrospection.store(State(state, torch.ones(beams, n), history[:, : n + 1]))


def stuck(place=12, times=5, length=20):
    return [0] * (length - times) + [place] * times


@pytest.mark.parametrize(
    ("form", "wanted"), [("code", [13, 13, 12, 12, None]), ("paper", [13, 13, 12, 12, 11, 11, 10, 10, None])]
)
def test_positions_are_used_up(form, wanted):
    retrospection = Retrospection(form, threshold=3, limit=2)
    searched(retrospection, [stuck(), stuck()])
    assert [retrospection.position() for _ in wanted] == wanted


@pytest.mark.parametrize("form", ["code", "paper"])
@pytest.mark.parametrize(
    "places",
    [
        [stuck(place=9), stuck(place=9)],  # too early
        [stuck(), stuck(times=3)],  # not all beams
        [stuck(times=3), stuck(times=3)],  # not often enough
        [stuck(), [*stuck()[:-1], 3]],  # a tie of the beams goes to the smallest
        [stuck(length=513), stuck(length=513)],  # the answer is too long
    ],
)
def test_reasons_to_stay(form, places):
    retrospection = Retrospection(form, threshold=3, limit=2)
    searched(retrospection, places)
    assert retrospection.position() is None


def test_what_led_on_is_forbidden_for_good():
    retrospection = Retrospection("code", threshold=3, limit=5)
    searched(retrospection, [stuck(), stuck()])
    state, pairs = retrospection.back(13)
    assert state.beams.length == 13 and pairs.tolist() == [14, 114]
    history = state.history
    assert history.shape == (2, 14)
    for n in range(14, 20):  # other tokens this time
        beams = Beams([[8] * n] * 2, state.beams.scores, state.beams.ended, torch.tensor([200 + n, 300 + n]))
        retrospection.store(State(beams, torch.ones(2, n), torch.cat([history, torch.full((2, n - 13), 12)], 1)))
    assert retrospection.position() == 13
    assert retrospection.back(13)[1].tolist() == [14, 114, 214, 314]


def test_close_to_the_end_the_released_code_goes_one_step_further():
    retrospection = Retrospection("code", threshold=1, limit=5)
    searched(retrospection, [stuck(times=2, length=14), stuck(times=2, length=14)])
    assert retrospection.position() == 13  # the present length
    state, pairs = retrospection.back(13)
    assert state.beams.length == 12 and pairs.tolist() == [13, 113]
    paper = Retrospection("paper", threshold=1, limit=5)
    searched(paper, [stuck(times=2, length=14), stuck(times=2, length=14)])
    assert paper.position() is None  # nothing has been chosen behind the column yet


def test_ended_answers_survive_going_back_twice():
    """The released code hands out its stored scorer, which then continues collecting."""
    retrospection = Retrospection("code", threshold=3, limit=5)
    searched(retrospection, [stuck(), stuck()])
    state, _ = retrospection.back(13)
    state.beams.ended.add(-1.0, [1])
    beams = Beams([[8] * 14] * 2, state.beams.scores, state.beams.ended, torch.tensor([1, 2]))
    retrospection.store(State(beams, torch.ones(2, 14), torch.zeros(2, 15)))
    beams.ended.add(-2.0, [2])
    assert len(retrospection._past[-1].beams.ended.kept) == 1  # a later state is a copy
    assert len(retrospection.back(13)[0].beams.ended.kept) == 2


@pytest.mark.parametrize("form", ["code", "paper"])
@pytest.mark.parametrize(("family", "seed", "threshold"), [("llava", 1, 1), ("llama", 1, 1), ("gemma3", 0, 0)])
def test_long_answers_go_back_and_end(monkeypatch, form, family, seed, threshold):
    v, one = view(family), [sample(family, seed)]
    went = backs(monkeypatch)
    sigma = 50.0 if family == "llava" else 20.0
    opera = made("opera", beams=2, candidates=2, threshold=threshold, sigma=sigma, form=form)
    (got,) = play(v, one, [opera], steps=30)
    assert len(got.tokens) == 30
    assert 2 <= max(went.count(at) for at in went) <= 2 + (form == "code")  # also shifted from the next position


def backs(monkeypatch):
    """The positions that searches go back to from here on."""
    went: list[int] = []
    real = Retrospection.back
    monkeypatch.setattr(Retrospection, "back", lambda self, at: went.append(at) or real(self, at))
    return went


@pytest.mark.parametrize("form", ["code", "paper"])
def test_tokens_are_not_chosen_twice(monkeypatch, form):
    found: dict[int, list[Tensor]] = {}
    real = Retrospection.back

    def back(self, at):
        state, pairs = real(self, at)
        found.setdefault(at, []).append(pairs)
        return state, pairs

    monkeypatch.setattr(Retrospection, "back", back)
    play(view("llava"), [sample("llava", 1)], [made("opera", beams=2, candidates=2, threshold=1, form=form)], steps=30)
    first, second = found[12]
    assert len(first) == 2 and torch.equal(second[:2], first) and len(set(second.tolist())) == 4


def test_after_going_back_the_released_code_picks_from_everything():
    v, opera = view("llava"), made("opera", beams=2, candidates=2)
    retrospection = Retrospection("code", threshold=3, limit=2)
    searched(retrospection, [stuck(), stuck()])
    loop = Loop(run := Batch(v, [opera], [sample("llava", 0)]), 40)
    with attached(run), torch.no_grad():
        z = loop.start()
        loop.fork(2)
        plain = loop.feed(torch.full((2, 13), 7))
        _, z, scores, tried = opera._go_back(loop, retrospection, 13)
    assert tried is None
    out = torch.zeros_like(scores, dtype=torch.bool).flatten()
    out[[14, 114]] = True
    assert (scores.flatten()[out] == -999.0).all()
    wanted, kept = plain.log_softmax(-1), ~out.view_as(scores)
    torch.testing.assert_close(z.log_softmax(-1), wanted, atol=5e-4, rtol=0)
    assert torch.equal(scores[kept], z[kept]) and (scores >= -999.0).all()


@pytest.mark.parametrize("rollbacks", [None, 3])
def test_as_many_rollbacks_as_candidates(monkeypatch, rollbacks):
    limits = []
    real = Retrospection.__init__
    monkeypatch.setattr(Retrospection, "__init__", lambda self, *a: limits.append(a[2]) or real(self, *a))
    play(view("llava"), [sample("llava", 0)], [made("opera", candidates=4, rollbacks=rollbacks)], steps=2)
    assert limits == [rollbacks or 4]


# -- refusals


def test_it_runs_alone():
    v, one = view("llava"), [sample("llava", 0)]
    with pytest.raises(UsageError, match="method=opera decodes by itself: it cannot run beside method=vista"):
        play(v, one, [made("opera"), made("vista")])
    with pytest.raises(UsageError, match="use decoding=greedy"):
        play(v, one, [made("opera")], Decoding("beam", num_beams=2))


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"form": "text"}, "form=text is unknown: choose code or paper"),
        ({"beams": 0}, "beams=0 and .* must be at least 1"),
    ],
)
def test_bad_values_are_named(values, says):
    with pytest.raises(UsageError, match=says):
        made("opera", **values)

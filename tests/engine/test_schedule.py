from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.core import Decoding, Missing, Outcome, Request, Sample, Unusable, user
from harness.engine.limit import by_cluster
from harness.engine.schedule import Interrupted, Scheduler, windows
from tests.engine.toys import Adder, Ask2, Sums


def play(task, model, *, rows=None, pipelines=(), stop=lambda: False, finished=(), window=4096):
    results = []
    batches = []

    def report(batch):
        batches.append([r.id for r in batch])
        results.extend(batch)

    scheduler = Scheduler(
        task, model, pipelines, Decoding(), seed=0, rows=rows, report=report, stop=stop, window=window
    )
    scheduler.run(by_cluster(list(task.samples())), finished)
    return results, scheduler.counts, batches


def test_every_sample_ends_once_and_is_scored():
    results, counts, _ = play(Sums(40), Adder())
    assert sorted(r.id for r in results) == sorted(f"s{i}" for i in range(40))
    assert all(r.outcome.scores["correct"] == 1 for r in results)
    assert counts.done == 40 and counts.requests == 40


def test_identical_requests_are_asked_once():
    model = Adder()
    _, counts, _ = play(Sums(70), model)
    asked = [t for batch in model.batches for t in batch]
    assert len(asked) == len(set(asked)) == counts.asked == 35


def test_several_turns_and_pipelines_count_every_call():
    results, counts, _ = play(Sums(10, turns=3), Adder(), pipelines=[Ask2()])
    assert {r.calls for r in results} == {6}
    assert counts.requests == 60
    assert all(r.prompt_tokens == 18 for r in results)


def test_faults_of_a_batch_are_reported_together(monkeypatch):
    """Each report is a flush to the disk, and a batch is narrowed down to single calls."""
    monkeypatch.setattr("harness.engine.schedule.HELD", 60.0)
    results, _, batches = play(Sums(64), Adder(fail_on=tuple("0123456789")), rows=16)
    assert all(r.error for r in results) and len(results) == 64
    assert len(batches) <= 4


def test_out_of_memory_halves_for_good():
    model = Adder(memory=5)
    results, _, _ = play(Sums(35), model, rows=16)
    assert all(r.error is None for r in results) and len(results) == 35
    assert max(map(len, model.batches)) <= 5


class Streams(Adder):
    """Answers one by one, the last ones first, as samples end that make room for others."""

    def __init__(self, breaks=0, **other):
        super().__init__(**other)
        self.breaks, self.given = breaks, 0

    def answers(self, calls, decoding, rows, further):
        for call in reversed(calls):
            self.given += 1
            if self.given == self.breaks:
                raise RuntimeError("broken in the middle")
            yield [call], self.answer([call], decoding)


def test_answers_that_have_come_are_kept_when_their_batch_breaks():
    model = Streams(breaks=9)
    results, counts, _ = play(Sums(35), model)
    assert not any(r.error for r in results) and counts.done == len(results) == 35
    asked = [text for batch in model.batches for text in batch]
    assert len(asked) == len(set(asked)) == counts.asked
    results, _, _ = play(Sums(35), Streams(fail_on="3+2"))
    assert [r.target for r in results if r.error] == ["5"]


class Pool(Adder):
    """Answers what comes meanwhile, too."""

    def __init__(self, broken="", **other):
        super().__init__(**other)
        self.plans, self.broken = 0, broken

    def plan(self, calls, rows):
        self.plans += 1
        yield from super().plan(calls, 4)

    def prepare(self, call):
        if call.request.messages[0].content[0] == self.broken:
            raise Unusable("cannot be read")

    def answers(self, calls, decoding, rows, further):
        todo = list(calls)
        while todo:
            yield [todo[-1]], self.answer([todo.pop()], decoding)
            todo += further()


def facts(results):
    return {r.id: (r.outcome and r.outcome.answer, r.calls, r.error and r.error["type"]) for r in results}


def test_what_follows_from_an_answer_is_asked_while_others_are_answered():
    rounds, wanted, _ = play(Sums(40, turns=3), Adder(), pipelines=[Ask2()])
    model = Pool()
    results, counts, _ = play(Sums(40, turns=3), model, pipelines=[Ask2()])
    assert facts(results) == facts(rounds) and model.plans == 1
    assert (counts.done, counts.requests, counts.errors) == (40, wanted.requests, 0)
    assert counts.asked == len(model.batches) >= wanted.asked


@pytest.mark.parametrize("fault", [{"broken": "3+2 (1)"}, {"fail_on": "3+2 (1)"}])
def test_what_is_broken_in_a_later_turn_costs_its_own_samples(fault):
    results, _, _ = play(Sums(35, turns=3), Pool(**fault))
    assert [r.target for r in results if r.error] == ["5"] and len(results) == 35
    assert facts(results) == facts(play(Sums(35, turns=3), Rounds(**fault))[0])


class Rounds(Pool):
    def answers(self, calls, decoding, rows, further):
        return super().answers(calls, decoding, rows, list)


def test_nothing_more_comes_in_once_a_run_is_hopeless(monkeypatch):
    monkeypatch.setattr("harness.engine.schedule.HELD", 0.0)
    results = []
    scheduler = Scheduler(
        Sums(40), Pool(), [], Decoding(), seed=0, rows=None, report=results.extend, hopeless=lambda: bool(results)
    )
    scheduler.run(list(Sums(40).samples()))
    assert 0 < len(results) < 20


def test_new_episodes_start_as_others_end_where_a_task_says_how_many_may_live():
    task, model = Sums(12, turns=2), Pool()
    task.live = 3
    results, _, _ = play(task, model)
    assert len(results) == 12 and model.plans == 8


def test_a_run_that_is_stopped_keeps_what_has_come_and_asks_for_the_rest_alone():
    kept, model = [], Streams()
    scheduler = Scheduler(
        Sums(35), model, (), Decoding(), seed=0, rows=None, report=kept.extend, stop=lambda: model.given >= 5
    )
    with pytest.raises(Interrupted):
        scheduler.run(list(Sums(35).samples()))
    done = {r.id for r in kept}
    assert model.given == 5 and 5 <= len(done) < 35
    rest, _, _ = play(Sums(35), Streams(), finished=frozenset(done))
    assert done.isdisjoint(r.id for r in rest) and len(done) + len(rest) == 35


def test_a_bad_request_costs_its_own_samples():
    results, _, _ = play(Sums(35), Adder(fail_on="3+2"), rows=16)
    bad = [r for r in results if r.error]
    assert {r.target for r in bad} == {"5"} and len(bad) == 1
    assert bad[0].error["type"] == "RuntimeError" and "Traceback" in bad[0].error["traceback"]


def test_a_bad_sample_costs_one_row():
    results, _, _ = play(Sums(12, bad=(3,)), Adder())
    assert [r.id for r in results if r.error] == ["s3"]
    assert next(r for r in results if r.error).error["message"] == "sample s3 has no text"


def test_an_episode_may_handle_a_model_error():
    class Careful(Sums):
        def episode(self, sample):
            try:
                reply = yield Request(user(f"{sample.data['text']} (0)"), 4)
            except RuntimeError:
                return Outcome("gave up", {"correct": 0.0})
            return Outcome(reply.text, {"correct": 1.0})

    results, _, _ = play(Careful(35), Adder(fail_on="3+2"))
    assert sum(r.outcome.answer == "gave up" for r in results) == 1


def test_an_episode_must_return_an_outcome():
    class Forgetful(Sums):
        def episode(self, sample):
            yield Request(user("1+1 (0)"), 4)

    results, _, _ = play(Forgetful(2), Adder())
    assert all("not an Outcome" in r.error["message"] for r in results)


def test_user_errors_end_the_run():
    class Gone(Adder):
        def answer(self, calls, decoding):
            raise Missing("the weights are gone")

    with pytest.raises(Missing):
        play(Sums(3), Gone())


def test_stop_is_heard_after_a_batch():
    results = []
    scheduler = Scheduler(
        Sums(40), Adder(), [], Decoding(), seed=0, rows=8, report=results.extend, stop=lambda: len(results) >= 8
    )
    with pytest.raises(Interrupted):
        scheduler.run(list(Sums(40).samples()))
    assert 8 <= len(results) < 40


@pytest.mark.parametrize("done", [0, 1, 2, 4])
def test_a_resumed_run_plans_the_same_batches(done):
    whole = Adder()
    _, _, batches = play(Sums(40), whole, rows=8, window=16)
    finished = {i for batch in batches[:done] for i in batch}
    rest = Adder()
    results, _, _ = play(Sums(40), rest, rows=8, window=16, finished=finished)
    assert rest.batches == whole.batches[len(whole.batches) - len(rest.batches) :]
    assert {r.id for r in results} | finished == {f"s{i}" for i in range(40)}


@given(st.lists(st.integers(0, 5), max_size=60), st.integers(1, 20))
def test_windows_keep_clusters_whole(clusters, size):
    samples = by_cluster([Sample(str(i), str(c), "g", None) for i, c in enumerate(clusters)])
    parts = list(windows(samples, size))
    assert [s for part in parts for s in part] == samples
    for left, right in itertools.pairwise(parts):
        assert left[-1].cluster != right[0].cluster and len(left) >= size

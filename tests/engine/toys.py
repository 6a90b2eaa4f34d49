"""Small real tasks and models for the engine's tests: they do what a task and a model do, on a few records."""

from __future__ import annotations

import random

from harness.core import Metric, Model, Outcome, Pipeline, Reply, Request, Sample, Task, Unusable, user


class Sums(Task):
    """Samples "2+3"; right when the answer is "5"."""

    name = "sums"

    def __init__(self, n: int = 40, turns: int = 1, bad: tuple[int, ...] = ()):
        self.n, self.turns, self.bad = n, turns, bad

    def fingerprint(self):
        return f"sums-{self.n}-{self.turns}-{self.bad}"

    def samples(self):
        for i in range(self.n):
            yield Sample(
                f"s{i}", f"c{i // 4}", "even" if i % 2 == 0 else "odd", str(i % 7 + i % 5), {"text": f"{i % 7}+{i % 5}"}
            )

    def episode(self, sample):
        if int(sample.id[1:]) in self.bad:
            raise Unusable(f"sample {sample.id} has no text")
        reply = None
        for turn in range(self.turns):
            reply = yield Request(user(f"{sample.data['text']} ({turn})"), 4)
        return Outcome(reply.text, {"correct": float(reply.text == sample.target)}, reply.text)

    def aggregate(self, results):
        scores = [r.outcome.scores["correct"] for r in results if r.outcome]
        return [Metric("accuracy", sum(scores) / len(scores), n=len(scores), primary=True)] if scores else []

    def oracle(self, sample, request):
        return sample.target

    def chance(self, sample, request, rng: random.Random):
        return str(rng.randrange(11))


class Adder(Model):
    """Adds the two numbers it is shown; remembers the batches it was given."""

    name = "adder"

    def __init__(self, fail_on: str = "", memory: int = 10**9):
        self.fail_on, self.memory, self.batches = fail_on, memory, []

    def fingerprint(self):
        return "adder"

    def answer(self, calls, decoding):
        if len(calls) > self.memory:
            raise MemoryError("out of memory")
        texts = [c.request.messages[0].content[0] for c in calls]
        if self.fail_on and any(t.startswith(self.fail_on) for t in texts):
            raise RuntimeError(f"cannot add {self.fail_on}")
        self.batches.append(texts)
        return [Reply(str(sum(map(int, t.split(" ")[0].split("+")))), 3, 1, 0.01) for t in texts]


class Ask2(Pipeline):
    """Asks twice and keeps the second reply."""

    name = "ask2"

    def respond(self, request):
        yield request
        return (yield Request(request.messages, request.max_new_tokens, draw=1))


class Faulty(Pipeline):
    """Fails on every reply but those to questions that begin with `but`."""

    name = "faulty"

    def __init__(self, but: str):
        self.but = but

    def respond(self, request):
        reply = yield request
        if not (self.but and request.messages[0].content[0].startswith(self.but)):
            raise ValueError(f"cannot use {reply.text!r}, number {len(request.key)}")
        return reply

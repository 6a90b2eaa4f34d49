from __future__ import annotations

import random
from collections import Counter

import pytest

from harness.core import UsageError
from tests.tasks.pope.common import DATA, play, pope, value


@pytest.fixture(scope="module")
def embedded():
    return pope()


@pytest.mark.parametrize("data", ["embedded", "calibration"])
def test_records(data):
    samples = list(pope(data=data).samples())
    assert len({s.id for s in samples}) == len(samples) >= 1080
    assert Counter(Counter(s.cluster for s in samples).values()).keys() == {18}
    assert Counter(s.target for s in samples)["yes"] == len(samples) / 2
    assert all(s.cluster.startswith("embedded:") for s in samples)
    assert samples[0].data["record"].picture.load().size == (288, 288)


def test_calibration_shares_no_picture_with_evaluation(embedded):
    seen = {s.cluster for s in embedded.samples()}
    assert len(seen) >= 150
    assert not seen & {s.cluster for s in pope(data="calibration").samples()}


def test_yes_questions_are_one_request_in_all_splits(embedded):
    keys: dict[str, set[str]] = {}
    for s in embedded.samples():
        if s.target == "yes":
            keys.setdefault(s.group, set()).add(next(embedded.episode(s)).key)
    assert keys["random"] == keys["popular"] == keys["adversarial"]
    assert len(keys["random"]) == 600


@pytest.mark.parametrize("parser", ["official", "opera", "vcd", "exact"])
def test_oracle_is_always_right(parser):
    task = pope(data="calibration", parser=parser)
    results = [play(task, s, task.oracle(s, next(task.episode(s)))) for s in task.samples()]
    metrics = task.aggregate(results)
    assert [value(metrics, m) for m in ("accuracy", "f1", "yes_ratio", "unparsed", "failed")] == [1, 1, 0.5, 0, 0]
    assert next(m for m in metrics if m.primary).name == "accuracy"


def test_chance_is_a_coin(embedded):
    rng = random.Random(0)
    results = [play(embedded, s, embedded.chance(s, next(embedded.episode(s)), rng)) for s in embedded.samples()]
    primary = next(m for m in embedded.aggregate(results) if m.primary)
    assert primary.group == "mean" and primary.low < 0.5 < primary.high
    assert abs(primary.value - 0.5) < 0.03


def test_the_request(embedded):
    sample = next(iter(embedded.samples()))
    request = next(embedded.episode(sample))
    picture, text = request.messages[0].content
    assert picture is sample.data["record"].picture and text == sample.data["question"]
    assert request.max_new_tokens == 32
    llava = pope(suffix="\\nAnswer the question using a single word or phrase.")
    assert (
        next(llava.episode(sample))
        .messages[0]
        .content[1]
        .endswith("?\nAnswer the question using a single word or phrase.")
    )


def test_the_outcome(embedded):
    sample = next(s for s in embedded.samples() if s.target == "yes")
    outcome = play(embedded, sample, "Hmm").outcome
    assert outcome.answer == "Hmm" and outcome.verdict == "yes"
    assert outcome.scores == {"correct": 1.0, "unparsed": 1.0, "doubtful": 0.0}
    exact = play(pope(parser="exact"), sample, "Hmm").outcome
    assert exact.verdict is None and exact.scores == {"correct": 0.0, "unparsed": 1.0, "doubtful": 0.0}


def test_the_fingerprint_sees_every_setting():
    prints = [
        pope().fingerprint(),
        pope(data="calibration").fingerprint(),
        pope(suffix=" ").fingerprint(),
        pope(parser="vcd").fingerprint(),
        pope(max_new_tokens=10).fingerprint(),
        pope(splits=["random"]).fingerprint(),
        pope(data="coco", root=str(DATA)).fingerprint(),
    ]
    assert len(set(prints)) == len(prints)
    assert pope().fingerprint() == prints[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"parser": "strict"}, "official, opera, vcd, exact"),
        ({"data": "vqa"}, "embedded, calibration, photos, coco"),
        ({"splits": ["random", "rare"]}, "random, popular, adversarial"),
        ({"splits": []}, "choose from"),
        ({"max_new_tokens": 0}, "1 or more"),
        ({"root": "x"}, "add task.data=coco"),
        ({"images": "x"}, "add task.root=PATH"),
        ({"data": "local"}, "task.root=PATH"),
    ],
)
def test_wrong_settings(settings, message):
    with pytest.raises(UsageError, match=message):
        pope(**settings)

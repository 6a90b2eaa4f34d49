"""A model of the zoo is trained, stored, continued, and asked."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from harness.core import Call, Decoding, Request, Sample, user
from harness.core.errors import Missing, Unusable, UsageError
from harness.core.series import Series, predictions
from harness.models.zoo.model import Zoo
from harness.zoo.graphs import learn_at_once
from harness.zoo.recipe import recipe
from harness.zoo.train import learn
from harness.zoo.trained import Trained, all_of
from tests.engine.test_schedule import play
from tests.engine.toys import Sums as Texts
from tests.zoo.echo import Before, Echo, Sums


def quick(name: str, course: str, **values):
    made = recipe(name, course).changed({"shape.width": 32, "steps": 80, "batch": 32, "rate": 0.02, "examine": 4})
    return made.changed(values)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    out = tmp_path_factory.mktemp("zoo")
    assert learn(quick("softmax", "before"), Before(), "before", 0, out)
    assert learn(quick("softmax", "sums", **{"shape.short": False}), Sums(), "sums", 0, out)
    return out


def zoo(weights, mixer="softmax", seed=0):
    return Zoo("zoo", "zoo", "official", mixer, seed, str(weights))


def test_it_learns_and_stores_its_curve(weights):
    trained = all_of("softmax", 0, weights)
    facts = trained["before"].facts
    assert facts["scores"]["all"] > 0.95 and facts["steps"] == 80
    assert [p["step"] for p in facts["curve"]] == [0, 1, 4, 19, 80]
    assert facts["curve"][0]["scores"]["all"] < 0.4 < facts["curve"][-1]["scores"]["all"]
    assert trained["sums"].facts["scores"]["all"] < 0.1, "squared error"


def test_an_interrupted_training_continues_to_the_bit(tmp_path):
    how = quick("softmax", "before", steps=12)
    whole = learn(how, Before(), "before", 0, tmp_path / "whole")
    assert learn(how, Before(), "before", 0, tmp_path / "cut", stop_after=5) is None
    cut = learn(how, Before(), "before", 0, tmp_path / "cut")
    assert whole and cut and whole.file.read_bytes() == cut.file.read_bytes()
    assert [p["step"] for p in whole.facts["curve"]] == [p["step"] for p in cut.facts["curve"]]
    other = learn(how, Before(), "before", 1, tmp_path / "whole")
    assert other and other.file.read_bytes() != whole.file.read_bytes()


def test_the_model_answers_series(weights):
    task, model = Echo(), zoo(weights)
    model.bind(task)
    model.load(())
    results, _, _ = play(task, model)
    assert np.mean([r.outcome.scores["accuracy"] for r in results]) > 0.95
    assert results[0].prompt_tokens == 8 and results[0].new_tokens == 2
    alone, _, _ = play(task, zoo(weights), rows=1)
    assert [r.outcome.answer for r in alone] == [r.outcome.answer for r in results]
    call = Call(next(task.episode(next(iter(task.samples())))), next(iter(task.samples())), 0)
    assert [(s.text, s.tokens) for s in model.sent(call, Decoding())] == [("echo", 8)]
    facts = model.describe()["courses"]["before"]
    assert facts["state_bytes"]["128"] == 4 * (2 * 128 * 32 + 2 * 32) and facts["curve"]


def test_numbers_come_back_as_numbers(weights):
    values = np.array([[1.0, 2.0], [0.5, -1.5]], dtype=np.float32)
    request = Request(user("sum"), 2, series=Series("sums", values, (0, 1)))
    (reply,) = zoo(weights).answer([Call(request, Sample("a", "a", "", 0), 0)], Decoding())
    assert predictions(reply.text, 2) == pytest.approx([3.0, -1.0], abs=0.5)
    wide = Request(user("sum"), 2, series=Series("sums", np.zeros((2, 3)), (0,)))
    with pytest.raises(Unusable, match="vectors of 2 numbers"):
        zoo(weights).answer([Call(wide, Sample("a", "a", "", 0), 0)], Decoding())


def test_what_the_zoo_cannot_do_is_one_line(weights, tmp_path):
    with pytest.raises(UsageError, match="asks in words"):
        zoo(weights).bind(Texts(3))
    with pytest.raises(Missing, match="did you mean softmax"):
        zoo(weights, "softmx")
    with pytest.raises(Missing, match="not trained with seed 7"):
        zoo(weights, seed=7)
    with pytest.raises(Missing, match="not trained with seed 0 on mqar"):
        zoo(weights).network("mqar")
    with pytest.raises(UsageError, match="unknown mixer: softmx: did you mean softmax"):
        recipe("softmx", "before")
    with pytest.raises(UsageError, match="unknown option of mixer window: windw: did you mean window"):
        learn(quick("window", "before", **{"mixer.windw": 3}), Before(), "before", 0, tmp_path)
    with pytest.raises(UsageError, match="unknown setting stps: did you mean steps"):
        quick("window", "before", stps=3)


def test_weights_are_half_precision_and_damage_is_named(weights, tmp_path):
    (trained,) = [t for c, t in all_of("softmax", 0, weights).items() if c == "before"]
    network = trained.load()
    assert all(torch.equal(p, p.half().float()) for p in network.parameters())
    torn = Trained(tmp_path, "softmax", "before", 0)
    torn.file.parent.mkdir()
    torn.file.write_bytes(trained.file.read_bytes()[:-100])
    with pytest.raises(Missing, match="is damaged"):
        torn.load()
    torn.file.write_bytes(b"{}")
    with pytest.raises(Missing, match="is damaged"):
        _ = replace(torn).shape


def test_the_prediction_format():
    assert predictions("[3, 0.5]", 2) == [3, 0.5]
    for text in ("[3]", "3 0.5", "", '["3", 1]', "[true, 1]", "null"):
        with pytest.raises(Unusable, match="not a list of 2 predictions"):
            predictions(text, 2)
    with pytest.raises(Unusable, match="asked for predictions at"):
        Series("x", np.zeros(4, int), (4,))
    series = Series("x", np.arange(4), (1,))
    assert series == Series("x", np.arange(4, dtype=np.int32), (1,)) != Series("x", np.arange(4), (2,))
    assert json.loads(json.dumps(series.at)) == [1]


def test_seeds_at_once_learn_what_they_learn_one_by_one(tmp_path):
    how = quick("softmax", "before", steps=6)
    alone = learn(how, Before(), "before", 1, tmp_path / "alone")
    made = learn_at_once(how, Before(), "before", (0, 1), tmp_path / "both", "cpu")
    assert alone and [t.seed for t in made] == [0, 1]
    pairs = zip(alone.load().parameters(), made[1].load().parameters(), strict=True)
    assert all(torch.allclose(a, b, atol=2e-3) for a, b in pairs)
    for one, other in zip(alone.facts["curve"], made[1].facts["curve"], strict=True):
        assert one["step"] == other["step"] and one["scores"] == pytest.approx(other["scores"], abs=0.02)
        assert one.get("loss", 0) == pytest.approx(other.get("loss", 0), abs=2e-3)

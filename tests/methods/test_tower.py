"""EP: the pooling against its definition, and readings of a probe that knows what it was fitted to."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from harness.checks.playing import play
from harness.checks.zoo import IMAGE, encode, sample, view
from harness.core import UsageError
from harness.core.picture import Picture
from harness.core.types import Message, Request, user
from harness.methods._shared.attentive import fit, padded, start
from harness.methods._shared.classes import Classes, equal_error
from harness.steering import Inputs
from harness.steering.bench import Annotated, Bench
from tests.methods.made import made

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(3, 7, 12, generator=GENERATOR)
ALL = torch.ones(3, 7, dtype=torch.bool)


def drawn(queries: int = 4, out: int = 1, classes: int = 5):
    return start(12, queries, out, classes, 1.0, 0)


@pytest.mark.parametrize("out", [1, 3])
def test_each_query_pools_its_own_slice(out):
    head = replace(drawn(4, out), queries=torch.randn(4, 12, generator=GENERATOR))
    width = 12 // out // 4
    wanted = torch.zeros(3, 12 // out)
    for b in range(3):
        values = X[b] @ head.values.T
        for q in range(4):
            weights = torch.tensor([math.exp(float(head.queries[q] @ x) / math.sqrt(12)) for x in X[b]])
            pooled = (weights / weights.sum()) @ values
            wanted[b, q * width : (q + 1) * width] = pooled[q * width : (q + 1) * width]
    got = head.pooled(X, ALL)
    torch.testing.assert_close(got, wanted)
    torch.testing.assert_close(head.attention(X, ALL).sum(-1), torch.ones(3, 4))
    queries = head.queries.clone()
    queries[1] += 1
    changed = (replace(head, queries=queries).pooled(X, ALL) - got).abs().amax(0) > 1e-4
    assert changed.nonzero().flatten().tolist() == list(range(width, 2 * width))


def test_one_query_of_zeros_is_the_mean_and_constant_tokens_hide_the_queries():
    mean = replace(drawn(1), queries=torch.zeros(1, 12), values=torch.eye(12)).pooled(X, ALL)
    torch.testing.assert_close(mean, X.mean(1))
    torch.testing.assert_close(drawn(0).pooled(X, ALL), X.mean(1))
    same, head = X[:, :1].expand(-1, 7, -1), drawn(4)
    torch.testing.assert_close(replace(head, queries=head.queries + 3).pooled(same, ALL), head.pooled(same, ALL))


def test_padding_is_not_seen():
    tokens = [X[0], X[1, :3]]
    for queries in (0, 4):
        head = drawn(queries)
        alone = torch.cat([head.pooled(*padded([x])) for x in tokens])
        torch.testing.assert_close(head.pooled(*padded(tokens)), alone)


def test_it_finds_one_token_that_the_mean_hardly_shows_and_normalises_as_over_all_pictures():
    generator = torch.Generator().manual_seed(3)
    mark = torch.randn(12, generator=generator)
    x, shown = torch.randn(120, 20, 12, generator=generator), torch.rand(120, 1, generator=generator) < 0.5
    at = torch.randint(20, (120,), generator=generator)
    x[torch.arange(120), at] = torch.where(shown, 2 * mark, x[torch.arange(120), at])
    head = fit(list(x), shown, 4, 1, 40, 0)
    scores = head.scores(x, torch.ones(120, 20, dtype=torch.bool))
    assert ((scores > 0) == shown).float().mean() > 0.95
    pooled = head.pooled(x, torch.ones(120, 20, dtype=torch.bool))
    torch.testing.assert_close(pooled.mean(0), head.mean)
    torch.testing.assert_close((pooled.var(0, correction=0) + 1e-6).sqrt(), head.std)
    trained = head.queries.numel() + head.values.numel() + head.weight.numel() + head.bias.numel()
    assert trained == 4 * 12 + 12 * 12 + 12 + 1
    with pytest.raises(UsageError, match="queries x out must divide 12"):
        fit(list(x), shown, 5, 1, 1, 0)


def test_the_threshold_misses_as_often_as_it_is_wrong():
    generator = torch.Generator().manual_seed(4)
    shown = torch.rand(2000, generator=generator) < 0.2
    scores = torch.randn(2000, generator=generator) + 2 * shown
    theta = equal_error(scores, shown)
    missed, alarms = (scores[shown] < theta).float().mean(), (scores[~shown] > theta).float().mean()
    assert abs(missed - alarms) < 0.01
    assert equal_error(scores, torch.zeros_like(shown)) == 0


def test_a_question_about_one_class():
    classes = Classes(drawn(classes=3), 0.5, ("dog", "hot dog", "Cat"))
    asked = lambda text: classes.asked(Request(user(text), 1))  # noqa: E731
    assert asked("Is there a hot dog in the image?") == 1 and asked("Is there a cat?") == 2
    assert asked("A dog and a cat?") is None and asked("Is it a dogma?") is None and classes.asked(None) is None
    again = Classes.of(classes.tensors())
    assert list(again.names) == list(classes.names) and again.theta == classes.theta
    torch.testing.assert_close(again.scores(X[0]), classes.scores(X[0]))


@pytest.fixture(scope="module")
def calibrated():
    """Pictures of noise that shows something: the probe learns them by heart. The third ones are held out."""
    pictures = [Annotated(Picture(str(i).encode()), ("w3",) if i % 2 else ("w5",)) for i in range(9)]
    probe = made("tower", queries=8)
    probe.artefact = probe.calibrate(Bench(view("llava"), pictures, encoded))
    return probe


def encoded(request: Request) -> Inputs:
    return encode("llava", Request((Message("system", ("w9",)), *request.messages), 8))


def ask(picture: int, text: str) -> Inputs:
    return encoded(Request(user(Picture(str(picture).encode()), text), 8))


def test_against_the_tokens_of_a_plain_pass(calibrated):
    v, one = view("llava"), ask(1, "w7 w3 w8")
    seen = []
    handle = v.model.model.language_model.layers[0].register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(args[0] if args else kwargs["hidden_states"]), with_kwargs=True
    )
    try:
        (plain,) = play(v, [one])
    finally:
        handle.remove()
    got, longer = play(v, [one, ask(4, "w5 w7 w8 w9 w10")], [calibrated])
    read = {name.partition(".")[2]: r.values for name, r in got.readings.items()}
    tokens = seen[0][0, one.tensors["input_ids"][0] == IMAGE].detach()
    classes = Classes.of(calibrated.artefact)
    np.testing.assert_allclose(read["scores"], classes.scores(tokens), atol=1e-4)
    assert read["classes"] == (read["scores"] > 0).sum()
    assert read["asked"] == read["scores"][classes.names.index("w3")]
    assert longer.readings["tower.asked"].values == longer.readings["tower.scores"].values[classes.names.index("w5")]
    np.testing.assert_allclose(read["map"], classes.attention(tokens).reshape(4, 4), atol=1e-5)
    logp = plain.scores[0].float().log_softmax(-1).clamp(min=-30)
    yes, no = (logp[list(v.begins(w))].logsumexp(-1) for w in ("yes", "no"))
    assert read["said"] == pytest.approx(float(yes - no), abs=1e-4)
    assert read["backs"] == pytest.approx(float(read["asked"] * np.sign(read["said"])))


def test_fitted_pictures_are_known(calibrated):
    read = [play(view("llava"), [ask(i, "w3")], [calibrated])[0].readings["tower.asked"].values for i in (1, 2, 5, 4)]
    assert min(read[0], read[2]) > max(read[1], read[3])


def test_other_questions_have_no_class_and_missing_artefacts_are_named(calibrated):
    (got,) = play(view("llava"), [sample("llava", 0, length=1)], [calibrated])
    assert "tower.asked" not in got.readings and "tower.classes" in got.readings
    with pytest.raises(UsageError, match="run harness calibrate method=tower first"):
        play(view("llava"), [sample("llava", 0)], [made("tower")])
    with pytest.raises(UsageError, match="annotated pictures: give calibration=FILE"):
        made("tower").calibrate(Bench(view("llava"), [], encoded))
    with pytest.raises(UsageError, match="needs queries of at least 0"):
        made("tower", out=0)

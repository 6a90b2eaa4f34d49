"""The sequences of recall: whoever reads them finds every answer, and nothing else is asked."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from harness.core import UsageError
from harness.core.series import NONE
from harness.tasks.recall import mqar, needles
from harness.tasks.recall.shapes import Slice, parsed
from harness.tasks.recall.suites import KINDS, SUITES, TEST, TRAIN, rng
from tests.tasks.settings import settings_of

N = 40


def look_up(symbols: list[int], at: int, pairs: int, vocabulary: int) -> int:
    """MQAR: the pair whose key stands here."""
    return dict(zip(symbols[0 : 2 * pairs : 2], symbols[1 : 2 * pairs : 2], strict=True))[symbols[at]]


def find(symbols: list[int], at: int, pairs: int, vocabulary: int) -> int:
    """Needle: what follows OPEN and the key that is asked for."""
    assert symbols[at - 1] == needles.ASK
    return next(symbols[i + 2] for i in range(at - 3) if symbols[i : i + 2] == [needles.OPEN, symbols[at]])


def spell(symbols: list[int], at: int, pairs: int, vocabulary: int) -> int:
    """Passkey: what follows OPEN, as far as it has been said since ASK."""
    return symbols[symbols.index(needles.OPEN) + 1 + at - symbols.index(needles.ASK)]


def copy(symbols: list[int], at: int, pairs: int, vocabulary: int) -> int:
    """Selective copying: the n-th token that is no blank."""
    return [s for s in symbols if s > 1][at - (len(symbols) - pairs)]


def track(symbols: list[int], at: int, pairs: int, vocabulary: int) -> int:
    """State tracking: items moved about, one permutation after the other."""
    moves, items = list(permutations(range(pairs))), tuple(range(pairs))
    for symbol in symbols[: at + 1]:
        items = tuple(moves[symbol][x] for x in items)
    return moves.index(items)


def follow(symbols: list[int], at: int, pairs: int, vocabulary: int) -> int:
    """Idle: the token itself, or the value of a key that comes again."""
    known = dict(zip(symbols[1 : 2 * pairs + 1 : 2], symbols[2 : 2 * pairs + 1 : 2], strict=True))
    return known.get(symbols[at], symbols[at]) if at > 2 * pairs else symbols[at]


SOLVERS = {"mqar": look_up, "needle": find, "passkey": spell, "copying": copy, "tracking": track, "idle": follow}
ASKED = {"mqar": lambda at: at.pairs, "needle": lambda _: 1, "passkey": lambda at: at.pairs}
ASKED |= {"copying": lambda at: at.pairs, "tracking": lambda at: at.length, "idle": lambda at: at.length - 1}


@pytest.mark.parametrize("name", [n for n in SUITES if n != "mqar_based"])
def test_who_reads_a_sequence_finds_every_answer(name):
    suite = SUITES[name]
    for at in suite.asked:
        made = suite.draw(at, N, rng(TEST, 0, at))
        assert made.values.shape == made.targets.shape == (N, at.length)
        assert made.values.min() >= 0 and made.values.max() < suite.symbols
        low, high = KINDS[suite.kind].answers(at, suite.symbols)
        for symbols, targets in zip(made.values.tolist(), made.targets.tolist(), strict=True):
            places = [t for t, target in enumerate(targets) if target != NONE]
            assert len(places) == ASKED[suite.kind](at)
            for t in places:
                assert low <= targets[t] < high
                assert SOLVERS[suite.kind](symbols, t, at.pairs, suite.symbols) == targets[t]


def test_pairs_stand_first_and_each_key_once_more_at_an_even_place():
    made = mqar.make(Slice(64, 8), 200, np.random.default_rng(0), vocabulary=256)
    keys, values = made.values[:, 0:16:2], made.values[:, 1:16:2]
    assert keys.min() >= 1 and keys.max() < 128 <= values.min()
    assert all(len(set(row)) == 8 for row in [*keys.tolist(), *values.tolist()])
    asked = made.targets != NONE
    assert not asked[:, 1::2].any() and not asked[:, :16].any()
    assert (np.sort(made.values[asked].reshape(200, 8), 1) == np.sort(keys, 1)).all()
    assert (made.values[:, 16:][~asked[:, 16:]] == 0).all()


def test_offsets_are_drawn_as_numpy_draws_without_replacement():
    weights = np.arange(1, 13) ** -0.99
    ours = mqar._drawn(np.random.default_rng(1), 4000, weights, 3)
    other = np.random.default_rng(2)
    theirs = np.array([other.choice(12, 3, replace=False, p=weights / weights.sum()) for _ in range(4000)])
    for turn in range(3):
        shares = [np.bincount(x[:, turn], minlength=12) / 4000 for x in (ours, theirs)]
        assert np.abs(shares[0] - shares[1]).max() < 0.04


@pytest.mark.parametrize("fill", mqar.FILLS)
def test_fills(fill):
    made = mqar.make(Slice(64, 16), 100, np.random.default_rng(3), vocabulary=64, fill=fill)
    keys = made.values[:, 0:32:2]
    free = (made.targets == NONE) & (np.arange(64) >= 32)
    spurious = [np.isin(row[f], k).any() for row, f, k in zip(made.values, free, keys, strict=True)]
    assert (made.values[free] == 0).all() == (fill == "zero")
    assert any(spurious) == (fill == "random"), "Zoology's fill makes pairs that are none; ours does not"


def test_what_is_asked_is_never_trained_on_and_other_slices_change_nothing():
    suite, at = SUITES["mqar"], Slice(64, 4)
    asked = suite.draw(at, 300, rng(TEST, 0, at)).values
    trained = suite.draw(at, 300, rng(TRAIN, 0, at)).values
    exam = suite.exams()["64x4"].values
    rows = [{bytes(row) for row in made} for made in (asked, trained, exam)]
    assert not rows[0] & rows[1] and not rows[0] & rows[2]
    batches = [suite.batch(np.random.default_rng(5), 8) for _ in range(2)]
    assert (batches[0].values == batches[1].values).all() and (batches[0].targets == batches[1].targets).all()


@pytest.mark.parametrize(
    ("data", "slices", "words"),
    [
        ("mqar", "64x17", "MQAR needs an even length of at least 4 x pairs (68)"),
        ("mqar", "63x4", "MQAR needs an even length"),
        ("mqar", "64by4", "64by4 is not LENGTHxPAIRS"),
        ("needle", "64x40", "40 needles need a length of 162"),
        ("passkey", "8x5", "a passkey of 5 needs a length of 12"),
        ("copying", "8x5", "copying 5 tokens needs a length of 10"),
        ("tracking", "16x6", "state tracking permutes 2 to 5 items"),
        ("idle", "16x7", "MQAR needs an even length of at least 4 x pairs (28)"),
        ("nothing", None, "task.data=nothing is unknown"),
    ],
)
def test_a_slice_that_does_not_exist_is_one_line(data, slices, words):
    with pytest.raises(UsageError) as e:
        settings_of("recall", data=data, slices=slices)
    assert words in str(e.value) and "\n" not in str(e.value)


def test_settings_that_do_not_go_together():
    with pytest.raises(UsageError, match=r"task\.fill is for MQAR"):
        settings_of("recall", data="needle", fill="random")
    assert parsed("1024x256") == Slice(1024, 256)

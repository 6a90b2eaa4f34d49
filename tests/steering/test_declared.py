"""What a method's class declares or returns cannot go wrong without a word."""

from __future__ import annotations

import pytest
import torch

from harness.checks.playing import play
from harness.checks.zoo import sample, view
from harness.core.errors import UsageError
from harness.steering import Steering
from harness.steering.declared import POINTS, declared


def made(**own):
    """A method that acts on the last layer, and has these attributes."""
    kind = type("Mine", (Steering,), {"name": "mine", "residual": lambda self, l, h, batch: h, **own})
    return kind()


@pytest.mark.parametrize(
    ("own", "said"),
    [
        ({"prefix": "palin"}, "declares prefix = 'palin': choose one of plain, with, none"),
        ({"scope": "mian"}, "declares scope = 'mian': choose one of main, all"),
        ({"batch": "no"}, "declares batch = 'no': give True or False"),
        ({"conflicts": "vcd"}, "declares conflicts = 'vcd': give a tuple of names, such as (\"vcd\",)"),
        ({"by_column": "_kept"}, "declares by_column"),
        ({"refills": "_kept"}, "declares refills = '_kept': give True, False or a tuple of names"),
        ({"attention_rows": 0}, 'declares attention_rows = 0: give "all" or a number of rows from 1 on'),
        ({"attention_rows": "al"}, "declares attention_rows = 'al'"),
        ({"layers": lambda self, view: None}, "`layers` must return a list of layers, counted from 0, not None"),
        ({"layers": lambda self, view: [1.0]}, "`layers` must return a list of layers"),
        ({"layers": lambda self, view: range(20, 32)}, "`layers` names layer 20, and the decoder of this model has"),
        ({"layers": lambda self, view: [-1]}, "`layers` names layer -1"),
        ({"reads": lambda self, view: [-2]}, "`reads` names layer -2"),
        ({"picture": lambda self, pixels, view: None}, 'declare prefix = "with"'),
        ({"tower_residual": lambda self, l, h, batch: None}, 'declare prefix = "with"'),
        ({"drops": True, "stays": lambda self, l, batch: None}, "must override `stays` and one of"),
        (
            {"drops": True, "stays": lambda *_: None, "attention_weights": lambda *_: None},
            'declare prefix = "none"',
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(own, said):
    with pytest.raises(UsageError) as error:
        play(view("llava"), [sample("llava", 0, picture=0)], [made(**own)])
    assert str(error.value).startswith("method=mine") and said in str(error.value)


@pytest.mark.parametrize(
    ("own", "said"),
    [
        (
            {"residuals": lambda self, l, h, batch: h},
            "`residuals` is no point that the model calls, did you mean residual",
        ),
        ({"atention_weights": lambda self, l, w, batch: w}, "did you mean attention_weights"),
        ({}, "override one of the points residual, mlp"),
        ({"prepare": lambda self, batch: None}, "override one of the points"),
    ],
)
def test_a_method_that_acts_nowhere_is_refused(own, said):
    with pytest.raises(UsageError, match="method=mine acts nowhere") as error:
        declared(view("llama"), type("Mine", (Steering,), {"name": "mine", **own})())
    assert said in str(error.value)


def test_points_are_those_of_the_base_class():
    assert all(callable(getattr(Steering, point)) for point in POINTS)


@pytest.mark.parametrize(
    ("point", "wrong"),
    [
        ("residual", lambda self, l, h, batch: h[0, 0]),
        ("mlp", lambda self, l, h, batch: h.tolist()),
        ("heads", lambda self, l, h, batch: h[:, :, :1]),
        ("layer_input", lambda self, l, h, batch: h[..., :1]),
        ("attention_weights", lambda self, l, w, batch: w[:, :1]),
        ("attention_logits", lambda self, l, w, batch: torch.tensor(0.0)),
        ("logits", lambda self, z, batch: z[0]),
        ("logits", lambda self, z, batch: True),
        ("tower_residual", lambda self, l, h, batch: h[:, :3]),
        ("tower_weights", lambda self, l, w, batch: w[:, :1]),
        ("tower_output", lambda self, h, batch: h[..., :1]),
    ],
)
def test_what_a_point_returns_has_the_shape_of_what_it_got(point, wrong):
    method = type("Mine", (Steering,), {"name": "mine", "prefix": "with", point: wrong})()
    with pytest.raises(UsageError, match=rf"method=mine: `{point}` returned .*: return a tensor of shape \("):
        play(view("llava"), [sample("llava", 0, picture=0), sample("llava", 1, picture=1)], [method])


@pytest.mark.parametrize(
    ("decode", "said"),
    [
        (lambda self, loop: [5], "`decode` never asked the model: begin with `loop.start\\(\\)`"),
        (lambda self, loop: loop.start(), "`decode` must return a list of token ids, not tensor"),
        (lambda self, loop: None, "`decode` must return a list of token ids, not None"),
    ],
)
def test_own_decoding_asks_the_model_and_returns_tokens(decode, said):
    method = type("Mine", (Steering,), {"name": "mine", "scope": "all", "decode": decode})()
    with pytest.raises(UsageError, match=said):
        play(view("llava"), [sample("llava", 0, picture=0)], [method])

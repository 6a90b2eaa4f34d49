"""VAR: the tests of its specification."""

from __future__ import annotations

import pytest
import torch

from harness.core import UsageError
from harness.steering import Run
from methods.steering.var import redistribute, sink_dims, sink_value
from tests.methods.made import made
from tests.steering.common import play, same
from tests.steering.zoo import sample, view

IMAGE = torch.tensor([[False, True, True, True, False]])
SINKS = torch.tensor([[True, True, False, False, False]])
ROWS = torch.ones(1, 1, dtype=torch.bool)


def test_by_hand():
    w = torch.tensor([[[[0.2, 0.1, 0.3, 0.1, 0.3]]]])
    new = redistribute(w, IMAGE, SINKS, ROWS, 0.5, 0.5, 0.2)
    # 0.15 is taken from the sinks and shared 3 : 1 by the other two image tokens.
    torch.testing.assert_close(new[0, 0, 0], torch.tensor([0.1, 0.05, 0.3 + 0.1125, 0.1 + 0.0375, 0.3]))


@pytest.mark.parametrize(
    ("least", "share", "sinks", "rows"),
    [(0.9, 0.2, SINKS, ROWS), (0.5, 0.6, SINKS, ROWS), (0.5, 0.2, SINKS & ~IMAGE, ROWS), (0.5, 0.2, SINKS, ~ROWS)],
)
def test_what_is_left_alone(least, share, sinks, rows):
    w = torch.tensor([[[[0.2, 0.1, 0.3, 0.1, 0.3]]]])
    new = redistribute(w, IMAGE, sinks, rows, 0.5, least, share)
    assert new is None or torch.equal(new, w)


def test_all_image_mass_on_sinks_gives_no_nan():
    w = torch.tensor([[[[0.2, 0.5, 0.0, 0.0, 0.3]]]])
    assert torch.equal(redistribute(w, IMAGE, SINKS, ROWS, 0.5, 0.0, 0.2), w)


def test_rows_sum_to_one_and_the_picture_gains():
    w = torch.rand(3, 4, 5, 20, generator=torch.Generator().manual_seed(0))
    w = w / w.sum(-1, keepdim=True)
    image = (torch.arange(20) > 4)[None].expand(3, -1)
    sinks = torch.rand(3, 20, generator=torch.Generator().manual_seed(1)) > 0.8
    new = redistribute(w, image, sinks, torch.ones(3, 5, dtype=torch.bool), 0.7, 0.0, 0.0)
    torch.testing.assert_close(new.sum(-1), torch.ones(3, 4, 5))
    at = image[:, None, None]
    assert ((new * at).sum(-1) >= (w * at).sum(-1) - 1e-6).all()


@pytest.mark.parametrize("values", [{"rho": -0.1}, {"tau": 1e9}])
def test_no_head_or_no_sink_is_vanilla(values):
    v, inputs = view("llava"), [sample("llava", i) for i in range(2)]
    same(play(v, inputs, [made("var", **values)]), play(v, inputs), 5e-4)


def test_sinks_are_found_where_the_first_token_is_extreme():
    h = torch.ones(1, 2, 8)
    h[0, 0, 3] = 50
    assert sink_value(h, [3])[0, 0] > 2.5 > sink_value(h, [3])[0, 1]
    v = view("llava")
    run = Run(v, [], [sample("llava", 0)])
    with torch.no_grad():
        dims = sink_dims(run, 1.77)
        assert dims and sink_dims(run, 1e9) == []


def test_paper_and_code_agree_where_they_should():
    paper, code = made("var", form="paper", p=0.4), made("var", form="code", p=0.6)
    assert paper.q == pytest.approx(code.q) and paper.least == pytest.approx(code.least)
    v = view("llava")
    assert 3 in code.layers(v) and 3 not in paper.layers(v)
    assert made("var", form="paper", rho=0.8).least == 0.8 and made("var", rho=0.8).least == pytest.approx(0.2)


def test_q_former_models_are_refused_by_name():
    with pytest.raises(UsageError, match="method=var is not meant for resampled image tokens"):
        play(view("instructblip"), [sample("instructblip", 0)], [made("var")])

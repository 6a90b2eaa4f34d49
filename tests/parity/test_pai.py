"""PAI against LALBJ/PAI: with the prompt's pass edited (`pai`), and as its scripts run with --use-cfg (`script`)."""

from __future__ import annotations

import pytest

from tests.methods.made import made
from tests.parity.common import agrees, cases, play, sample, view

FORMS = {"pai": "paper", "script": "code"}


def method(case):
    if case["variant"] == "vanilla":
        return []
    values = {name: case[name] for name in ("alpha", "gamma", "start", "end")}
    return [made("pai", **values, form=FORMS[case["variant"]])]


@pytest.mark.parametrize("variant", ["vanilla", *FORMS])
def test_answers(variant):
    v = view()
    for case in cases("pai", variant=variant):
        got = play(v, sample(v, case["sample"]), method(case), case["beams"])
        agrees(got, case, 2 * case["gamma"] - 1, normalised=case["gamma"] == 1)


def test_the_two_forms_differ_in_the_first_pass_alone():
    v = view()
    case = next(cases("pai", variant="script", gamma=2.0))
    values = {name: case[name] for name in ("alpha", "gamma", "start", "end")}
    one = sample(v, case["sample"])
    contrast = play(v, one, [made("pai", **values | {"alpha": 0.0})]).scores
    code, paper = (play(v, one, [made("pai", **values, form=form)]).scores for form in ("code", "paper"))
    assert (code[0] == contrast[0]).all() and (code[0] != paper[0]).any()

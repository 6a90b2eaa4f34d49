"""ICD against the LLaVA sampler of p1k0pan/ICD: the system message is exchanged."""

from __future__ import annotations

import torch

from tests.methods.made import made
from tests.parity.common import BOS, agrees, cases, inputs, play, sample, text, view


def method(case):
    if case["variant"] == "vanilla":
        return []
    disturbance = text(inputs()[f"disturbed{case['sample']}"])
    return [made("icd", alpha=case["alpha"], beta=case["beta"], disturbance=disturbance, variant="system")]


def test_answers():
    v = view()
    for case in cases("icd"):
        agrees(play(v, sample(v, case["sample"]), method(case)), case, 1 + 2 * (case["alpha"] or 0))


def test_the_disturbed_prompt():
    v = view()
    case = next(cases("icd", variant="icd", sample=0))
    one = sample(v, 0)
    disturbed = method(case)[0].contrast(one, v).tensors
    before, after = inputs()["disturbed0"].tolist(), inputs()["question0"].tolist()
    assert disturbed["input_ids"].tolist() == [[BOS, *before, *[v.image_token_id] * 16, *after]]
    assert torch.equal(disturbed["pixel_values"], one.tensors["pixel_values"])

"""Attention and cache methods against functions of the released code, on the same queries, keys, maps and scores."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from harness.methods._shared.eviction import Entries
from harness.methods.activations.soft_injection import mixed
from harness.steering import Steering
from tests.methods.made import made
from tests.parity.common import arrays

ALL = torch.tensor(True)


def stored(name: str) -> Tensor:
    return torch.from_numpy(arrays("catalogue")[name])


def runs(method: str) -> Iterator[tuple[dict[str, Any], int]]:
    """The settings of the authors' runs of a method, and their numbers."""
    found = [json.loads(str(s)) for s in arrays("catalogue")["settings"]]
    for one in found:
        if one.pop("method") == method:
            yield one, one.pop("n")


def attention(q: Tensor, k: Tensor, kept: Tensor = ALL) -> Tensor:
    """Causal weights [H, R, k] of the last R queries on the entries `kept` [1, H, k]."""
    rows, columns = q.shape[1], k.shape[1]
    future = torch.arange(columns) > torch.arange(columns - rows, columns)[:, None]
    hidden = future | ~kept.expand(1, len(k), columns)[0, :, None]
    return (q @ k.mT / math.sqrt(q.shape[-1])).masked_fill(hidden, -torch.inf).softmax(-1)


def entries(length: int, budget: int, prompt: int | None = None) -> Entries:
    """One row of so many tokens, none of them padding."""
    present = torch.ones(1, length, dtype=torch.bool)
    return Entries(present, torch.arange(length)[None], torch.tensor([prompt or length]), torch.tensor([budget]))


def batch(**facts: Any) -> Any:
    return SimpleNamespace(**facts)


def evicted(method: Steering, w: Tensor, known: Entries, kept: Tensor, facts: Any) -> Tensor:
    """Which entries [1, H, k] are kept behind a pass with attention w [H, R, k], groups of one."""
    method.observe(0, w[None, :, None], known, facts)
    return kept & method.choose(0, kept, known, facts) if method.evicts(known) else kept


def positions(kept: Tensor) -> list[list[int]]:
    return [head.nonzero()[:, 0].tolist() for head in kept[0]]


@pytest.mark.parametrize("name", ["snapkv", "gui_kv"])
def test_prompts_keep_the_entries_that_released_code_keeps(name):
    q, k, hidden = stored("q"), stored("k"), stored("hidden")
    n = k.shape[1]
    for values, number in runs(name):
        image = torch.zeros(1, n, dtype=torch.bool)
        for begin, end in values.pop("pictures", ()):
            image[:, begin:end] = True
        method = made(name, **values)
        facts = batch(prefill=True, keys=k[None], image=lambda _m, image=image: image)
        if name == "gui_kv":
            method.attention_input(0, hidden[None], facts)
        kept = torch.ones(1, len(k), n, dtype=torch.bool)
        chosen = evicted(method, attention(q[:, -values["window"] :], k), entries(n, values["budget"]), kept, facts)
        assert positions(chosen) == stored(f"{name}_{number}").tolist(), values


def test_streaming_llm_keeps_what_the_released_cache_keeps():
    for values, number in runs("streaming_llm"):
        method = made("streaming_llm", **values)
        kept = torch.ones(1, 1, 0, dtype=torch.bool)
        for step in range(6):
            total = 20 + step
            kept = torch.nn.functional.pad(kept, (0, total - kept.shape[-1]), value=True)
            kept = evicted(method, torch.zeros(1, 1, total), entries(total, values["budget"], 20), kept, batch())
            assert positions(kept) == [stored(f"streaming_llm_{number}_{step}").tolist()], (values, step)


def test_h2o_keeps_what_the_released_cache_keeps_at_every_step():
    """The released half for heavy hitters may differ from the recent one; ours is half of the budget, rounded down."""
    q, k = stored("h2o_q"), stored("h2o_k")
    for values, number in runs("h2o"):
        method = made("h2o", budget=values["budget"])
        assert values["heavy"] == values["budget"] // 2
        kept = torch.ones(1, len(k), 20, dtype=torch.bool)
        for step in range(8):
            total = 20 + step
            kept = torch.nn.functional.pad(kept, (0, total - kept.shape[-1]), value=True)
            w = attention(q[:, slice(0, 20) if not step else slice(total - 1, total)], k[:, :total], kept)
            facts = batch(total=total, prefill=not step)
            kept = evicted(method, w, entries(total, values["budget"], 20), kept, facts)
            assert positions(kept) == stored(f"h2o_{number}_{step}").tolist(), (values, step)


def test_lazyeviction_notes_and_evicts_as_released_code_does():
    """Entries that never mattered have equal scores, and which of them stays is up to the sort: kept scores are
    compared, and each step goes on from the entries that the released code kept."""
    q, k = stored("lazy_q"), stored("lazy_k")
    for values, number in runs("lazyeviction"):
        method = made("lazyeviction", **values)
        kept = torch.ones(1, len(k), 16, dtype=torch.bool)
        method.observe(
            0, torch.zeros(1, len(k), 1, 16, 16), entries(16, values["budget"]), batch(total=16, prefill=True)
        )
        for step in range(1, 13):
            total = 16 + step
            facts = batch(total=total, prefill=False)
            kept = torch.nn.functional.pad(kept, (0, 1), value=True)
            w = attention(q[:, total - 1 : total], k[:, :total], kept)
            chosen = evicted(method, w, entries(total, values["budget"], 16), kept, facts)
            theirs = stored(f"lazy_{number}_{step}").long()
            for name, ours in (("last_recurrent", method._stamp[0]), ("max_period", method._interval[0])):
                noted = stored(f"lazy_{name}_{number}_{step}")
                assert torch.equal(ours[0].gather(-1, theirs), noted.to(ours.dtype)), (values, step, name)
            kept = torch.zeros_like(kept).scatter(-1, theirs[None], True)
            score = method.importance(0, step)
            for head in range(len(k)):
                got, wanted = (score[0, head, x[0, head]].sort().values for x in (chosen, kept))
                torch.testing.assert_close(got, wanted)


def test_delta_reads_the_pages_that_released_code_reads():
    for values, number in runs("delta"):
        score = stored(f"delta_logits_{number}").softmax(-1).amax(0)[None]
        n = score.shape[1]
        chosen = made("delta", layers=[0], ratio=1.0, **values).select(score, entries(n, values["budget"]))
        pages = {int(i) // values["page"] for i in chosen[0, 0].nonzero()[:, 0]}
        assert sorted(pages) == stored(f"delta_{number}").tolist(), values


def test_act_calibrates_maps_as_released_code_does():
    """The first sink that the released code spares is the first token in these maps, as in ours always."""
    w = stored("act_w")[None]
    n = w.shape[-1]
    facts = batch(prefill=True, present=lambda _m: torch.ones(1, n).bool(), positions=lambda _m: torch.arange(n)[None])
    for values, number in runs("act"):
        method = made("act", threshold="absolute", **values)
        method.artefact = {"heads": torch.ones(1, w.shape[1], dtype=torch.int)}
        np.testing.assert_allclose(method.attention_weights(0, w, facts)[0], stored(f"act_{number}"), atol=1e-6)


def test_context_steering_moves_attention_as_the_released_hook_does():
    """Its layers share a mask, so that each counts alpha once more: compound=true; the first layer is without it."""
    logits = stored("context_logits")[None]
    n = logits.shape[-1]
    future = torch.ones(n, n).triu(1).bool()
    for values, number in runs("context_steering"):
        begin, end = values.pop("span")
        inside = torch.zeros(1, n, dtype=torch.bool)
        inside[:, begin:end] = True
        facts = batch(user=lambda _m, x=inside: x, image=lambda _m: ~ALL, prompt=lambda _m: torch.ones(1, n).bool())
        for layer in range(3):
            for compound in (True, False)[: 2 if layer == 0 else 1]:
                steered = made("context_steering", compound=compound, **values).attention_logits(layer, logits, facts)
                w = steered.masked_fill(future, -torch.inf).softmax(-1)
                np.testing.assert_allclose(w[0], stored(f"context_steering_{number}_{layer}"), atol=1e-6)


def test_soft_injection_mixes_heads_as_the_released_hook_does():
    x, t, alpha, weight = (stored(f"soft_{k}") for k in ("x", "t", "alpha", "w"))
    for values, number in runs("soft_injection"):
        l = values["layer"]
        out = x.unflatten(-1, (t.shape[1], -1)).clone()
        out[:, -1] = mixed(out[:, -1], t[l], alpha[l])
        np.testing.assert_allclose(out.flatten(-2) @ weight.T, stored(f"soft_injection_{number}"), atol=1e-6)

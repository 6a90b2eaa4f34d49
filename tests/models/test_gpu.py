"""What only a GPU shows. Run where one is at hand: `pytest -m gpu`; elsewhere these tests are skipped."""

from __future__ import annotations

import json

import pytest
import torch
import torch.nn.functional as F

from harness.cli import main
from harness.plugins.registry import Registry
from harness.steering import Batch
from harness.steering.places import single

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device is at hand"),
]


def answers(workdir, name, *words):
    results = workdir / name
    assert main(["eval", "task=pope", "limit=180", "logger=quiet", f"results={results}", *words]) == 0
    (run,) = (results / "runs").iterdir()
    record = json.loads((run / "run.json").read_text())
    rows = map(json.loads, (run / "samples.jsonl").read_text().splitlines())
    return record, {r["id"]: r["answer"] for r in rows}


@pytest.mark.parametrize("method", ["vanilla", "vista", "vcd", "pai"])
def test_float32_answers_equal_the_cpus(workdir, method):
    words = (f"method={method}", "model.dtype=float32")
    record, there = answers(workdir, "gpu", *words, "model.device=cuda")
    _, here = answers(workdir, "cpu", *words, "model.device=cpu")
    assert record["model_facts"]["device"].startswith("cuda")
    assert sum(there[i] == here[i] for i in here) >= 0.99 * len(here)


@pytest.mark.parametrize("method", ["vanilla", "vista"])
def test_half_precision_is_the_default_there_and_batches_do_not_matter(workdir, method):
    record, many = answers(workdir, "many", f"method={method}", "model.dtype=auto", "model.device=cuda")
    assert record["model_facts"]["dtype"] == "bfloat16" and record["peak_memory_bytes"] > 0
    _, single = answers(workdir, "one", f"method={method}", "model.dtype=auto", "model.device=cuda", "batch_size=1")
    assert sum(many[i] == single[i] for i in many) >= 0.97 * len(many)


def test_captions_by_graphs_equal_the_launched_ones(workdir):
    words = ("task=chair", "task.data=embedded", "limit=24", "model.device=cuda", "model.dtype=float32")
    found = []
    for graphs in (True, False):
        results = workdir / f"graphs-{graphs}"
        made = ("logger=quiet", f"results={results}", f"model.graphs={graphs}", "decoding.max_new_tokens=64")
        assert main(["eval", *words, *made]) == 0
        (run,) = (results / "runs").iterdir()
        rows = map(json.loads, (run / "samples.jsonl").read_text().splitlines())
        found.append({r["id"]: r["answer"] for r in rows})
    assert found[0] == found[1]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("side", [32, 64])
@pytest.mark.parametrize("rows", [1, 3])
def test_flex_attention_equals_the_masked_one(dtype, side, rows):
    draw = torch.Generator("cuda").manual_seed(0)
    q, k, v = torch.randn(3, rows, 4, side**2, 64, device="cuda", generator=draw).to(dtype)
    for name, values in (
        ("neighborhood", {"kernel": 7}),
        ("neighborhood", {"kernel": 8, "stride": "kernel"}),
        ("bi_level", {"regions": 8, "top": 4}),
    ):
        method, batch = Registry().methods[name].build(**values), Batch.__new__(Batch)
        batch.places = single(side, side, 0)
        pattern = getattr(method, "pattern", None)
        seen = pattern(batch.places, None, q.device) if pattern else method.tower_visible(0, q, k, batch)
        wanted = F.scaled_dot_product_attention(q, k, v, attn_mask=seen.mask[:, None], scale=0.125)
        for tiles in (True, False):
            torch.testing.assert_close(
                seen.flex(q, k, v, 0.125, tiles=tiles), wanted, atol=2e-2 if dtype == torch.bfloat16 else 1e-4, rtol=0
            )


def test_a_device_map(workdir):
    _, spread = answers(workdir, "spread", "model.device=balanced", "model.dtype=float32", "method=vista")
    _, plain = answers(workdir, "plain", "model.device=cuda", "model.dtype=float32", "method=vista")
    assert spread == plain

"""What only a GPU shows. Run where one is at hand: `pytest -m gpu`; elsewhere these tests are skipped."""

from __future__ import annotations

import json

import pytest
import torch

from harness.cli import main

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


def test_a_device_map(workdir):
    _, spread = answers(workdir, "spread", "model.device=balanced", "model.dtype=float32", "method=vista")
    _, plain = answers(workdir, "plain", "model.device=cuda", "model.dtype=float32", "method=vista")
    assert spread == plain

"""What prompts of text begin with is encoded once, in a batch and from one batch to the next, and changes nothing."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from harness.checks.playing import play, same
from harness.steering import Inputs, View
from harness.steering import carried as module
from harness.steering.carried import Carried, carries, mark
from harness.steering.inputs import TEXT
from tests.steering.probes import Scale

SIZES: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4}
HEAD = torch.randint(3, 90, (40,), generator=torch.Generator().manual_seed(1)).tolist()


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = LlamaConfig(vocab_size=96, num_key_value_heads=2, initializer_range=0.3, **SIZES)
    made: Any = LlamaForCausalLM(config)
    return made.eval().requires_grad_(False)


@pytest.fixture
def view(model, monkeypatch):
    monkeypatch.setattr(module, "SAVED", 8)
    return View(model)


def prompts(*tails, head=HEAD):
    rows = [torch.tensor([[*head, *tail]]) for tail in tails]
    return [Inputs({"input_ids": ids, "attention_mask": torch.ones_like(ids)}) for ids in rows]


class Plain(Scale):
    prefix = "plain"


TAILS = [[1, 2, 3], [1, 2, 4, 5, 6], [7]]


def answers(view, batches, methods=(), *, share):
    """Answers of all batches in turn, and the positions that the decoder read for them."""
    before, found = view.work.positions, []
    for rows in batches:
        if share:
            mark(view, rows)
        found += play(view, rows, methods)
    return found, view.work.positions - before


@pytest.mark.parametrize("methods", [(), (Plain("logits", 0.5),), (Scale("mlp", 0.2),)], ids=["0", "plain", "with"])
def test_a_shared_text_changes_nothing_and_is_read_once(view, methods):
    batches = [prompts(*TAILS), prompts(*TAILS[:2]), prompts(TAILS[2])]
    wanted, apart = answers(View(view.model), batches, methods, share=False)
    given, together = answers(view, [prompts(*TAILS), prompts(*TAILS[:2]), prompts(TAILS[2])], methods, share=True)
    same(given, wanted, 5e-4)
    assert together < apart * (0.5 if not methods or methods[0].prefix == "plain" else 0.8)


def test_the_next_batch_reads_only_what_is_new(view):
    first, second = prompts([1, 2, 3]), prompts([1, 2, 9, 8])
    _, read = answers(view, [first], share=True)
    steps = read - first[0].length
    given, again = answers(view, [second], share=True)
    assert second[0].shared == (TEXT, 42) and again == 2 + steps
    same(given, play(View(view.model), prompts([1, 2, 9, 8])), 5e-4)


def test_a_walk_back_and_down_another_branch(view):
    walk = [prompts(t, head=HEAD[:n]) for n, t in ((40, [1]), (30, [5, 6]), (38, [2]), (40, [1, 1]), (12, [3]))]
    given, _ = answers(view, walk, share=True)
    plain = [prompts(t, head=HEAD[:n]) for n, t in ((40, [1]), (30, [5, 6]), (38, [2]), (40, [1, 1]), (12, [3]))]
    same(given, answers(View(view.model), plain, share=False)[0], 5e-4)


def test_what_saves_little_or_begins_otherwise_is_not_shared(view):
    for rows in (prompts(*TAILS, head=HEAD[:3]), prompts([1]), []):
        mark(view, rows)
        assert all(row.shared is None for row in rows)


def test_methods_that_edit_the_prompt_carry_nothing(view):
    answers(view, [prompts(*TAILS)], share=True)
    assert isinstance(view.carried, Carried)
    answers(view, [prompts(*TAILS)], (Scale("mlp", 0.2),), share=True)
    assert view.carried is None


def test_a_prompt_that_a_method_rewrites_is_read_as_it_is_then(view):
    class Other(Plain):
        def rewrite(self, sample, view):
            ids = sample.tensors["input_ids"].clone()
            ids[0, 5] = int(sample.length)
            return sample.change(input_ids=ids)

    method = Other("logits", 0.0)
    given, _ = answers(view, [prompts(*TAILS)], (method,), share=True)
    same(given, answers(View(view.model), [prompts(*TAILS)], (method,), share=False)[0], 5e-4)


def test_models_with_another_memory_are_left_alone(view):
    assert carries(view)
    view.model._is_stateful = True
    try:
        assert not carries(view)
    finally:
        del view.model._is_stateful

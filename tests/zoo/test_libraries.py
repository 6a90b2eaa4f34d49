"""Independent versions of two mixers, where they are installed: pip install titans-pytorch routing-transformer."""

from __future__ import annotations

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from harness.zoo.memory import Memory
from tests.zoo.test_mixers import LENGTH, WIDTH, build, given


def library(name: str):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip(name, exc_type=ImportError)


class Function(nn.Module):
    """A function as a module."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


class Plain(nn.Module):
    """The memory without the library's norm and residual."""

    def __init__(self, matrices):
        super().__init__()
        self.matrices = nn.ParameterList(m.detach().float() for m in matrices)

    def forward(self, x):
        for l, m in enumerate(self.matrices):
            x = (F.silu(x) if l else x) @ m.mT
        return x


@pytest.mark.parametrize("depth", [1, 2])
def test_the_memory_is_that_of_titans_pytorch(depth):
    """All weights of a chunk: gradients at its first ones, momentum, forgetting."""
    titans = library("titans_pytorch")
    torch.manual_seed(0)
    ours, x = Memory(WIDTH, WIDTH, depth, True, True).double(), given()
    nn.init.normal_(ours.rates.weight)
    theirs = titans.NeuralMemory(
        dim=WIDTH,
        model=Plain(ours.first),
        mem_model_norm_add_residual=False,
        pre_rmsnorm=False,
        store_memory_loss_fn=lambda said, wanted: ((said - wanted) ** 2).sum(-1),
        adaptive_step_transform=torch.sigmoid,
    ).double()
    _, k, v = ours.project(x).chunk(3, -1)
    eta, theta, alpha = ours.rates(x).unbind(-1)
    theirs.to_keys, theirs.to_values = Function(lambda _: F.normalize(k, dim=-1)), Function(lambda _: v)
    theirs.to_adaptive_step = Function(lambda _: theta)
    theirs.to_momentum = Function(lambda _: eta[None, ..., None])
    theirs.to_decay_factor = Function(lambda _: alpha[..., None])
    updates, _ = theirs.store_memories(x, return_surprises=False)
    said, behind = ours.segment(ours.start(2), x)
    q = F.normalize(ours.project(x).chunk(3, -1)[0], dim=-1)
    for l in range(depth):
        weights = updates[f"matrices.{l}"]  # [B, T + 1, d, d]
        assert torch.allclose(weights[:, -1], behind[l][0], atol=1e-9)
        q = ((F.silu(q) if l else q)[:, :, None] @ weights[:, 1:].mT)[:, :, 0]
    assert torch.allclose(q, said, atol=1e-9)


def test_one_cluster_is_that_of_routing_transformer():
    routing = library("routing_transformer.routing_transformer")
    mixer, x = build("routing", {"clusters": 1, "window": LENGTH, "heads": 2}), given()
    k, v = F.normalize(mixer.split(mixer.q_proj(x)), dim=-1), mixer.split(mixer.v_proj(x))
    theirs = routing.KmeansAttention(1, LENGTH, 2, mixer.size, causal=True, shared_qk=True).double().eval()
    out, _ = theirs(k * mixer.size, k, v)  # it divides by the root of the size, and normalises keys alone
    assert torch.allclose(mixer(x), mixer.o_proj(out.transpose(1, 2).flatten(-2)), atol=1e-5)

"""What all mixers keep to: causality, one position at a time or all at once, finite gradients, a counted state."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from harness.zoo.mixer import Mixer, known, make, size

LENGTH, WIDTH = 13, 16
VARIANTS = {
    "softmax": {"heads": 2},
    "window": {"window": 4},
    "linear": {"heads": 2, "keys": 8},
    "based": {"heads": 2, "keys": 4},
    "rat": {"chunk": 4},
    "lightning": {"block": 5},
    "routing": {"clusters": 3, "window": 2},
    "gated": {"heads": 2, "gate": "head"},
    "lla": {"heads": 4},
    "titans": {"chunk": 4, "size": 8},
    "titans_mac": {"chunk": 4, "size": 8},
    "titans_mag": {"chunk": 4, "size": 8, "window": 3},
    "norm_attention": {"keys": 8, "heads": 2},
    "s6": {"expand": 4},
    "mamba2": {"expand": 8},
    "delta": {"conv": True},
    "qlstm": {"reversed": True},
}
MORE = [
    ("softmax", {"heads": 2, "size": 5}),
    ("gated", {}),
    ("qlstm", {}),
    ("delta", {}),
    ("titans", {"depth": 1, "momentum": False, "size": 8}),
    ("titans", {"depth": 2, "forget": False, "size": 8, "chunk": 1}),
    ("mamba2", {"block": False, "heads": 1}),
    ("rat", {"chunk": 1}),
    ("rat", {"chunk": 16}),
]
CASES = [(name, VARIANTS.get(name, {})) for name in known()] + MORE


def build(name: str, options: dict, seed: int = 0) -> Mixer:
    torch.manual_seed(seed)
    return make(name, WIDTH, dict(options), 1, 3).double().eval()


def given(batch: int = 2, length: int = LENGTH, seed: int = 1) -> torch.Tensor:
    return torch.randn(batch, length, WIDTH, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("name", "options"), CASES, ids=lambda v: v if isinstance(v, str) else "-".join(map(str, v)))
def test_contract(name, options):
    mixer, x = build(name, options), given()
    with torch.no_grad():
        y = mixer(x)
        assert y.shape == x.shape
        for t in (0, 6, LENGTH - 1):
            moved = x.clone()
            moved[:, t] += torch.randn(WIDTH, dtype=torch.float64)
            z = mixer(moved)
            assert torch.allclose(z[:, :t], y[:, :t], atol=1e-12), f"position {t} is seen before it"
            assert not torch.allclose(z[:, t], y[:, t], atol=1e-9), f"position {t} does not see itself"
        assert torch.allclose(mixer(x[:1]), y[:1], atol=1e-12), "a sequence depends on its neighbours"
        assert mixer.recurrent
        state, out = mixer.start(len(x)), []
        for t in range(LENGTH):
            out.append(mixer.step(x[:, t], state)[0])
            state = mixer.step(x[:, t], state)[1]
        stepped = torch.stack(out, 1)
        assert torch.allclose(stepped, y, atol=1e-10), (stepped - y).abs().max()
    alone = mixer.float()
    counted = alone.start(1)
    for t in range(LENGTH):
        counted = alone.step(x[:1, t].float(), counted)[1]
    assert mixer.state_bytes(LENGTH) == size(counted)


@pytest.mark.parametrize("name", known())
def test_gradients_are_finite_and_reach_all_weights(name):
    torch.manual_seed(0)
    mixer = make(name, WIDTH, dict(VARIANTS.get(name, {})), 0, 1)
    x = given(3, 20).float()
    (mixer(x).square().sum() + mixer.penalty()).backward()
    for key, weight in mixer.named_parameters():
        assert weight.grad is not None, key
        assert weight.grad.isfinite().all(), key
        assert weight.grad.abs().sum() > 0, key


def test_a_mixer_reads_like_its_paper():
    folder = Path(__file__).parents[2] / "harness" / "zoo" / "mixers"
    for path in folder.glob("*.py"):
        assert len(path.read_text().splitlines()) <= 80, path.name

"""Where mixers coincide: limits of their settings, other forms of the same sum, and exact small cases."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from harness.zoo.forms import simulate, turned
from harness.zoo.memory import Memory
from harness.zoo.mixer import make
from harness.zoo.mixers.based import taylor
from harness.zoo.mixers.delta import delta_rule
from harness.zoo.network import Network, Shape
from tests.zoo.test_mixers import LENGTH, WIDTH, build, given


def copied(source, target, **more):
    """`target` with the weights of the same names."""
    target.load_state_dict({**target.state_dict(), **source.state_dict()} | more, strict=False)
    return target


def close(a, b, tolerance=1e-9):
    return torch.allclose(a, b, atol=tolerance)


def test_a_window_as_long_as_the_sequence_is_softmax():
    soft = build("softmax", {"heads": 2})
    assert close(copied(soft, build("window", {"heads": 2, "window": LENGTH}))(given()), soft(given()))
    assert not close(copied(soft, build("window", {"heads": 2, "window": 4}))(given()), soft(given()))


def test_a_gate_of_20_is_no_gate():
    soft = build("softmax", {"heads": 2})
    for gate in ("element", "head"):
        gated = copied(soft, build("gated", {"heads": 2, "gate": gate}))
        assert sum(p.numel() for p in gated.gate_proj.parameters()) == (WIDTH + 1) * (WIDTH if gate == "element" else 2)
        torch.nn.init.zeros_(gated.gate_proj.weight)
        torch.nn.init.constant_(gated.gate_proj.bias, 20.0)
        assert close(gated(given()), soft(given()), 1e-7)


def test_attention_without_itself_is_the_same_step_by_step():
    for name in ("softmax", "lla"):
        mixer = build(name, {"heads": 2, "itself": False})
        assert close(mixer(given()), mixer.scan(given()))
        other = build(name, {"heads": 2})
        assert not close(mixer(given()), copied(mixer, other)(given()))


def test_local_linear_attention_lies_between_softmax_and_a_linear_fit():
    soft, lla = build("softmax", {"heads": 2}), build("lla", {"heads": 2, "ridge": 1e12})
    assert close(copied(soft, lla, log_ridge=lla.log_ridge)(given()), soft(given()), 1e-6)
    exact = build("lla", {"heads": 2, "ridge": 1e-12})
    q, k = torch.randn(2, 1, 2, 20, 8, dtype=torch.float64)
    v = k @ torch.randn(8, 8, dtype=torch.float64) + 3.0
    seen = torch.ones(20, 20, dtype=torch.bool)
    said = exact.fit(q, k, v, seen)
    wanted = torch.linalg.lstsq(torch.cat([k, torch.ones_like(k[..., :1])], -1), v).solution
    assert close(said, torch.cat([q, torch.ones_like(q[..., :1])], -1) @ wanted, 1e-5)
    assert close(lla.fit(q, k, torch.ones_like(v), seen), torch.ones_like(v), 1e-6), "weights sum to 1"
    assert close(exact.fit(q, k, torch.ones_like(v), seen), torch.ones_like(v), 1e-6)


def test_the_taylor_features_multiply_to_the_series():
    q, k = torch.randn(2, 50, 6, dtype=torch.float64)
    s = (q * k).sum(-1) * 6**-0.5
    product = (taylor(q) * taylor(k)).sum(-1)
    assert close(product, 1 + s + s**2 / 2, 1e-12) and (product >= 0.5).all()
    assert taylor(torch.zeros(16)).shape == (153,)
    score = (q @ k.T) * 6**-0.5 * 0.5
    exact = score.softmax(-1)
    errors = [(w / w.sum(-1, keepdim=True) - exact).abs().max() for w in (1 + score, 1 + score + score**2 / 2)]
    assert errors[1] < errors[0]


def test_rat_with_one_position_a_chunk_is_softmax_and_with_one_chunk_the_recurrence():
    rat, x = build("rat", {"chunk": 1, "heads": 2}), given()
    v, gate, q, k, z = rat.parts(x)
    at = torch.arange(LENGTH, dtype=torch.float64)
    q, k = turned(q, at), turned((1 - gate) * k, at)
    y = F.scaled_dot_product_attention(q, k, (1 - gate) * v, is_causal=True)
    assert close(rat(x), rat.o_proj(y.transpose(1, 2).flatten(-2) * z))
    rat = build("rat", {"chunk": LENGTH, "heads": 2})
    v, gate, _, _, z = rat.parts(x)
    state, out = torch.zeros_like(v[:, :, 0]), []
    for t in range(LENGTH):
        state = gate[:, :, t] * state + (1 - gate[:, :, t]) * v[:, :, t]
        out.append(state)
    assert close(rat(x), rat.o_proj(torch.stack(out, 2).transpose(1, 2).flatten(-2) * z))


def test_lightning_in_blocks_is_the_naive_form():
    naive = build("lightning", {"block": 0})
    for block in (1, 4, LENGTH, 50):
        assert close(copied(naive, build("lightning", {"block": block}))(given()), naive(given()))
    first, last = (make("lightning", WIDTH, {}, l, 3).log for l in (0, 2))
    assert (first < last).all() and (last < 0).all(), "early layers forget faster"


def test_the_delta_rule_is_an_exact_memory_of_orthonormal_keys():
    k = torch.eye(8, dtype=torch.float64)[None, None]
    v = torch.randn(1, 1, 8, 5, dtype=torch.float64)
    one, zero = torch.ones(1, 1, 8, dtype=torch.float64), torch.zeros(1, 1, 8, dtype=torch.float64)
    twice = lambda y: torch.cat([y, y], 2)  # noqa: E731
    said = delta_rule(twice(k), twice(k), torch.cat([torch.zeros_like(v), v], 2), twice(one), twice(zero))
    assert close(said[:, :, 8:], v), "what is written under a key replaces what was there"
    assert not delta_rule(k, k, v, zero, zero).any(), "strength 0 writes nothing"
    kept = delta_rule(k[:, :, :1].expand(-1, -1, 3, -1), k[:, :, :3], v[:, :, :3], one[..., :3], zero[..., :3] - 0.5)
    assert close(kept[0, 0, 2], v[0, 0, 0] * torch.tensor(-1.0).exp()), "what was written fades"


def test_gated_delta_without_decay_is_delta():
    plain = build("delta", {"conv": True})
    gated = copied(plain, build("gated_delta", {}))
    torch.nn.init.constant_(gated.log_a, -60.0)
    made = []
    for mixer in (plain, gated):
        mixer.finish = lambda y, x: y.transpose(1, 2).flatten(-2)  # before norms and gates
        made.append(mixer(given()))
    assert close(*made)


def test_routing_with_one_cluster_is_attention_by_cosine():
    mixer, x = build("routing", {"clusters": 1, "window": LENGTH, "heads": 2}), given()
    k, v = F.normalize(mixer.split(mixer.q_proj(x)), dim=-1), mixer.split(mixer.v_proj(x))
    scores = (k @ k.transpose(-1, -2) * mixer.size**0.5).masked_fill(torch.eye(LENGTH, dtype=torch.bool), -5e4)
    scores = scores.masked_fill(torch.ones(LENGTH, LENGTH, dtype=torch.bool).triu(1), -torch.inf)
    assert close(mixer(x), mixer.o_proj((scores.softmax(-1) @ v).transpose(1, 2).flatten(-2)))


def test_routing_learns_its_centroids_in_training_alone():
    mixer = build("routing", {"clusters": 3})
    before = mixer.centroids.clone()
    mixer(given())
    assert torch.equal(mixer.centroids, before)
    mixer.train()(given())
    assert not torch.equal(mixer.centroids, before) and mixer.penalty() > 0


def memory(depth=1, **more) -> Memory:
    torch.manual_seed(0)
    return Memory(WIDTH, 8, depth, **{"momentum": True, "forget": True} | more).double()


def rates(made: Memory, eta: float, theta: float, alpha: float) -> Memory:
    """Rates as logits that depend on nothing."""
    with torch.no_grad():
        made.rates.bias.copy_(torch.tensor([eta, theta, alpha]))
    return made


@pytest.mark.parametrize("depth", [1, 2])
def test_the_memory_of_titans_erases_keeps_and_writes(depth):
    x, big = given(2, 1), 60.0
    made = rates(memory(depth), -big, -big, -big)
    for (m, _), (n, _) in zip(made.start(2), made.segment(made.start(2), x)[1], strict=True):
        assert close(m, n), "theta = 0 keeps"
    made = rates(memory(depth), -big, -big, big)
    assert all(close(m, torch.zeros_like(m)) for m, _ in made.segment(made.start(2), x)[1]), "alpha = 1 erases"
    if depth == 1:
        made = rates(memory(), -big, 0.0, -big)  # theta = 1/2
        behind = made.segment(made.start(2), x)[1][0][0]
        _, k, v = made.project(x).chunk(3, -1)
        assert close((behind @ F.normalize(k, dim=-1).mT).mT, v), "a unit key's value is written exactly"


def test_the_memory_follows_autograd_step_by_step():
    """Chunks of one position against gradient descent as the paper writes it."""
    made, x = memory(2), given(1, 6)
    q, k, v = made.project(x).chunk(3, -1)
    q, k = F.normalize(q, dim=-1), F.normalize(k, dim=-1)
    eta, theta, alpha = (r[0] for r in made.rates(x).sigmoid().unbind(-1))
    weights = [m.detach().clone().requires_grad_() for m in made.first]
    pushes = [torch.zeros_like(m) for m in weights]
    now, behind = made.start(1), []
    for t in range(6):
        loss = ((F.silu(k[0, t] @ weights[0].T) @ weights[1].T - v[0, t]) ** 2).sum()
        slopes = torch.autograd.grad(loss, weights)
        pushes = [(eta[t] * s - theta[t] * g).detach() for s, g in zip(pushes, slopes, strict=True)]
        weights = [((1 - alpha[t]) * m + s).detach().requires_grad_() for m, s in zip(weights, pushes, strict=True)]
        y, now = made.segment(now, x[:, t : t + 1])
        assert close(y[0, 0], F.silu(q[0, t] @ weights[0].T) @ weights[1].T), t
        behind = [m[0] for m, _ in now]
    assert all(close(a, b) for a, b in zip(behind, weights, strict=True))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("linear", {"keys": 5}),
        ("based", {"keys": 3}),
        ("norm_attention", {"keys": 5}),
        ("s6", {"expand": 3}),
        ("mamba2", {"expand": 5, "heads": 1, "block": False}),
        ("qlstm", {"expand": 2}),
        ("qlstm", {"expand": 2, "reversed": True}),
    ],
    ids=str,
)
def test_mixers_are_linear_time_varying_systems(name, options):
    """The core of the Dynamical Systems Framework: one recurrence simulates them all."""
    mixer, x = build(name, options), given()
    with torch.no_grad():
        system = mixer.dynamics(x)
        assert close(mixer.finish(simulate(system)), mixer(x), 1e-10)
        if name in ("s6", "mamba2", "qlstm"):
            assert (system.decay.abs() <= 1).all()


def test_guards_of_the_framework():
    mixer = build("qlstm", {"reversed": True})
    with torch.no_grad():
        mixer.power.zero_()
        assert (mixer.dynamics(given()).decay == 1).all(), "a = 0 forgets nothing"
        made = build("norm_attention", {"keys": 4})
        q, k, v, _ = made.project(given())
        rows = (q @ k.transpose(-1, -2)).tril().sum(-1, keepdim=True)
        made.project = lambda x: (q, k, v, rows)
        weights = (q @ k.transpose(-1, -2)).tril() / rows
        assert close(made(given()), made.o_proj((weights @ v)[:, 0]))


def test_a_layout_is_read_token_by_token_as_at_once():
    """InfiniteVL's hybrid: one window layer, then gated delta layers."""
    torch.manual_seed(0)
    mixers = (("window", {"window": 3}), ("gated_delta", {}), ("gated_delta", {}))
    for shape in (
        Shape(mixers, width=WIDTH, symbols=7, classes=7, inner=2),
        Shape(mixers, width=WIDTH, vectors=WIDTH, short=False, norm=False, residual=False, hidden=1),
    ):
        net = Network(shape).double().eval()
        values = torch.randint(7, (2, 9)) if shape.symbols else given(2, 9)
        with torch.no_grad():
            state, out = net.start(2), []
            for t in range(9):
                said, state = net.step(values[:, t], state)
                out.append(said)
            assert close(torch.stack(out, 1), net(values), 1e-10)
    assert net.state_bytes(9) == sum(m.state_bytes(9) for m in net.mixers)

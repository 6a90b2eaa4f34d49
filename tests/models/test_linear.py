"""Linear layers on packed weights: the same numbers, and all that reads or changes a layer finds it as it was."""

from __future__ import annotations

import copy
import inspect
import json
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from transformers.integrations import sdpa_attention

from harness.checks.zoo import view
from harness.core import UsageError
from harness.models.hf import faster
from harness.models.hf.linear import PackedLinear, available, exchange, is_packed, layers, shape
from tests.models.test_hf import GREEDY, calls, hf, requests  # noqa: F401  # a fixture

if not available():
    pytest.skip("this build of torch has no oneDNN", allow_module_level=True)


@pytest.fixture
def layer():
    made = nn.Linear(96, 40).requires_grad_(False)
    exchange(made, {shape(made): 2})
    return made


X = torch.randn(3, 5, 96, generator=torch.Generator().manual_seed(0))


def right(layer, x=X):
    """Whether the layer gives what its plain weight gives, in the packed way."""
    given, wanted = layer(x), F.linear(x, layer.weight, layer.bias)
    assert given.shape == wanted.shape and given.dtype == wanted.dtype and layer._packed
    return torch.allclose(given, wanted, atol=1e-5 if x.dtype == torch.float32 else 0.05)


def test_a_packed_layer_gives_the_same_for_every_layout(layer):
    assert isinstance(layer, nn.Linear)
    for x in (X, X[0], X.transpose(0, 1), X[:, ::2], X[None], torch.stack([X, X], -1)[..., 0]):
        assert right(layer, x)
    assert layer(X[:0]).shape == (0, 5, 40)


def test_few_rows_and_training_read_the_plain_weight(layer):
    for x in (X[0, :1], X[0, 0]):
        assert torch.equal(layer(x), F.linear(x, layer.weight, layer.bias))
    x = X.clone().requires_grad_()
    (grad,) = torch.autograd.grad(layer(x).sum(), x)
    assert layer._packed is None and torch.allclose(grad[0, 0], layer.weight.sum(0), atol=1e-5)
    layer.weight.requires_grad_()
    layer(X).sum().backward()
    assert layer.weight.grad is not None


def test_a_weight_that_changes_is_packed_anew(layer):
    assert right(layer)
    layer.weight.mul_(2)
    assert right(layer)
    layer.weight = nn.Parameter(torch.randn(40, 96), requires_grad=False)
    assert right(layer)
    layer.weight.data = layer.weight.data * 2
    layer.weight.data = layer.weight.data * 2
    assert right(layer)
    layer.load_state_dict(nn.Linear(96, 40).state_dict())
    assert right(layer)
    layer.to(torch.bfloat16)
    assert layer._packed is None and right(layer, X.bfloat16())
    assert right(layer.float())


def test_hooks_copies_and_pickles_work_as_on_any_layer(layer):
    assert right(layer)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert twin._packed is None and right(twin)
    seen = []
    layer.register_forward_pre_hook(lambda _m, args: seen.append(args[0].shape))
    layer.register_forward_hook(lambda _m, _a, out: out + 1)
    assert torch.allclose(layer(X), F.linear(X, layer.weight, layer.bias) + 1, atol=1e-5) and seen == [X.shape]


def test_other_kinds_of_layers_stay_as_they_are():
    class Own(nn.Linear):
        pass

    model = nn.Sequential(nn.Linear(8, 8), Own(8, 8), nn.Linear(8, 8).half(), nn.Linear(8, 8, bias=False))
    assert [shape(x) for x in layers(model)] == ["8 x 8 float32 + bias", "8 x 8 float32"]
    exchange(model, {"8 x 8 float32": 1})
    assert [type(x) for x in model] == [nn.Linear, Own, nn.Linear, PackedLinear]


@pytest.mark.parametrize("method", [None, "vista", "vcd"])
def test_a_packed_model_answers_alike_under_methods(requests, method):  # noqa: F811
    from harness.plugins.registry import Registry

    texts = {}
    for kind in ("stock", "packed"):
        model = hf(linear=kind)
        model.load([Registry().methods[method].build()] if method else [])
        assert model.describe()["linear"] == kind and is_packed(model.model) == (kind == "packed")
        texts[kind] = [r.text for r in model.answer(calls(requests[:12]), GREEDY)]
    assert texts["stock"] == texts["packed"]


def test_the_setting_belongs_to_the_identity_and_what_auto_finds_does_not(monkeypatch):
    stock, packed, auto = (hf(linear=kind).fingerprint() for kind in ("stock", "packed", "auto"))
    assert len({stock, packed, auto}) == 3 and auto == hf().fingerprint()
    monkeypatch.setattr(faster, "fastest", lambda model: dict.fromkeys(map(shape, layers(model)), 1))
    model = hf()
    model.revision = "other weights"  # not those that are kept
    assert is_packed(model._load()[0]) and model.fingerprint() == auto


def test_what_cannot_be_packed_is_told():
    for name, value in (("device", "cuda"), ("compile", True), ("dtype", "float16")):
        with pytest.raises(UsageError, match=r"model.linear=packed is for .* give auto"):
            hf(**{"linear": "packed", name: value})  # pyright: ignore[reportArgumentType]
    with pytest.raises(UsageError, match=r"model.linear=fast is unknown: choose auto, stock or packed"):
        hf(linear="fast")


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    monkeypatch.setattr(faster, "SMALLEST", 1)
    return tmp_path


def took(monkeypatch, *pairs):
    """Let calls of the plain and the packed layer take so long, beginning with the most rows."""
    times = iter(pairs)
    monkeypatch.setattr(faster, "_times", lambda *_: next(times))


def test_the_faster_path_is_measured_once_for_a_shape(cache, monkeypatch):
    model = nn.Sequential(nn.Linear(64, 48), nn.Linear(64, 48))
    took(monkeypatch, (2, 1), (2, 1), (1, 2))
    assert faster.fastest(model) == {"64 x 48 float32 + bias": 16}
    assert faster.fastest(model) == {"64 x 48 float32 + bias": 16}  # no time is taken a second time
    (file,) = (cache / "linear").iterdir()
    took(monkeypatch, (1, 2))
    assert faster.fastest(nn.Linear(32, 8, bias=False))["32 x 8 float32"] is None
    assert len(json.loads(file.read_text())) == 2
    file.write_text('{"64 x 48 float32 + bias": "soon"}')
    took(monkeypatch, *[(2, 1)] * 4)
    assert faster.fastest(model) == {"64 x 48 float32 + bias": 1}


def test_what_oned_nn_gets_wrong_or_memory_does_not_hold_is_not_packed(cache, monkeypatch):
    took(monkeypatch, *[(2, 1)] * 8)
    real = faster.linear
    monkeypatch.setattr(faster, "linear", lambda *a: real(*a) * 1.001)
    assert faster.fastest(nn.Linear(64, 48)) == {"64 x 48 float32 + bias": None}
    monkeypatch.setattr(faster, "linear", real)
    for name, bound in (("LARGEST", 64 * 32 * 4 - 1), ("SMALLEST", 64 * 32 + 1), ("_free", lambda: 64 * 32 * 8 - 1)):
        with monkeypatch.context() as inner:
            inner.setattr(faster, name, bound)
            assert faster.fastest(nn.Linear(64, 32)) == {}
    assert faster.fastest(nn.Linear(64, 32))["64 x 32 float32 + bias"] == 1


def test_the_measurement_itself_runs(cache):
    found = faster.fastest(nn.Linear(256, 256))["256 x 256 float32 + bias"]
    assert found is None or found in faster.ROWS


def test_the_last_layer_reads_the_last_positions_as_one_matrix():
    model = copy.deepcopy(view("llama").model)
    faster.join_rows(model)
    given = []
    model.lm_head.register_forward_hook(lambda _, args, __: given.append(args[0]))
    with torch.no_grad():
        found = model(input_ids=torch.arange(3, 15).view(2, 6), logits_to_keep=1).logits
        wanted = view("llama").model(input_ids=torch.arange(3, 15).view(2, 6), logits_to_keep=1).logits
    assert given[0].shape[:2] == (2, 1) and given[0].is_contiguous()
    assert torch.allclose(found, wanted, atol=1e-5)


def test_heads_that_share_keys_read_them_without_a_copy(monkeypatch):
    model, copied, repeat = view("llama").model, [], sdpa_attention.repeat_kv
    monkeypatch.setattr(sdpa_attention, "repeat_kv", lambda x, n: copied.append(n) or repeat(x, n))
    ids = torch.arange(3, 15).view(2, 6)
    mask = torch.tensor([[0, 0, 1, 1, 1, 1], [1] * 6])

    def logits(device):
        faster.group_heads(device)
        copied.clear()
        with torch.no_grad():
            return model(input_ids=ids, attention_mask=mask).logits

    monkeypatch.setenv(faster.GROUPED, "0")
    wanted = logits("cuda")
    assert copied and torch.equal(logits("cpu"), wanted)
    assert not copied or faster.GROUPED not in inspect.getsource(sdpa_attention)

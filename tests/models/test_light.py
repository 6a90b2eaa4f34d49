"""A process of harness's own imports transformers without torch's compiler; both work as ever once they are used."""

from __future__ import annotations

import os
import subprocess
import sys

SCRIPT = """
import sys
from harness.core import process
from harness.models.hf.light import light

process.alone = ALONE
with light():
    import torch
    import transformers.modeling_utils
    from transformers import masking_utils
    from transformers.loss import loss_for_object_detection as loss
    if ALONE:  # what torch asks of a model without weights, and needs no compiler for
        with torch.device("meta"):
            torch.nn.init.normal_(torch.nn.Parameter(torch.randn(3)))
            torch.nn.Embedding(4, 2)(torch.zeros(2, 3, dtype=torch.long)).mul_(2.0)
for name in ("torch._dynamo", "scipy.optimize", "torch.distributed.tensor", "sympy.core"):
    assert (name in sys.modules) != ALONE, name
torch._check(torch.ones(2).sum().item() == 2.0)
assert ("sympy.core" in sys.modules) != ALONE
import sympy
assert sympy.Symbol("x") + 1 == 1 + sympy.Symbol("x")

import numpy as np
rows, columns = loss.linear_sum_assignment(np.array([[4.0, 1.0], [2.0, 3.0]]))
assert rows.tolist() == [0, 1] and columns.tolist() == [1, 0]

from torch.fx.experimental.symbolic_shapes import ShapeEnv, expect_true
assert expect_true(1 < 2) and not expect_true(2 < 1) and ShapeEnv().create_unbacked_symint() is not None
with masking_utils.TransformGetItemToIndex() as mode:
    pass
import torch._dynamo
assert type(torch._dynamo) is type(sys) and "scipy.optimize" in sys.modules

@torch.compiler.disable
def own():
    return torch.compiler.is_compiling()
assert own() is False and hasattr(own, "_torchdynamo_disable")
"""


INSIDE = """
import sys
from harness.core import process
from harness.models.hf.light import light

process.alone = True
with light():
    import scipy.optimize._linesearch
    import torch._dynamo as before
    from scipy.optimize import minimize_scalar
    from torch._dynamo.utils import is_compile_supported
    import torch._dynamo.eval_frame as module
assert is_compile_supported is sys.modules["torch._dynamo.utils"].is_compile_supported
assert module is sys.modules["torch._dynamo.eval_frame"] and module.__spec__.name == module.__name__
assert type(sys.modules["torch._dynamo"]) is type(sys) and before.config is sys.modules["torch._dynamo"].config
assert minimize_scalar(lambda x: (x - 2) ** 2).x > 1.9
"""


def test_packages_that_use_parts_of_it_find_them():
    """torchvision imports torch._dynamo.utils."""
    done = subprocess.run([sys.executable, "-c", INSIDE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_was_left_out_is_there_when_it_is_used():
    done = subprocess.run([sys.executable, "-c", SCRIPT.replace("ALONE", "True")], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_guest_changes_no_import(monkeypatch):
    import harness.core.process
    from harness.models.hf import light

    monkeypatch.setattr(harness.core.process, "alone", False)
    before = dict(sys.modules)
    with light.light():
        assert not any(isinstance(module, light.Standin) for module in sys.modules.values())
    assert before.keys() == sys.modules.keys()


def test_what_other_packages_import_parts_of_has_no_stand_in(tmp_path):
    """torchvision imports torch._dynamo.utils, and transformers imports torchvision where it is installed."""
    (tmp_path / "torchvision").mkdir()
    (tmp_path / "torchvision" / "__init__.py").write_text("")
    script = """
import sys
from harness.core import process
from harness.models.hf.light import Standin, light

process.alone = True
with light():
    assert [n for n, m in sys.modules.items() if isinstance(m, Standin)] == ["sympy", "scipy.optimize"]
"""
    there = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=there)
    assert done.returncode == 0, done.stderr

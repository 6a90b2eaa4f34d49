"""Whether linear layers are faster on packed weights (`harness.models.hf.linear`), and attention to long prompts in
blocks (`harness.steering.blocks`), on this CPU: measured, once. What torch copies and need not: keys and values for
each head that shares them, the last layer's weights for each prompt."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.attention import SDPBackend
from transformers import PreTrainedModel

from harness.core.files import cache_folder
from harness.models.hf.linear import Least, available, layers, pack, shape
from harness.steering.blocks import LEAST, blockwise
from harness.steering.kernels import near
from harness.steering.onednn import linear

ROWS = (1, 2, 16, 128)
"""Rows of the inputs that are measured."""
GAIN = 0.95
"""Share of the plain layer's time that a packed one may take to be chosen."""
TRIES = 7
"""Calls of each kind, of which the fastest counts."""
OUTPUTS = 4096
"""Outputs of a layer that are measured: the others of a head cost the same each."""
SMALLEST = 2**23
"""Numbers in all weights that are packed: what a smaller model gains, oneDNN's preparation for each new number of rows
costs again."""
LARGEST = 2**32
"""Bytes of weights that are packed: the copies take as much memory again."""
PROMPT = 512
"""Tokens of the prompt with which attention is measured."""
FLASH = SDPBackend.FLASH_ATTENTION.value
GROUPED = "TRANSFORMERS_SDPA_FORCE_GQA"
"""What transformers asks in each attention block."""


def fastest(model: nn.Module) -> Least:
    """For every shape of the model's layers the rows from which packed weights are faster on this CPU.

    Measured once for a shape, on one thread, and kept: a run that is resumed computes as it began. Nothing is packed
    where torch lacks it, or where the copies would take more than `LARGEST` or half of the memory that is left.
    """
    found = layers(model)
    size = sum(layer.weight.nbytes for layer in found)
    small = sum(layer.weight.numel() for layer in found) < SMALLEST
    if small or size > min(LARGEST, _free() // 2) or not available():
        return {}
    return _once({shape(layer): partial(_measured, layer) for layer in found})


def in_blocks(heads: int, groups: int, size: int) -> bool:
    """Whether attention of so many heads to long prompts in float32 is faster in blocks, on the threads that there are.

    Args:
        heads: Of the queries.
        groups: Of the keys and values.
        size: Of a head.
    """
    if not available() or heads % groups:
        return False
    name = f"attention {heads} of {groups} x {size} float32, {torch.get_num_threads()} threads"
    return _once({name: partial(_attended, heads, groups, size)})[name] is not None


def _once(measures: Mapping[str, Callable[[], int | None]]) -> Least:
    """All that was measured on this CPU, with these; what is known is not measured again."""
    file = _file()
    known = _read(file)
    if fresh := {name: measure() for name, measure in measures.items() if name not in known}:
        known = fresh | _read(file)  # what another process found counts
        with contextlib.suppress(OSError):
            file.parent.mkdir(parents=True, exist_ok=True)
            staging = file.with_name(f".{file.name}.{os.getpid()}")
            staging.write_text(json.dumps(known, indent=1), encoding="utf-8")
            staging.replace(file)
    return known


def group_heads(device: str) -> None:
    """Let transformers hand keys and values to torch as they are where several heads share them, with a mask as well:
    its kernel for CPUs reads them so, to the same bits. Elsewhere it does what it does by itself."""
    query, key = torch.zeros(1, 2, 3, 8), torch.zeros(1, 1, 4, 8)
    mask = torch.ones(1, 1, 3, 4, dtype=torch.bool)
    choice = torch._fused_sdp_choice  # pyright: ignore[reportPrivateImportUsage]
    os.environ[GROUPED] = "1" if device == "cpu" and choice(query, key, key, mask, enable_gqa=True) == FLASH else "0"


def join_rows(model: nn.Module) -> None:
    """Let the last layer read the last positions of several prompts as one matrix. They lie apart in what it is given,
    and torch would multiply each with a copy of the layer's weights: 0.26 GB a prompt, and 1.8 s, for LLaVA-1.5-7B in
    bfloat16."""
    head = model.get_output_embeddings() if isinstance(model, PreTrainedModel) else None
    if head is not None:
        head.register_forward_pre_hook(_joined)


def _joined(_: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(x.contiguous() if torch.is_tensor(x) else x for x in given)


def _measured(layer: nn.Linear) -> int | None:
    """Rows from which packed weights are faster, and give the same; None: for none of those that were tried."""
    weight = layer.weight.detach()[:OUTPUTS].contiguous()
    bias = None if layer.bias is None else layer.bias.detach()[:OUTPUTS].contiguous()
    draw = torch.Generator().manual_seed(0)
    least, threads = None, torch.get_num_threads()
    torch.set_num_threads(1)  # several would wait for cores that others use
    try:
        with torch.no_grad():
            packed = pack(weight)
            for rows in reversed(ROWS):
                x = torch.randn(rows, layer.in_features, generator=draw).to(weight.dtype)
                plain, other = partial(F.linear, x, weight, bias), partial(linear, x, packed, bias)
                if not near(other(), plain()):
                    return None
                stock, own = _times(plain, other)
                if own > GAIN * stock:
                    break
                least = rows
    except RuntimeError:  # oneDNN lacks it for this CPU
        return None
    finally:
        torch.set_num_threads(threads)
    return least


def _attended(heads: int, groups: int, size: int) -> int | None:
    """Rows from which blocks are used, where they are faster and give the same; None where they are not."""
    draw = torch.Generator().manual_seed(0)
    shapes = ((1, n, PROMPT, size) for n in (heads, groups, groups))
    query, key, value = (torch.randn(some, generator=draw) for some in shapes)
    plain = partial(F.scaled_dot_product_attention, query, key, value, is_causal=True, enable_gqa=heads != groups)
    own = partial(blockwise, query, key, value, None)
    try:
        with torch.no_grad():
            if not near(own(), plain().transpose(1, 2)):
                return None
            stock, mine = _times(plain, own, clock=time.perf_counter)
    except RuntimeError:  # oneDNN lacks it for this CPU
        return None
    return LEAST if mine <= GAIN * stock else None


def _times(*calls: Callable[[], Any], clock: Callable[[], float] = time.thread_time) -> list[float]:
    """Seconds of the fastest call of each, taken in turns."""
    best = [float("inf")] * len(calls)
    for _ in range(TRIES):
        for i, call in enumerate(calls):
            began = clock()
            call()
            best[i] = min(best[i], clock() - began)
    return best


def _free() -> int:
    """Bytes of memory that programs can still take; without bound where the system does not say."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        return 1024 * int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1])
    return 2**63


def _file() -> Path:
    """Measurements of this CPU and torch."""
    cpu = platform.machine()
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
        cpu += next(line for line in lines if line.startswith("model name"))
    name = hashlib.sha256(f"{cpu}\ntorch {torch.__version__}".encode()).hexdigest()[:32]
    return cache_folder() / "linear" / f"{name}.json"


def _read(file: Path) -> dict[str, int | None]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    whole = isinstance(found, dict) and all(n is None or (type(n) is int and n > 0) for n in found.values())
    return found if whole else {}

"""Attention of one layer of a vision tower, dense and by pattern: `python benchmarks/tower.py [--grids 24 32 64]`.

Shapes are those of CLIP-L (16 heads of 64), one picture, one thread; CPU seconds of the process, the median of several
calls. With `--cuda` the same on a GPU, several pictures at once (`--batch`), in `--dtype`: FlexAttention in the order
of the picture and in that of the tiles, and the gathers of the CPU; CUDA events, the median of 30 calls after warm-up.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F

from harness.plugins.registry import Registry
from harness.steering import Batch
from harness.steering.places import single
from harness.steering.visible import Visible

HEADS, SIZE = 16, 64
PATTERNS = {
    "neighborhood 7": ("neighborhood", {"kernel": 7}),
    "neighborhood 13": ("neighborhood", {"kernel": 13}),
    "strided 8, stride 4": ("neighborhood", {"kernel": 8, "stride": 4}),
    "windows 8": ("neighborhood", {"kernel": 8, "stride": "kernel"}),
    "bi-level, 8 x 8 regions, a quarter": ("bi_level", {"regions": 8, "top": 0.25}),
    "bi-level, 8 x 8 regions, 4": ("bi_level", {"regions": 8, "top": 4}),
}


def seconds(run: Callable[[], object], cuda: bool) -> float:
    """Of one call: CPU time, or CUDA events on a GPU."""
    found = list[float]()
    run()
    if cuda:
        begins, ends = ([torch.cuda.Event(enable_timing=True) for _ in range(30)] for _ in range(2))
        for begin, end in zip(begins, ends, strict=True):
            begin.record()
            run()
            end.record()
        torch.cuda.synchronize()
        return statistics.median(b.elapsed_time(e) for b, e in zip(begins, ends, strict=True)) / 1000
    while len(found) < 5 or (sum(found) < 1 and len(found) < 50):
        began = time.process_time()
        run()
        found.append(time.process_time() - began)
    return statistics.median(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grids", type=int, nargs="+", default=[24, 32, 64])
    parser.add_argument("--cuda", action="store_true")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--dtype", default="float32", choices=["float32", "bfloat16"])
    options = parser.parse_args()
    if options.cuda:
        on_gpu(options.grids, options.batch, getattr(torch, options.dtype))
        return
    torch.set_num_threads(1)
    print("| tokens | pattern | keys seen | work | ms | dense, masked, ms | times as fast as dense |")
    print("|---:|---|---:|---:|---:|---:|---:|")
    for side in options.grids:
        n = side**2
        q, k, v = torch.randn(3, 1, HEADS, n, SIZE)
        dense = seconds(lambda q=q, k=k, v=v: F.scaled_dot_product_attention(q, k, v), False)
        print(f"| {n} | dense | {n} | 1.00 | {1000 * dense:.1f} | | 1.0 |")
        for name, again in patterns(side, q, k):
            seen = again()
            each = seconds(lambda q=q, k=k, v=v, seen=seen: seen.gathered(q, k, v, SIZE**-0.5), False)
            if name.startswith("bi-level"):  # it is routed anew for each picture
                each += seconds(lambda again=again: again()._extended, False)
            mask = seen.mask[:, None]
            masked = seconds(
                lambda q=q, k=k, v=v, mask=mask: F.scaled_dot_product_attention(q, k, v, attn_mask=mask), False
            )
            keys, share = float(seen.count.float().mean()), seen.work / n**2
            print(
                f"| {n} | {name} | {keys:.0f} | {share:.2f} | {1000 * each:.1f} | {1000 * masked:.1f} "
                f"| {dense / each:.1f} |"
            )


def on_gpu(grids: list[int], rows: int, dtype: torch.dtype) -> None:
    """One table: a line a pattern, in ms. `made`: what a pattern that is routed anew costs in each layer. `compiled`:
    seconds of the first call."""
    torch._dynamo.config.recompile_limit = 256  # a shape a compilation
    print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, {rows} pictures at once, {dtype}")
    print(
        "| tokens | pattern | keys | blocks | blocks, tiles | dense | masked | gathered | flex | flex, tiles | made |",
        end="",
    )
    print(" compiled, s | off by |")
    print("|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for side in grids:
        q, k, v = torch.randn(3, rows, HEADS, side**2, SIZE, device="cuda").to(dtype)
        scale = SIZE**-0.5
        dense = seconds(lambda q=q, k=k, v=v: F.scaled_dot_product_attention(q, k, v), True)
        for name, again in patterns(side, q, k):
            seen = again()
            mask = seen.mask[:, None]
            ways = {
                "masked": lambda: F.scaled_dot_product_attention(q, k, v, attn_mask=mask),  # noqa: B023
                "gathered": lambda: seen.gathered(q, k, v, scale),  # noqa: B023
                "flex": lambda: seen.flex(q, k, v, scale, tiles=False),  # noqa: B023
                "tiles": lambda: seen.flex(q, k, v, scale, tiles=True),  # noqa: B023
            }
            wanted, off, times, compiled = ways["masked"]().float(), 0.0, {}, 0.0
            for way, run in ways.items():
                try:
                    began = time.perf_counter()
                    off = max(off, float((run().float() - wanted).abs().max()))
                    torch.cuda.synchronize()
                    compiled += time.perf_counter() - began
                    times[way] = f"{1000 * seconds(run, True):.3f}"
                except RuntimeError as e:
                    times[way] = type(e).__name__
                    print(f"{name}, {way}: {e}", file=sys.stderr)
            made = 1000 * seconds(lambda again=again: again().flex(q, k, v, scale), True)  # noqa: B023
            cells = [f"{float(seen.count.float().mean()):.0f}", *(f"{seen.blocks(t):.2f}" for t in (False, True))]
            cells += [f"{1000 * dense:.3f}", *times.values(), f"{made:.3f}", f"{compiled:.1f}", f"{off:.1e}"]
            print(f"| {side**2} | {name} | {' | '.join(cells)} |", flush=True)


def patterns(side: int, q: torch.Tensor, k: torch.Tensor) -> Iterator[tuple[str, Callable[[], Visible]]]:
    """Name, and what makes the pattern."""
    for name, (method, values) in PATTERNS.items():
        batch = Batch.__new__(Batch)
        batch.places = single(side, side, 0)
        made = Registry().methods[method].build(**values)
        yield name, lambda made=made, batch=batch: _seen(made, q, k, batch)


def _seen(method: object, q: torch.Tensor, k: torch.Tensor, batch: Batch) -> Visible:
    if hasattr(method, "pattern"):
        return method.pattern(batch.places, None, q.device)
    return method.tower_visible(0, q, k, batch)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()

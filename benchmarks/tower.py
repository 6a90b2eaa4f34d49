"""Attention of one layer of a vision tower, dense and by pattern: `python benchmarks/tower.py [--grids 24 32 64]`.

Shapes are those of CLIP-L (16 heads of 64), one picture, one thread; CPU seconds of the process, the median of several
calls. With `--cuda` the same on a GPU by FlexAttention, by the clock.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

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
    """Of one call: CPU time, or by the clock on a GPU."""
    clock, found = time.perf_counter if cuda else time.process_time, list[float]()
    run()
    least = 20 if cuda else 5
    while len(found) < least or (sum(found) < 1 and len(found) < 50):
        if cuda:
            torch.cuda.synchronize()
        began = clock()
        run()
        if cuda:
            torch.cuda.synchronize()
        found.append(clock() - began)
    return statistics.median(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grids", type=int, nargs="+", default=[24, 32, 64])
    parser.add_argument("--cuda", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    device = "cuda" if options.cuda else "cpu"
    print("| tokens | pattern | keys seen | work | ms | dense, masked, ms | times as fast as dense |")
    print("|---:|---|---:|---:|---:|---:|---:|")
    for side in options.grids:
        places = single(side, side, 0)
        n = places.length
        q, k, v = torch.randn(3, 1, HEADS, n, SIZE, device=device)
        dense = seconds(lambda q=q, k=k, v=v: F.scaled_dot_product_attention(q, k, v), options.cuda)
        print(f"| {n} | dense | {n} | 1.00 | {1000 * dense:.1f} | | 1.0 |")
        for name, (method, values) in PATTERNS.items():
            batch = Batch.__new__(Batch)
            batch.places = places
            made = Registry().methods[method].build(**values)
            seen = _seen(made, q, k, batch)
            way = seen.flex if options.cuda else seen.gathered
            each = seconds(lambda q=q, k=k, v=v, way=way: way(q, k, v, SIZE**-0.5), options.cuda)
            if method == "bi_level":  # it is routed anew for each picture
                each += seconds(lambda m=made, q=q, k=k, b=batch: _seen(m, q, k, b)._extended, options.cuda)
            mask = seen.mask[:, None]
            masked = seconds(
                lambda q=q, k=k, v=v, mask=mask: F.scaled_dot_product_attention(q, k, v, attn_mask=mask), options.cuda
            )
            keys, share = float(seen.count.float().mean()), seen.work / n**2
            print(
                f"| {n} | {name} | {keys:.0f} | {share:.2f} | {1000 * each:.1f} | {1000 * masked:.1f} "
                f"| {dense / each:.1f} |"
            )


def _seen(method: object, q: torch.Tensor, k: torch.Tensor, batch: Batch) -> Visible:
    if hasattr(method, "pattern"):
        return method.pattern(batch.places, None, q.device)
    return method.tower_visible(0, q, k, batch)  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()

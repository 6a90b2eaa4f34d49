"""Who sees whom along one axis of a grid of patches: the windows of towers that are trained here and of methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def neighborhood(n: int, kernel: int, dilation: int = 1, stride: int = 1, causal: bool = False) -> Tensor:
    """NATTEN's rule along an axis: bool [n, n], which keys j each query i sees.

    Positions fall into groups by i mod dilation, and within a group into runs of `stride` that share the window of
    their leader. Windows are shifted at the borders and not cut, so each query sees `kernel` keys; causal ones end at
    the query and are cut. Source: Hassani et al., arXiv 2403.04690 and 2504.16922.
    """
    import torch

    at = torch.arange(n)
    group, place = at % dilation, at // dilation
    size = (n - group + dilation - 1) // dilation
    run = place // stride * stride
    if causal:
        leader = torch.minimum(run + stride - 1, size - 1)
        first, last = (leader - kernel + 1).clamp(min=0), place
    else:
        leader = torch.minimum(run + stride // 2, size - 1)
        first = torch.minimum((leader - kernel // 2).clamp(min=0), size - kernel)
        last = first + kernel - 1
    inside = (place >= first[:, None]) & (place <= last[:, None])
    return inside & (group == group[:, None])

"""Average precision: how far up a ranking stand those that belong there."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def average_precision(scores: ArrayLike, relevant: ArrayLike) -> NDArray[np.float64]:
    """Of each row of scores [..., n] the mean, over what is relevant, of the precision down to its place; of equal
    scores all stand at the last place among them. NaN where nothing is relevant.

    For a column of labels transpose: the mean over labels is mAP. Sources: PASCAL VOC after 2010, without
    interpolation; scikit-learn's `average_precision_score` where no scores are equal.
    """
    s, good = np.asarray(scores, np.float64), np.asarray(relevant, bool)
    order = np.argsort(-s, -1, kind="stable")
    ranked, hits = np.take_along_axis(s, order, -1), np.take_along_axis(good, order, -1)
    n = s.shape[-1]
    ends = np.broadcast_to(np.arange(n), s.shape).copy()
    ends[..., :-1][ranked[..., :-1] == ranked[..., 1:]] = n  # of equal scores only the last place is one
    last = np.minimum.accumulate(ends[..., ::-1], -1)[..., ::-1]
    found = np.take_along_axis(np.cumsum(hits, -1), last, -1) / (last + 1)
    with np.errstate(invalid="ignore"):
        return (found * hits).sum(-1) / hits.sum(-1)


def mean_average_precision(said: ArrayLike, shown: ArrayLike) -> float:
    """mAP of scores and what is relevant [n, labels]: the mean over labels that some row has."""
    return float(np.nanmean(average_precision(np.transpose(said), np.transpose(shown))))

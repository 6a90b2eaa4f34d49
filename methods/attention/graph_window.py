"""Graph windows: nodes of a listed graph see the nodes within k links only (LLM4Exploration, arXiv 2505.02130)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor

from harness.core.errors import UsageError
from harness.steering import Batch, Inputs, Steering, View
from harness.steering.inputs import arrange


class GraphWindow(Steering):
    """Attention between two nodes of the prompt that are more than k links apart is hidden; text stays as it is."""

    name = "graph_window"
    attention_rows = "all"

    def __init__(self, k: int, node: str):
        """`k`: links within which nodes see each other; 0 for all. `node`: a regular expression of what names a node,
        its first group the name; `A is linked to [B, C]` links A with B and C, at any depth."""
        if isinstance(k, bool) or not isinstance(k, int) or k < 0:
            raise UsageError(f"method.{self.name}.k={k} must be a whole number of at least 0")
        self.node, self.k = pattern(self.name, node), k
        if k:
            self.prefix = "none"  # which nodes of a shared prefix are hidden depends on links that may follow
        self._hidden = torch.zeros(0)

    def prepare(self, batch: Batch) -> None:
        """Marks node tokens, and which pairs of them are hidden, bool [b, t, t]."""
        if not self.k:
            return
        known: dict[tuple[int, ...], tuple[Tensor, Tensor]] = {}
        for row in batch.samples:
            if (ids := tuple(row.tensors["input_ids"][0].tolist())) not in known:
                known[ids] = self._read(row, batch.view)
        read = [known[tuple(row.tensors["input_ids"][0].tolist())] for row in batch.samples]
        numbers = arrange([n for n, _ in read], [0] * len(read), -1)
        pairs = []
        for number, (_, far) in zip(numbers, read, strict=True):
            both = (number >= 0)[:, None] & (number >= 0)
            safe = number.clamp(min=0)
            pairs.append(both & far[safe][:, safe] if far.numel() else both & False)
        self._hidden = batch.tile(self, torch.stack(pairs).to(batch.view.device))

    def _read(self, row: Inputs, view: View) -> tuple[Tensor, Tensor]:
        """The number of each token's node [t], -1 for text, and which nodes are too far apart, bool [n, n]."""
        mention, found = listed(row, view, self.node)
        nodes = torch.tensor([*(node for node, _, _ in found.mentions), -1])
        return nodes[mention], ~reach(found.nodes, found.links, self.k)

    def attention_logits(self, l: int, a: Tensor, batch: Batch) -> Tensor | None:
        if not self.k or not batch.prefill:  # new tokens are text
            return None
        hidden = self._hidden[:, -a.shape[2] :, -a.shape[3] :].to(a.device)
        return a.masked_fill(hidden[:, None], torch.finfo(a.dtype).min) if hidden.tril().any() else None


@dataclass(frozen=True)
class Found:
    """A listed graph: how many nodes, who is linked, and where each is named, (node, start, end) in characters."""

    nodes: int
    links: set[tuple[int, int]]
    mentions: Sequence[tuple[int, int, int]]


def pattern(method: str, node: str) -> re.Pattern[str]:
    """Of nodes and brackets. Raises UsageError where `node` is not a regular expression."""
    try:
        return re.compile(f"(?P<node>{node})|(?P<bracket>[][])")
    except re.error as e:
        raise UsageError(f"method.{method}.node={node} is not a regular expression: {e}") from e


def listed(row: Inputs, view: View, pattern: re.Pattern[str]) -> tuple[Tensor, Found]:
    """The number of the mention that each token [t] is part of, -1 for text, and the graph that a prompt lists."""
    ids = row.tensors["input_ids"][0].tolist()
    pieces = view.pieces([i for i in ids if i != view.image_token_id])
    ends = list(accumulate(map(len, pieces)))
    found = parse("".join(pieces), pattern)
    numbers, at = torch.full((len(ids),), -1), [i for i, token in enumerate(ids) if token != view.image_token_id]
    for n, (_, start, end) in enumerate(found.mentions):
        for place, piece, stop in zip(at, pieces, ends, strict=True):
            if stop - len(piece) < end and stop > start and piece.strip():
                numbers[place] = n
    return numbers, found


def parse(text: str, pattern: re.Pattern[str]) -> Found:
    """The graph that a text lists: a node before a bracket is linked with the nodes directly inside it."""
    numbers: dict[str, int] = {}
    links, mentions, open_, last = set[tuple[int, int]](), list[tuple[int, int, int]](), list[int](), -1
    for m in pattern.finditer(text):
        if m["bracket"] == "[":
            open_.append(last)
        elif m["bracket"] == "]":
            last = open_.pop() if open_ else -1
        else:
            named = next((g for g in m.groups()[1:-1] if g), m["node"])
            last = numbers.setdefault(named, len(numbers))
            mentions.append((last, m.start(), m.end()))
            if open_ and open_[-1] >= 0:
                links.add((open_[-1], last))
    return Found(len(numbers), links, mentions)


def reach(nodes: int, links: set[tuple[int, int]], k: int) -> Tensor:
    """Which nodes lie within k links of each other, bool [nodes, nodes]; each within its own reach."""
    step = torch.eye(nodes)
    for a, b in links:
        step[a, b] = step[b, a] = 1
    found = torch.eye(nodes)
    for _ in range(min(k, nodes)):
        found = ((found @ step) > 0).float()
    return found.bool()

"""Learners of labels that come in sessions, on a frozen tower: lanes (MULTI-LANE, arXiv 2405.15633) and what they are
measured against. Each answers for every session as it stood after it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from harness.core.errors import UsageError, nearest
from harness.zoo.towers.tower import Block, Tower


@dataclass(frozen=True)
class Shape:
    """What a learner is made of.

    Args:
        mixers: Name of the learner, and its options.
        sessions, labels: L, and how many labels there are; session t has those from t x labels / L on.
        tower: Name and seed of the frozen tower, and the SHA-256 of its weights' file.
        vectors: Numbers of a patch.
    """

    mixers: tuple[tuple[str, dict[str, Any]], ...]
    sessions: int
    labels: int
    tower: dict[str, Any]
    vectors: int = 432

    symbols = 0
    classes = 0

    def facts(self) -> dict[str, Any]:
        return asdict(self)


class Learner(nn.Module):
    """Features of pictures, and a linear head of all labels. `heads` [L, labels, D + 1] are the head's weights and
    biases after each session."""

    joint = False
    """Whether it learns all labels at once."""
    blind = True
    """Whether labels of other sessions are left out of the loss, and do not count as absent."""
    tied = False
    heads: Tensor

    def __init__(self, shape: Shape, tower: Tower):
        super().__init__()
        self.shape, self._tower = shape, [tower.requires_grad_(False).eval()]  # in a list: it is stored by itself
        self.head = nn.Linear(tower.shape.width, shape.labels)
        self.register_buffer("heads", torch.zeros(shape.sessions, shape.labels, tower.shape.width + 1))

    @property
    def tower(self) -> Tower:
        return self._tower[0]

    def of(self, session: int) -> slice:
        """The labels of a session."""
        each = self.shape.labels // self.shape.sessions
        return slice(session * each, (session + 1) * each)

    def frozen(self, values: Tensor) -> Tensor:
        """What the tower makes of patches [B, N, vectors] before anything that is learnt: it is made once."""
        return values

    def features(self, x: Tensor, session: int) -> Tensor:
        """[B, D] of what is frozen, in training on a session."""
        raise NotImplementedError

    def loss(self, x: Tensor, labels: Tensor, session: int) -> Tensor:
        """Binary cross-entropy over the labels of the session. `labels` [B, labels] has no others."""
        said = self.head(self.features(x, session))
        seen = slice(None) if self.joint or not self.blind else self.of(session)
        return F.binary_cross_entropy_with_logits(said[:, seen], labels[:, seen])

    def learnt(self, session: int) -> list[nn.Parameter]:
        """What a session changes. The head's rows of other labels get no gradient where the learner is `blind`."""
        return list(self.head.parameters())

    def begin(self, session: int) -> None:
        """Before a session is learnt."""

    @torch.no_grad()
    def end(self, session: int) -> None:
        """After a session: keep the head as it stands."""
        self.heads[session] = torch.cat([self.head.weight, self.head.bias[:, None]], 1)

    def answers(self, values: Tensor, readout: str = "") -> Tensor:
        """Log-odds [B, L x labels]: of all labels after the first session, then after the second, ..."""
        x = self.frozen(values)
        return torch.cat([read(self.features(x, t), head) for t, head in enumerate(self.heads)], 1)

    def size(self) -> int:
        """Parameters beside the tower."""
        return sum(p.numel() for p in self.parameters())


def read(x: Tensor, head: Tensor) -> Tensor:
    """Log-odds [B, labels] of features [B, D] or one for each label [B, labels, D], by a head [labels, D + 1]."""
    weight, bias = head[:, :-1], head[:, -1]
    return (x * weight).sum(-1) + bias if x.ndim == 3 else x @ weight.T + bias


class Linear(Learner):
    """One head on the mean over patches, learnt on in each session; what a session does not mark counts as absent."""

    blind = False

    @torch.no_grad()
    def frozen(self, values: Tensor) -> Tensor:
        return self.tower(values)[:, 1:].mean(1)

    def features(self, x: Tensor, session: int) -> Tensor:
        return x


class LaneLinear(Linear):
    """A head for each session on the mean over patches."""

    blind = True


class MultiLane(Learner):
    """A lane for each session: a class token, S selectors that summarise all tokens in each block, and P prompts.

    The summaries are dropped after each block's attention, and the selectors stand in their places again.
    """

    def __init__(self, shape: Shape, tower: Tower, selectors: int = 8, prompts: int = 4):
        super().__init__(shape, tower)
        lanes, width, depth = (1 if self.joint else shape.sessions), tower.shape.width, tower.shape.depth
        start = (tower.first + tower.places[:, :1])[0].detach()
        self.first = nn.ParameterList(nn.Parameter(start[0].clone()) for _ in range(lanes))
        self.selectors = nn.ParameterList(nn.Parameter(torch.randn(selectors, width) * 0.02) for _ in range(lanes))
        self.prompts = nn.ParameterList(
            nn.Parameter(torch.randn(depth, 2, prompts, width) * 0.02) for _ in range(lanes)
        )

    @torch.no_grad()
    def frozen(self, values: Tensor) -> Tensor:
        """[B, blocks, 1 + N, D]: what goes into each block."""
        found = [self.tower.start(values)]
        for block in self.tower.blocks[:-1]:
            found.append(block(found[-1]))
        return torch.stack(found, 1)

    def lanes(self, x: Tensor, which: Sequence[int]) -> Tensor:
        """Class tokens [B, lanes, D] of some lanes, all in one pass; of unit length."""
        parts = self.first, self.selectors, self.prompts
        first, selectors, prompts = (torch.stack([p[i] for i in which]) for p in parts)
        c = first.expand(len(x), -1, -1)
        for l, block in enumerate(self.tower.blocks):
            assert isinstance(block, Block)
            c = lane(block, c, summary(block, selectors, x[:, l]), prompts[:, l])
        return F.normalize(self.tower.norm(c), dim=-1)

    def features(self, x: Tensor, session: int) -> Tensor:
        return self.lanes(x, [0 if self.joint else session])[:, 0]

    def learnt(self, session: int) -> list[nn.Parameter]:
        at = 0 if self.joint else session
        return [*super().learnt(session), self.first[at], self.selectors[at], self.prompts[at]]

    @torch.no_grad()
    def begin(self, session: int) -> None:
        if session and not self.joint:  # a lane starts as the one before it
            for part in (self.first, self.selectors, self.prompts):
                part[session].copy_(part[session - 1])

    def answers(self, values: Tensor, readout: str = "") -> Tensor:
        lanes = self.lanes(self.frozen(values), range(len(self.first)))
        each = self.shape.labels // len(self.first)
        features = lanes.repeat_interleave(each, 1)  # each label is read from the lane of its session
        return torch.cat([read(features, head) for head in self.heads], 1)


class Joint(MultiLane):
    """One lane that learns all labels of all sessions at once: what the others could reach."""

    joint = True


class PromptSelect(Learner):
    """Prompts for each session in a whole pass; a picture is read with those of the session whose key is nearest."""

    keys: Tensor

    def __init__(self, shape: Shape, tower: Tower, prompts: int = 4):
        super().__init__(shape, tower)
        width, depth = tower.shape.width, tower.shape.depth
        self.prompts = nn.ParameterList(
            nn.Parameter(torch.randn(depth, 2, prompts, width) * 0.02) for _ in range(shape.sessions)
        )
        self.register_buffer("keys", torch.zeros(shape.sessions, width))

    def features(self, x: Tensor, session: int) -> Tensor:
        x = self.tower.start(x)
        for l, block in enumerate(self.tower.blocks):
            assert isinstance(block, Block)
            n = block.norm1(x)
            x = x + attended(block, n, n, self.prompts[session][l])
            x = x + block.mlp(block.norm2(x))
        return F.normalize(self.tower.norm(x)[:, 0], dim=-1)

    def learnt(self, session: int) -> list[nn.Parameter]:
        return [*super().learnt(session), self.prompts[session]]

    @torch.no_grad()
    def keyed(self, values: Tensor, session: int) -> None:
        """The key of a session: the mean class token of its pictures, without prompts."""
        states = [F.normalize(self.tower(part)[:, 0], dim=-1).mean(0) for part in values.split(256)]
        self.keys[session] = F.normalize(torch.stack(states).mean(0), dim=-1)

    def answers(self, values: Tensor, readout: str = "") -> Tensor:
        near = F.normalize(self.tower(values)[:, 0], dim=-1) @ self.keys.T
        every = torch.stack([self.features(values, t) for t in range(self.shape.sessions)], 1)
        said = []
        for t, head in enumerate(self.heads):
            chosen = near[:, : t + 1].argmax(-1)
            said.append(read(every[torch.arange(len(values)), chosen], head))
        return torch.cat(said, 1)


def summary(block: Block, selectors: Tensor, x: Tensor) -> Tensor:
    """[B, lanes, S, D]: what selectors [lanes, S, D] make of all tokens x [B, 1 + N, D], after the block's norm."""
    n, s = block.norm1(x), block.norm1(selectors)
    a = torch.einsum("lsd,bnd->blsn", s, n) / n.shape[-1] ** 0.5
    return torch.einsum("blsn,bnd->blsd", a.softmax(-1), n)


def lane(block: Block, c: Tensor, tokens: Tensor, prompts: Tensor) -> Tensor:
    """A block for class tokens c [B, lanes, D] that see themselves, `tokens` [B, lanes, S, D] after the norm, and
    prompts [lanes, 2, P, D]."""
    n = block.norm1(c)[:, :, None]
    rows, lanes = c.shape[:2]
    flat = torch.cat([n, tokens], 2).flatten(0, 1)
    mixed = attended(block, n.flatten(0, 1), flat, prompts.repeat(rows, 1, 1, 1).transpose(0, 1))
    c = c + mixed.view(rows, lanes, -1)
    return c + block.mlp(block.norm2(c))


def attended(block: Block, queries: Tensor, tokens: Tensor, prompts: Tensor) -> Tensor:
    """The block's attention of queries [B, Q, D] over tokens [B, T, D] and prompts [2, B or nothing, P, D]."""
    a = block.attention
    keys, values = (p.expand(len(tokens), -1, -1) for p in prompts)
    parts = a.q_proj(queries), torch.cat([keys, a.k_proj(tokens)], 1), torch.cat([values, a.v_proj(tokens)], 1)
    q, k, v = (p.unflatten(-1, (a.heads, -1)).transpose(1, 2) for p in parts)
    return a.o_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


LEARNERS: dict[str, type[Learner]] = {
    "multilane": MultiLane,
    "lane_linear": LaneLinear,
    "linear": Linear,
    "prompt_select": PromptSelect,
    "joint": Joint,
}


def learner(shape: Shape, tower: Tower) -> Learner:
    """Raises UsageError for an unknown learner, an option that it does not take, or a tower that is not dense."""
    ((name, options),) = shape.mixers
    if name not in LEARNERS:
        raise UsageError(f"unknown learner: {name}: {nearest(name, list(LEARNERS))}")
    if tower.shape.mixers[0][0] != "dense":
        raise UsageError(f"learners of increments need a dense tower, not {tower.shape.mixers[0][0]}")
    try:
        return LEARNERS[name](shape, tower, **options)
    except TypeError as e:
        raise UsageError(f"learner {name} refuses its options: {e}") from e


def digest(tower: Tower) -> str:
    """Of a tower's weights as they are used."""
    return hashlib.sha256(b"".join(v.cpu().numpy().tobytes() for v in tower.state_dict().values())).hexdigest()

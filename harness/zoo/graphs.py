"""Several trainings of one model at once on a GPU: their weights side by side, and each step one CUDA graph.

Models of the zoo are so small that a GPU waits for Python between kernels that keep little of it busy. Seeds see the
same batches as on the CPU, so that both end alike up to rounding.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from harness.core.series import NONE, Course, Examples
from harness.training.loop import learning_rate
from harness.zoo.denormals import flushed
from harness.zoo.network import Network
from harness.zoo.recipe import Recipe
from harness.zoo.train import Learning, build, facts, scores
from harness.zoo.trained import Trained
from harness.zoo.training import points, processor

TIMED = 9
"""Steps whose CPU seconds tell what a training would take there."""


def placed(e: Examples, device: torch.device, length: int = 0) -> tuple[Tensor, Tensor]:
    """Values and targets there. What is shorter than `length` gets symbols after its end that ask nothing."""
    more = max(0, length - e.values.shape[1])
    values = np.pad(e.values, ((0, 0), (0, more), *[(0, 0)] * (e.values.ndim - 2)))
    nothing = NONE if np.issubdtype(e.targets.dtype, np.integer) else np.nan
    targets = np.pad(e.targets, ((0, 0), (0, more)), constant_values=nothing)
    return torch.from_numpy(values).to(device), torch.from_numpy(targets).to(device)


def loss(network: Network, values: Tensor, targets: Tensor) -> Tensor:
    """As `Learning.loss`, without a shape that depends on what is asked."""
    return _error(network(values), targets, network.shape.classes) + sum(m.penalty() for m in network.mixers)


def _error(said: Tensor, targets: Tensor, classes: int) -> Tensor:
    if classes:
        return F.cross_entropy(said.flatten(0, 1), targets.flatten(), ignore_index=NONE)
    known = ~targets.isnan()
    return ((said - targets.nan_to_num()) ** 2 * known).sum() / known.sum()


class AtOnce:
    """Trainings of one model on one course, one for each (seed, rate): their weights are rows of one matrix."""

    BETAS, EPS = (0.9, 0.999), 1e-8

    def __init__(self, how: Recipe, course: Course, of: Sequence[tuple[int, float]], device: torch.device):
        networks = [build(how, course, seed) for seed, _ in of]
        self.network, self.device, self.steps = networks[0].to(device), device, how.steps
        self.first = torch.stack([parameters_to_vector(n.parameters()).to(device) for n in networks]).detach()
        self.weights = self.first.clone().requires_grad_()
        self.buffers = {
            k: torch.stack([dict(n.named_buffers())[k].to(device) for n in networks]) for k, _ in self._own()
        }
        self.kept = {k: v.clone() for k, v in self.buffers.items()}
        self.mean, self.square = torch.zeros_like(self.first), torch.zeros_like(self.first)
        decay = [torch.full((p.numel(),), how.decay * (p.ndim > 1)) for p in self.network.parameters()]
        self.decay = torch.cat(decay).to(device)
        shares = torch.tensor([learning_rate(i / how.steps + 1e-4) for i in range(how.steps)])
        self.rates = (shares[:, None] * torch.tensor([rate for _, rate in of])).to(device)
        seeds = list(dict.fromkeys(seed for seed, _ in of))
        self.bank = [torch.stack(parts) for parts in zip(*(self._bank(how, course, s) for s in seeds), strict=True)]
        self.which = torch.tensor([seeds.index(seed) for seed, _ in of], device=device)
        self.index = torch.zeros(1, dtype=torch.long, device=device)
        self.lost = torch.zeros(len(of), device=device)

    def _own(self) -> list[tuple[str, Tensor]]:
        return list(self.network.named_buffers())

    def _bank(self, how: Recipe, course: Course, seed: int) -> list[Tensor]:
        """The batches of all steps, which are those of the loop on the CPU."""
        seeds = ([seed, *Learning.name.encode(), 0, step] for step in range(how.steps))
        made = [course.batch(np.random.default_rng(s), how.batch) for s in seeds]
        longest = max(e.values.shape[1] for e in made)
        return [torch.stack(parts) for parts in zip(*(placed(e, self.device, longest) for e in made), strict=True)]

    def losses(self) -> Tensor:
        """Of each training, on its batch."""
        names, sizes = zip(*((k, p.shape) for k, p in self.network.named_parameters()), strict=True)
        parts = self.weights.split([s.numel() for s in sizes], 1)
        weights = {k: p.reshape(len(p), *s) for k, p, s in zip(names, parts, sizes, strict=True)}
        batch = [part.index_select(1, self.index)[:, 0].index_select(0, self.which) for part in self.bank]

        def one(weights: dict[str, Tensor], buffers: dict[str, Tensor], values: Tensor, targets: Tensor) -> Tensor:
            said = functional_call(self.network, (weights, buffers), (values,))
            return _error(said, targets, self.network.shape.classes) + sum(m.penalty() for m in self.network.mixers)

        return vmap(one)(weights, self.buffers, *batch)

    def step(self) -> None:
        """AdamW, with gradients of norm 1 at most, as the loop on the CPU."""
        losses = self.losses()
        self.weights.grad = None
        losses.sum().backward()
        with torch.no_grad():
            grad, (one, two), t = self.weights.grad, self.BETAS, self.index + 1
            assert grad is not None
            grad = grad / (grad.norm(dim=1, keepdim=True) + 1e-6).clamp(min=1)
            rate = self.rates.index_select(0, self.index)[0][:, None]
            self.mean.lerp_(grad, 1 - one)
            self.square.mul_(two).addcmul_(grad, grad, value=1 - two)
            size = (self.square / (1 - two**t)).sqrt() + self.EPS
            self.weights.mul_(1 - rate * self.decay).sub_(rate * self.mean / (1 - one**t) / size)
            self.lost.add_(losses)
            self.index.add_(1)

    @torch.no_grad()
    def reset(self) -> None:
        """As before the first step."""
        self.weights.copy_(self.first)
        for name, value in self.buffers.items():
            value.copy_(self.kept[name])
        for value in (self.mean, self.square, self.lost, self.index):
            value.zero_()

    def recorded(self) -> Callable[[], object]:
        """What does one step of all."""
        if self.device.type != "cuda":
            return self.step
        stream = torch.cuda.Stream()
        torch.cuda.synchronize()
        with torch.cuda.stream(stream):
            self.step()
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, stream=stream):
            self.step()
        self.reset()
        return graph.replay

    def learn(self, look: Callable[[int], None] | None = None, at: Sequence[int] = ()) -> None:
        """`look` is called with the number of steps done, at those."""
        with self.device, sdpa_kernel(SDPBackend.MATH):  # others have no form for several models at once
            step = self.recorded()
            for done in range(self.steps + 1):
                if look and done in at:
                    look(done)
                if done < self.steps:
                    step()

    def trained(self, i: int) -> Network:
        """The network of one training as it stands; valid until the next is asked for."""
        vector_to_parameters(self.weights[i].detach().clone(), self.network.parameters())
        for name, value in self._own():
            value.copy_(self.buffers[name][i])
        return self.network


@flushed()
def cpu_seconds(recipe: Recipe, course: Course) -> float:
    """What the same training takes on a CPU, from its first steps there."""
    objective, times = Learning(build(recipe, course, 0), course, recipe), []
    optimizer = torch.optim.AdamW(objective.groups(), recipe.rate, fused=True)
    for step in range(TIMED):
        began = time.process_time()
        error, _ = objective.loss(np.random.default_rng([0, step]), recipe.batch)
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
        times.append(time.process_time() - began)
    return round(recipe.steps * median(times), 1)


def learn_at_once(
    recipe: Recipe,
    course: Course,
    name: str,
    seeds: Sequence[int],
    out: Path,
    device: str,
    say: Callable[[str], None] | None = None,
) -> list[Trained]:
    """As `harness.zoo.train.learn` with each of the seeds; nothing is kept of one that is interrupted."""
    on, began = torch.device(device), time.perf_counter()
    room = AtOnce(recipe, course, [(seed, recipe.rate) for seed in seeds], on)
    exams, curves = dict(course.exams()), [list[dict[str, Any]]() for _ in seeds]

    def look(done: int) -> None:
        for i, curve in enumerate(curves):
            before = curve[-1]["step"] if curve else 0
            lost = {"loss": round(room.lost[i].item() / (done - before), 4)} if done > before else {}
            found = {k: round(v, 4) for k, v in scores(room.trained(i), exams).items()}
            spent = round((time.perf_counter() - began) / len(seeds), 1)
            curve.append({"step": done, "seconds": spent, **lost, "scores": found})
        room.lost.zero_()
        if say:
            found = [", ".join(f"{k} {v}" for k, v in curve[-1]["scores"].items()) for curve in curves]
            say(f"  step {done}: {'; '.join(found)}")

    room.learn(look, points(recipe))
    spent = {"gpu_seconds": round((time.perf_counter() - began) / len(seeds), 1)}
    spent |= {"cpu_seconds": cpu_seconds(recipe, course), "cpu_seconds_of": f"{TIMED} steps"}
    machine = processor(on)
    done = []
    for i, (seed, curve) in enumerate(zip(seeds, curves, strict=True)):
        made, network = Trained(out, recipe.name, name, seed), room.trained(i)
        made.save(network, {})
        made.save(network, facts(recipe, course, made, curve, exams, machine) | spent)
        done.append(made)
    return done

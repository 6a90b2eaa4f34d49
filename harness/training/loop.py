"""The training loop of all models that are trained here: data-parallel steps, checkpoints that survive kill -9, a JSONL
log."""

import json
import math
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.distributed as dist

CHECKPOINT = "checkpoint.pt"


class Objective(Protocol):
    """What a stage optimises."""

    name: str
    modules: torch.nn.ModuleDict
    """Everything that is trained or saved."""

    multiple: int
    """Examples a step for each unit of `Settings.batch`."""

    def groups(self) -> list[dict]:
        """Parameter groups; `scale` multiplies the learning rate."""
        ...

    def loss(self, rng: np.random.Generator, batch: int) -> tuple[torch.Tensor, dict[str, float]]:
        """The loss of one random batch and figures for the log."""
        ...

    def validate(self) -> dict[str, float]:
        """Figures on held-out examples."""
        ...


@dataclass(frozen=True)
class Budget:
    """How long a stage lasts: `seconds` of the clock, or exactly `steps` (reproducible, for tests)."""

    seconds: float = 0.0
    steps: int = 0

    def progress(self, step: int, elapsed: float) -> float:
        """Share spent, in 0..1."""
        return min(1.0, step / self.steps if self.steps else elapsed / self.seconds)


def learning_rate(progress: float, warmup: float = 0.03) -> float:
    """Share of the peak: linear warm-up, cosine to 3 %."""
    return min(progress / warmup, 1.0) * (0.97 * 0.5 * (1 + math.cos(math.pi * progress)) + 0.03)


def _flushed(line: str) -> None:
    print(line, flush=True)


@dataclass
class Settings:
    """Settings of a training run. `batch` is per process; times are seconds of `clock`, wall time by default."""

    directory: Path
    seed: int = 0
    batch: int = 8
    rate: float = 2e-3
    checkpoint_every: float = 150.0
    log_every: float = 60.0
    validate_every: float = 0.0
    """Figures on held-out scenes at most this often; 0 for each line of the log."""
    clock: Callable[[], float] = time.monotonic
    schedule: Callable[[float], float] = learning_rate
    """Share of the peak rate by the share of the budget that is spent."""
    optimizer: Callable[[list[dict]], torch.optim.Optimizer] | None = None
    """Made of the parameter groups; None for AdamW."""
    marks: Collection[int] = ()
    """Steps whose figures are logged with those on held-out examples, beside the lines of `log_every`."""
    counted: str = "pictures"
    """What the log calls the examples."""
    say: Callable[[str], None] | None = _flushed
    """Gets each line of the log."""
    stop_after: int = 0
    """Leave after this many steps without finishing, as a crash would (tests); 0 for never."""


def world() -> tuple[int, int]:
    """Rank and number of processes."""
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def save_atomically(state: dict, path: Path) -> None:
    """Write beside `path`, then replace: a kill at any moment leaves a whole file."""
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    temporary.replace(path)


def _average_gradients(parameters: list[torch.nn.Parameter], count: int) -> None:
    """One flat all-reduce: far cheaper on gloo than one a tensor."""
    flat = torch.cat([(p.grad if p.grad is not None else torch.zeros_like(p)).view(-1) for p in parameters])
    dist.all_reduce(flat)
    flat /= count
    for p, g in zip(parameters, flat.split([p.numel() for p in parameters]), strict=True):
        p.grad = g.view_as(p).clone()


class Log:
    """Appends to log.jsonl on rank 0."""

    def __init__(self, directory: Path, say: Callable[[str], None] | None = None) -> None:
        self.path = directory / "log.jsonl" if world()[0] == 0 else None
        self.say = say

    def __call__(self, **row: float | str) -> None:
        if self.path:
            row = {k: round(v, 4) if isinstance(v, float) else v for k, v in row.items()}
            with self.path.open("a") as file:
                file.write(json.dumps(row) + "\n")
            if self.say:
                self.say(json.dumps(row))


def train(
    objective: Objective, budget: Budget, settings: Settings, on_checkpoint: Callable[[float], None] | None = None
) -> bool:
    """Optimise until the budget is spent, going on from the stage's checkpoint if there is one.

    Batches depend on (seed, stage, rank, step) only, so a resumed run equals an uninterrupted one up to the steps
    repeated since the last checkpoint; with a budget in steps the two are equal to the bit.

    Args:
        objective: The stage.
        budget: Its length.
        settings: Of the run.
        on_checkpoint: Called on rank 0 after each checkpoint with the elapsed seconds.

    Returns:
        Whether the stage is finished (False after `stop_after`).
    """
    rank, count = world()
    groups = objective.groups()
    parameters = [p for g in groups for p in g["params"]]
    if settings.optimizer:
        optimizer = settings.optimizer(groups)
    else:
        optimizer = torch.optim.AdamW(groups, lr=settings.rate, weight_decay=0.05, betas=(0.9, 0.98))
    path = settings.directory / f"{objective.name}.{CHECKPOINT}"
    step, before = 0, 0.0
    if path.exists():
        state = torch.load(path, weights_only=True)
        objective.modules.load_state_dict(state["modules"])
        optimizer.load_state_dict(state["optimizer"])
        step, before = state["step"], state["elapsed"]
    log, start, cpu = Log(settings.directory, settings.say), settings.clock(), time.process_time()
    next_log, next_save = 0.0, settings.checkpoint_every
    next_validation = settings.validate_every if step else 0.0
    sums: dict[str, list[float]] = {}
    while True:
        passed = settings.clock() - start
        clock = torch.tensor([before + passed, passed], dtype=torch.float64)
        if count > 1:
            dist.broadcast(clock, 0)  # one clock, so that all processes take the same branches
        elapsed, passed = clock.tolist()
        progress = budget.progress(step, elapsed)
        done, stop = progress >= 1, bool(settings.stop_after and step >= settings.stop_after)
        if done or stop or passed > next_save:
            next_save = passed + settings.checkpoint_every
            if rank == 0:
                modules = objective.modules.state_dict()
                save_atomically(
                    {"modules": modules, "optimizer": optimizer.state_dict(), "step": step, "elapsed": elapsed}, path
                )
                if on_checkpoint and not stop:
                    on_checkpoint(elapsed)
        marked = step in settings.marks
        if passed > next_log or done or marked:
            next_log = passed + settings.log_every
            if rank == 0:
                figures = {k: float(np.mean(v)) for k, v in sums.items()}
                if passed >= next_validation or done or marked:
                    figures |= objective.validate()
                    next_validation = passed + settings.validate_every
                log(
                    stage=objective.name,
                    step=step,
                    minutes=elapsed / 60,
                    cpu=time.process_time() - cpu,
                    **{settings.counted: step * settings.batch * count * objective.multiple},
                    **figures,
                )
            sums = {}
        if done or stop:
            return done
        for g in optimizer.param_groups:
            g["lr"] = settings.rate * settings.schedule(progress + 1e-4) * g["scale"]
        rng = np.random.default_rng([settings.seed, *objective.name.encode(), rank, step])
        loss, figures = objective.loss(rng, settings.batch)
        optimizer.zero_grad()
        loss.backward()
        if count > 1:
            _average_gradients(parameters, count)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        step += 1
        for k, v in {"loss": loss.item(), **figures}.items():
            sums.setdefault(k, []).append(v)

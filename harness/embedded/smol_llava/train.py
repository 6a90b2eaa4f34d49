"""Train smol-llava's delta: `python -m harness.embedded.smol_llava train --seed 0 --out DIR`."""

from __future__ import annotations

import argparse
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

from harness.embedded.scenes import CALIBRATION
from harness.embedded.smol_llava.align import AlignObjective, WordHead
from harness.embedded.smol_llava.architecture import VISION, Parts
from harness.embedded.smol_llava.heldout import HeldOut
from harness.embedded.smol_llava.joint import JointObjective
from harness.embedded.tiny_llava import cache
from harness.embedded.tiny_llava.instruction import Examples
from harness.training.loop import CHECKPOINT, Budget, Settings, train, world

DECAY = 0.75
"""Share of the joint stage after which the learning rate falls. What comes before does not depend on the budget, so
that a finished run can be continued with a larger one, from the state kept at this point."""
LONGEST = 400
"""Tokens with pictures of an example; longer ones are left out."""
KEPT = "joint.before-decay.pt"


def steady(progress: float) -> float:
    """Share of the peak: a short warm-up, a plateau, and a straight fall to 2 %."""
    return min(progress / 0.01 + 0.02, 1.0) * min(1.0, 0.02 + 0.98 * (1 - progress) / (1 - DECAY))


@dataclass(frozen=True)
class Plan:
    """One training run. `base` is the language model's folder; budgets are CPU seconds of one process, or steps;
    `examples` is the folder of other tasks' examples, if any."""

    base: Path
    directory: Path
    scenes: Path
    align: Budget
    joint: Budget
    seed: int = 0
    batch: int = 4
    rate: float = 1e-3
    vision: tuple[tuple[str, int], ...] = tuple(VISION.items())
    rank: int = 16
    dtype: torch.dtype = torch.bfloat16
    validate_every: float = 400.0
    held_out: tuple[int, int] = (50, 16)
    stop_after: int = 0
    examples: Path | None = None

    @property
    def settings(self) -> Settings:
        return Settings(
            self.directory,
            self.seed,
            self.batch,
            self.rate,
            checkpoint_every=60.0,
            log_every=30.0,
            validate_every=self.validate_every,
            stop_after=self.stop_after,
            clock=time.process_time,
            schedule=steady,
        )


def run(plan: Plan) -> JointObjective | None:
    """Both stages, in this process as one of `world()`; None if stopped before the end."""
    torch.set_num_threads(1)
    torch.manual_seed(plan.seed)  # equal initial weights in all processes
    drawn = cache.load(plan.scenes)
    parts = Parts(plan.base, dict(plan.vision), plan.rank, plan.dtype)
    head = WordHead(parts.words())
    if not train(
        AlignObjective(parts, head, drawn, cache.load(plan.scenes / "calibration")), plan.align, plan.settings
    ):
        return None
    examples = Examples(plan.examples, parts.tokenizer, lead="", longest=LONGEST) if plan.examples else None
    joint = JointObjective(parts, head, drawn, HeldOut(*plan.held_out), examples)
    checkpoint = plan.directory / f"{joint.name}.{CHECKPOINT}"
    if world()[0] == 0:
        _resume(plan, checkpoint)
    if dist.is_initialized():
        dist.barrier()

    def keep(elapsed: float) -> None:
        if not plan.joint.steps and elapsed < DECAY * plan.joint.seconds:
            shutil.copyfile(checkpoint, plan.directory / f"{KEPT}.tmp")
            (plan.directory / f"{KEPT}.tmp").replace(plan.directory / KEPT)

    return joint if train(joint, plan.joint, plan.settings, keep) else None


def _resume(plan: Plan, checkpoint: Path) -> None:
    """A longer run than before continues from before the decay of the shorter one."""
    noted, seconds = plan.directory / "budget.json", plan.joint.seconds
    before = json.loads(noted.read_text()) if noted.exists() else seconds
    kept = plan.directory / KEPT
    if seconds > before and checkpoint.exists() and kept.exists():
        elapsed = torch.load(checkpoint, weights_only=True)["elapsed"]
        if elapsed > DECAY * before:
            print(f"continuing from before the decay at {DECAY * before:.0f} CPU seconds", flush=True)
            shutil.copyfile(kept, checkpoint)
    noted.write_text(json.dumps(seconds))


def _process(rank: int, count: int, port: int, plan: Plan) -> None:
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=count)
    run(plan)
    dist.destroy_process_group()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of the `train` command."""
    parser.add_argument("--out", type=Path, required=True, help="checkpoints and log.jsonl")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cpu-minutes", type=float, default=120, help="CPU time of one process on the joint stage")
    parser.add_argument("--align-minutes", type=float, default=3, help="CPU time of one process on the alignment")
    parser.add_argument("--cache", type=Path, help="drawn scenes, about 30 KB each; made if missing (OUT/scenes)")
    parser.add_argument(
        "--examples", type=Path, help="folder of python -m harness.embedded.examples TASK --model smol-llava"
    )
    parser.add_argument("--scenes", type=int, default=48_000, help="number of training scenes")
    parser.add_argument("--processes", type=int, default=1, help="data-parallel processes, one thread each")
    parser.add_argument("--batch", type=int, default=4, help="scenes a step of each process")
    parser.add_argument("--rate", type=float, default=5e-4, help="peak learning rate")
    parser.add_argument("--port", type=int, default=29534, help="of the processes' rendezvous on this machine")


def command(args: argparse.Namespace, base: Path) -> int:
    """Train; call again with the same --out to resume, with a larger --cpu-minutes to continue a finished run."""
    args.out.mkdir(parents=True, exist_ok=True)
    scenes = args.cache or args.out / "scenes"
    cache.build(scenes, cache.TRAINING[: args.scenes], args.processes)
    cache.build(scenes / "calibration", CALIBRATION[:256], 1)
    plan = Plan(
        base,
        args.out,
        scenes,
        Budget(60 * args.align_minutes),
        Budget(60 * args.cpu_minutes),
        seed=args.seed,
        batch=args.batch,
        rate=args.rate,
        examples=args.examples,
    )
    if args.processes == 1:
        run(plan)
    else:
        spawn(_process, (args.processes, args.port, plan), nprocs=args.processes)
    return 0

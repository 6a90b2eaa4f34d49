"""Train the embedded model: `python -m harness.embedded.tiny_llava.train --out DIR --minutes 56`."""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn
from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

from harness.embedded.scenes import CALIBRATION
from harness.embedded.tiny_llava import WEIGHTS, architecture, cache, tokenizer
from harness.embedded.tiny_llava.export import export
from harness.embedded.tiny_llava.instruction import Examples, InstructionObjective
from harness.embedded.tiny_llava.joint import JointObjective
from harness.embedded.tiny_llava.vision import PatchHead, VisionObjective
from harness.training.loop import Budget, Settings, train, world

CALIBRATION_SCENES = 256
_EXPORT_EVERY = 480.0  # seconds


@dataclass(frozen=True)
class Plan:
    """One training run. `weights` is where exports go, None for nowhere; `examples` is stage 3's folder, if any."""

    settings: Settings
    vision: Budget
    joint: Budget
    scenes: Path
    size: architecture.Size
    weights: Path | None
    threads: int = 1
    instruction: Budget | None = None
    examples: Path | None = None


def _tokenizer(plan: Plan, scenes: cache.SceneArrays) -> PreTrainedTokenizerFast:
    """Built once by rank 0, then read."""
    directory = plan.settings.directory / "tokenizer"
    if world()[0] == 0 and not directory.exists():
        temporary = directory.with_name("tokenizer.tmp")
        tokenizer.build(scenes.instances[:6000], scenes.kind[:6000]).save_pretrained(temporary)
        temporary.replace(directory)
    if dist.is_initialized():
        dist.barrier()
    return PreTrainedTokenizerFast.from_pretrained(directory)


def run(plan: Plan) -> JointObjective | None:
    """All stages, in this process as one of `world()`; None if stopped before the end."""
    torch.set_num_threads(plan.threads)
    torch.manual_seed(plan.settings.seed)  # equal initial weights in all processes
    scenes = cache.load(plan.scenes)
    calibration = cache.load(plan.scenes / "calibration")
    vocabulary = _tokenizer(plan, scenes)
    model = architecture.build(plan.size, len(vocabulary))
    architecture.initialise(model, vocabulary)
    head = PatchHead(plan.size.width)
    if not train(VisionObjective(model, head, scenes, calibration), plan.vision, plan.settings):
        return None
    joint = JointObjective(model, head, vocabulary, scenes, calibration)
    if dist.is_initialized():
        for value in joint.modules.state_dict().values():
            dist.broadcast(value, 0)
    if plan.instruction is None or plan.examples is None:
        return joint if train(joint, plan.joint, plan.settings, _keeper(plan, plan.joint, joint, vocabulary)) else None
    if not train(joint, plan.joint, plan.settings):
        return None
    last = InstructionObjective(joint, Examples(plan.examples, vocabulary))
    settings = replace(plan.settings, rate=plan.settings.rate / 2)  # what is known shall not be lost
    return joint if train(last, plan.instruction, settings, _keeper(plan, plan.instruction, last, vocabulary)) else None


def _keeper(
    plan: Plan, budget: Budget, stage: JointObjective | InstructionObjective, vocabulary: PreTrainedTokenizerFast
) -> Callable[[float], None]:
    """Exports the best model of a stage so far, by the loss on calibration scenes and examples held out."""
    last, best = 0.0, float("inf")

    def keep(elapsed: float) -> None:
        nonlocal last, best
        final = budget.progress(0, elapsed) >= 1 if not budget.steps else True
        if plan.weights is None or not (final or elapsed - last >= _EXPORT_EVERY or last == 0):
            return
        loss = stage.validate()["val_loss"]
        if loss < best:
            last, best = elapsed, loss
            model = stage.modules["model"]
            assert isinstance(model, LlavaForConditionalGeneration)
            export(model, vocabulary, plan.weights)

    return keep


def _process(rank: int, count: int, port: int, plan: Plan) -> None:
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=count)
    run(plan)
    dist.destroy_process_group()


def main() -> None:
    """Train the embedded model; call again with the same --out to resume after an interruption."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="checkpoints, tokenizer and log")
    parser.add_argument("--minutes", type=float, default=56, help="wall time of stages 1 and 2")
    parser.add_argument("--vision-share", type=float, default=0.25, help="share of it spent on stage 1")
    parser.add_argument(
        "--examples", type=Path, help="folder that python -m harness.embedded.examples wrote: adds stage 3"
    )
    parser.add_argument("--example-minutes", type=float, default=30, help="wall time of stage 3")
    parser.add_argument("--cache", type=Path, required=True, help="drawn scenes, about 30 KB each; made if missing")
    parser.add_argument("--scenes", type=int, default=80_000, help="number of training scenes")
    parser.add_argument("--processes", type=int, default=2, help="data-parallel processes, one thread each")
    parser.add_argument("--batch", type=int, default=16, help="scenes a step, all processes together")
    parser.add_argument("--rate", type=float, default=2e-3, help="peak learning rate")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", type=Path, default=WEIGHTS, help="where the model is exported")
    parser.add_argument("--port", type=int, default=29533, help="of the processes' rendezvous on this machine")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    cache.build(args.cache, cache.TRAINING[: args.scenes], args.processes)
    cache.build(args.cache / "calibration", CALIBRATION[:CALIBRATION_SCENES], args.processes)
    seconds = args.minutes * 60
    plan = Plan(
        settings=Settings(args.out, args.seed, args.batch // args.processes, args.rate),
        vision=Budget(seconds * args.vision_share),
        joint=Budget(seconds * (1 - args.vision_share)),
        scenes=args.cache,
        size=architecture.Size(),
        weights=args.weights,
        instruction=Budget(args.example_minutes * 60) if args.examples else None,
        examples=args.examples,
    )
    spawn(_process, (args.processes, args.port, plan), nprocs=args.processes)


if __name__ == "__main__":
    main()

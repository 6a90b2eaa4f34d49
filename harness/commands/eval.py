"""harness eval: run a method on a task."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.commands.sweep import Sweep
from harness.commands.words import say, share_cores
from harness.config.heading import heading, quiet
from harness.config.parser import Parser, add_hydra, add_settings, results_default

if TYPE_CHECKING:
    from harness.plugins.registry import Registry

HELP = "run a method on a task"
USAGE = "harness eval task=NAME [method=NAME] [model=NAME] [KEY=VALUE ...] [-m] [--cfg job] [--dry-run]"
EXAMPLES = """examples:
  harness eval method=vista task=pope                       embedded model and data: no network, no GPU
  harness eval method=vista task=pope model=llava-1.5-7b    the official benchmark on the real model
  harness eval method=[vista,vcd] task=pope                 methods compose, in this order
  harness eval -m method=vanilla,vista,vcd task=pope        a sweep, one run each
  harness eval task=pope model=hf model.path=DIR            any checkpoint folder or hub name
  harness eval task=pope model=replay model.path=answers.jsonl task.root=DIR   score answers from a file

groups (choose by name; set values by GROUP.KEY=VALUE, or by KEY=VALUE if only one of them has that KEY):
  task, method      harness list tasks, harness list methods
  model             harness list models; the task's default model otherwise
  decoding          task (the task's own), greedy, beam, nucleus, choices (one pass)
  executor, logger  local, ray; console, quiet, wandb
  judge             none; or a model that grades the answers: openai, smollm2, hf, ... (docs/judge.md)

settings:
  limit=N           at most N samples: whole clusters, balanced over groups, drawn with seed
  offset=N          leave out what limit=N draws: the run takes its samples from the others
  ids=A,B           only these samples; ids=@FILE: one id per line, a JSON list, or a table with a column id
  system=TEXT       a system message in front of every question, or system=@FILE
  fewshot=N         N answered examples from the task's calibration split in front of every question
  seed=0            of limit, sampling and noise
  batch_size=auto   rows given to the model at once
  calibration=auto  pictures for methods that calibrate themselves: embedded, or a .jsonl or .parquet file
  stop_early=true   stop once the comparison with vanilla (or stop_early=RUN) is decided, anytime-valid
  retry=errors      ask again for the samples of a finished run that ended in an error row
  debug=true        raise the first error with its whole traceback, instead of an error row
  max_equal_errors=20   end a run after this many equal errors and no success; 0: never
  decoding.extra.NAME=VALUE   more generation arguments, e.g. decoding.extra.repetition_penalty=1.2
  results=DIR       the folder of runs/ and harness.duckdb, also as --results DIR (default: HARNESS_RESULTS or results)
  plugins=[DIR]     folders with tasks and methods of your own

Texts are taken as they are typed (task.root=run#1, model.revision=42e1839): quotes that reach harness are taken off
(task.suffix="'null'"), null is not a value, and with -m a comma separates values. model.extra= also takes JSON.

The same command continues an interrupted run, and answers from the store once it is finished."""


def add_arguments(parser: Parser) -> None:
    parser.usage, parser.epilog = USAGE, EXAMPLES
    add_settings(parser)
    add_hydra(parser)
    parser.add_argument("--dry-run", action="store_true", help="show prompts, counts and time; play and write nothing")


def run(given: Any) -> int:
    from harness.config.compose import asked, run

    share_cores()
    what = asked(given)
    if given.dry_run:
        from harness.commands.prompts import dry

        return run(what, dry)
    if not what.sweep:
        return run(what, job, announce=partial(_announce, sweep=False))
    named = (w.partition("=")[2] for w in reversed(what.words) if w.startswith("results="))
    sweep = Sweep(Path(next(named, results_default())))
    try:
        return run(what, sweep.job(partial(job, sweep=sweep)), announce=partial(_announce, sweep=True))
    finally:
        sweep.print()


def _announce(words: list[str], registry: Registry, *, sweep: bool) -> None:
    if not quiet(words):
        for text in heading(words, registry, sweep=sweep):
            say(text)


def job(config: dict[str, Any], sweep: Sweep | None = None) -> int:
    """One composed run; of a sweep, whose table ends with it."""
    from harness.api.playing import logged
    from harness.engine.evaluate import evaluate
    from harness.loggers.console import Console

    return evaluate(config, logged(config, Console(sweep=sweep)))

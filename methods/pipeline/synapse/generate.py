"""Writes the memory: what the scripted experts of MiniWoB++ do on seeds that no evaluation uses.

    python -m harness.methods.pipeline.synapse.generate [--each 3]

Needs Chromium and the extra miniwob. Only episodes that the expert wins are kept.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from harness.core import HarnessError, Outcome, Reply, Sample
from harness.methods._shared.crops import asked
from harness.methods.pipeline.synapse.memory import FILE, FIRST_SEED
from harness.tasks.miniwob.policies import POLICIES
from harness.tasks.miniwob.prompts import read


def trajectory(task: Any, sample: Sample) -> dict[str, Any] | None:
    """The expert's episode as a row; None where it is not won."""
    play, steps, goal = task.episode(sample), [], ""
    try:
        request = next(play)
        while True:
            told = read(asked(request))
            assert told is not None
            action = task.oracle(sample, request)
            goal = goal or told.task
            steps.append((told.tree, action))
            request = play.send(Reply(action))
    except StopIteration as end:
        outcome: Outcome = end.value
        won = outcome.scores["sr_pos"] == 1
        return {"name": sample.group, "task": goal, "steps": json.dumps(steps)} if won and steps else None


def main(words: Sequence[str] | None = None) -> int:
    import pyarrow as pa
    import pyarrow.parquet as pq

    from harness.plugins.registry import Registry

    parser = argparse.ArgumentParser(prog="python -m harness.methods.pipeline.synapse.generate", description=__doc__)
    parser.add_argument("--each", type=int, default=3, help="trajectories a page")
    parser.add_argument("--out", type=Path, default=FILE)
    given = parser.parse_args(words)
    task, rows = Registry().get("task", "miniwob").build(data="embedded", observation=["axtree"], max_steps=20), []
    try:
        for name in sorted(POLICIES):
            seeds = range(FIRST_SEED, FIRST_SEED + 3 * given.each)
            made = (trajectory(task, Sample(f"{name}.{s}", f"miniwob:{name}", name, None, {})) for s in seeds)
            rows += islice((r for r in made if r), given.each)
    except HarnessError as e:
        print(f"harness: {e}", file=sys.stderr)
        return e.exit_code
    finally:
        task.close()
    pq.write_table(pa.Table.from_pylist(rows), given.out, compression="zstd")
    print(f"{len(rows)} trajectories of {len({r['name'] for r in rows})} pages")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Finds a task of lm-eval by name, without its index of 14,000 YAML files where that can be helped."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.core import HarnessError, Missing, UsageError
from harness.core.errors import near
from harness.interop.task_files import folders, lacking, reason


def load(name: str, include: str | None, overrides: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Task name -> lm-eval's task object: one task, or all of a group or tag.

    Raises Missing (exit 3) where lm-eval, one of a task's packages or its dataset is not there, UsageError (exit 2)
    where no task has the name.
    """
    if find_spec("lm_eval") is None:
        raise Missing("task=lm_eval needs the package lm-eval: pip install 'harness[lm-eval]'")
    if include is not None and not Path(include).is_dir():
        raise Missing(f"task.include={include} is not a folder: give the folder that holds your tasks' YAML files")
    os.environ.setdefault("TQDM_DISABLE", "1")  # its bars would run over ours
    import huggingface_hub  # noqa: F401  # sets its own level when it is imported
    from lm_eval.tasks import TaskManager

    for noisy in ("lm_eval", "huggingface_hub"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    meta = dict(metadata) or None
    known: Sequence[str] = ()
    for places, defaults in _places(name, include):
        try:
            manager = TaskManager(include_path=[str(f) for f in places], include_defaults=defaults, metadata=meta)
        except Exception as e:
            raise UsageError(f"lm-eval cannot read the YAML files of task.include={include}: {reason(e)}") from e
        if name in manager.all_tasks:
            return _built(manager, name, overrides)
        known = manager.all_tasks
    hint = near(name, known) or "lm-eval ls tasks shows their names"
    raise UsageError(f"unknown lm-eval task task.name={name}: {hint}")


def _places(name: str, include: str | None) -> Iterator[tuple[list[Path], bool]]:
    """(folders, whether lm-eval's whole index is read), the quickest first."""
    from lm_eval import tasks

    own = [Path(include)] if include else []
    if own:
        yield own, False
    for folder in folders(Path(tasks.__file__).parent, name):
        yield [folder], False
    yield own, True


def _built(manager: Any, name: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The task objects; building one downloads its dataset."""
    try:
        if overrides and name not in manager.all_subtasks:
            raise UsageError(f"task.overrides change one task: {name} is several, name one of them")
        # lm-eval merges keys into a task of its index where a group names it.
        wanted = {"group": "overridden", "task": [{"task": name, **overrides}]} if overrides else name
        return manager.load([wanted])["tasks"]
    except HarnessError:
        raise
    except ImportError as e:
        raise Missing(lacking(f"lm-eval's task {name}", e)) from e
    except (OSError, ValueError, RuntimeError) as e:
        raise Missing(
            f"lm-eval's task {name} cannot get its records ({reason(e)}): check the connection to "
            "the hub and HF_TOKEN, or give files by task.overrides='{dataset_path: json, dataset_kwargs: {data_files: "
            "FILE}}'"
        ) from e
    except Exception as e:
        raise UsageError(f"lm-eval cannot build its task {name}: {reason(e)}") from e

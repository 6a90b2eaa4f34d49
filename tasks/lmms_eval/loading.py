"""Finds a task of lmms-eval by name and loads it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.core import HarnessError, Missing, UsageError
from harness.core.errors import near
from harness.interop.task_files import folders, lacking, reason


def load(name: str, include: str | None, model_name: str) -> dict[str, Any]:
    """Task name -> lmms-eval's task object: one task, or all of a group.

    Raises Missing (exit 3) where lmms-eval, one of a task's packages or its dataset is not there, UsageError (exit 2)
    where no task has the name.
    """
    if find_spec("lmms_eval") is None:
        raise Missing(
            "task=lmms_eval needs the package lmms-eval: pip install 'harness[lmms-eval]', or see docs/bridges.md"
        )
    if include is not None and not Path(include).is_dir():
        raise Missing(f"task.include={include} is not a folder: give the folder that holds your tasks' YAML files")
    os.environ.setdefault("TQDM_DISABLE", "1")  # its bars would run over ours
    try:
        from loguru import logger  # pyright: ignore[reportMissingImports]

        logger.disable("lmms_eval")
        from lmms_eval.tasks import TaskManager, get_task_dict  # pyright: ignore[reportMissingImports]
    except ImportError as e:
        raise Missing(lacking("lmms-eval", e)) from e
    known: Sequence[str] = ()
    for place, defaults in _places(name, include):
        try:
            manager = TaskManager("ERROR", include_path=place, include_defaults=defaults, model_name=model_name)
        except Exception as e:
            raise UsageError(f"lmms-eval cannot read the YAML files of task.include={include}: {reason(e)}") from e
        if name in manager.all_tasks:
            return _built(get_task_dict, manager, name)
        known = manager.all_tasks
    hint = near(name, known) or "lmms-eval tasks list shows their names"
    raise UsageError(f"unknown lmms-eval task task.name={name}: {hint}")


def _places(name: str, include: str | None) -> Iterator[tuple[str | None, bool]]:
    """(folder, whether lmms-eval's whole index is read), the quickest first."""
    spec = find_spec("lmms_eval.tasks")
    assert spec is not None and spec.origin is not None
    if include:
        yield include, False
    for folder in folders(Path(spec.origin).parent, name):
        yield str(folder), False
    yield include, True


def _built(get_task_dict: Any, manager: Any, name: str) -> dict[str, Any]:
    """The task objects; building one downloads its dataset."""
    try:
        return dict(_leaves(get_task_dict([name], manager, "simple")))
    except HarnessError:
        raise
    except ImportError as e:
        raise Missing(lacking(f"lmms-eval's task {name}", e)) from e
    except Exception as e:
        raise Missing(
            f"lmms-eval's task {name} cannot get its records ({reason(e)}): check the connection to the hub and "
            "HF_TOKEN, or point a YAML of your own at local files and give its folder by task.include="
        ) from e


def _leaves(found: dict[Any, Any]) -> Iterator[tuple[str, Any]]:
    """Tasks by name; a group's value is a dictionary of its tasks."""
    for key, value in found.items():
        if isinstance(value, dict):
            yield from _leaves(value)
        elif value is not None:
            yield str(key), value[1] if isinstance(value, tuple) else value

"""From a resolved configuration to the objects of a run."""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from collections.abc import Mapping
from typing import Any

from harness.core.decoding import Decoding
from harness.core.errors import HarnessError, UsageError
from harness.core.method import Method
from harness.core.model import Model
from harness.core.task import DECLARED, Task

VANILLA = "vanilla"
BASES: dict[str, tuple[type, str]] = {
    "task": (Task, "harness.core.Task"),
    "method": (Method, "harness.steering.Steering or harness.core.Pipeline"),
    "model": (Model, "harness.core.model.Model"),
}
"""By group, what its classes derive from."""


def _make(node: dict[str, Any], what: str) -> Any:
    """The object that a node's `_target_` names, made with the node's other values.

    Raises UsageError in one sentence where the class or an argument does not exist, or a value is refused.
    """
    cls = class_of(node, what)
    name = cls.__name__
    values = {k: v for k, v in node.items() if k not in ("_target_", "card")}
    form = getattr(cls, "Settings", None)  # a task over records takes its settings as one object
    known = dict(inspect.signature(form or cls).parameters)
    for key in values:
        if key not in known and not any(p.kind is p.VAR_KEYWORD for p in known.values()):
            raise UsageError(f"unknown setting {what}.{key}: {name} takes {', '.join(known)}")
    try:
        return cls(form(**values)) if form else cls(**values)
    except HarnessError:
        raise
    except (TypeError, ValueError) as e:  # a TypeError inside the constructor is a slip more often than a refusal
        place = _place(e, cls) if isinstance(e, TypeError) else ""
        raise UsageError(f"{what}: {name} refuses its values: {e}{place}") from e


def _place(error: Exception, cls: type) -> str:
    """The last line of the class's own file that an error went through."""
    file = sys.modules[cls.__module__].__file__
    lines = [n for frame, n in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == file]
    return f" at {file}, line {lines[-1]}" if lines else ""


MOVED = {
    "tasks.": "harness.tasks.",
    "methods.": "harness.methods.",
    "harness.models.hf.HFModel": "harness.models.hf.model.HFModel",
    "harness.models.server.": "harness.models.openai.",
}
"""Where the classes are that runs of earlier versions name."""


def target(node: Mapping[str, Any]) -> str:
    """The class that a configuration's node names, as `module.Class`."""
    named = str(node["_target_"])
    return next((new + named.removeprefix(old) for old, new in MOVED.items() if named.startswith(old)), named)


def class_of(node: dict[str, Any], what: str) -> Any:
    """Raises UsageError where it does not exist, or is of another kind. What its module raises otherwise passes.

    Args:
        what: "task", "model" or "method.NAME".
    """
    module, _, name = target(node).rpartition(".")
    try:
        loaded = importlib.import_module(module)
    except ImportError as e:
        raise UsageError(f"{what}: {node['_target_']} cannot be imported: {e}{_hidden(module, e)}") from e
    except SyntaxError as e:
        raise UsageError(f"{what}: SyntaxError: {e.msg} at {e.filename}, line {e.lineno}") from e
    try:
        found = getattr(loaded, name)
    except AttributeError as e:
        raise UsageError(f"{what}: module {module} has no class {name}: fix _target_ in its YAML") from e
    base, named = BASES[what.partition(".")[0]]
    if not (isinstance(found, type) and issubclass(found, base)):
        raise UsageError(f"{what}: {node['_target_']} is not derived from {named}: fix _target_ in its YAML")
    return found


def _hidden(module: str, error: ImportError) -> str:
    """Where the package lies that was found instead of the plug-in's, which has no such module."""
    top = module.partition(".")[0]
    file = getattr(sys.modules.get(top), "__file__", None)
    own = isinstance(error, ModuleNotFoundError) and error.name != top and module.startswith(str(error.name))
    return f" ({top} is {file}: rename the plug-in's folder if that is another's)" if own and file else ""


def build_task(node: dict[str, Any]) -> Task:
    """Named as its plug-in. A bridge's class takes `name` itself: whose task it is, and it makes its own name of it."""
    cls = class_of(node, "task")
    declared = node.get(DECLARED) or {}
    if cls.version != Task.version and cls.version != declared.get("version", cls.version):
        raise UsageError(
            f"task={node['name']}: its YAML states version {declared['version']}, its class {cls.version}: delete one"
        )
    values = {k: v for k, v in node.items() if k != DECLARED}
    if "name" in inspect.signature(cls.__init__).parameters:
        task = _make(values, "task")
    else:
        task = _make({k: v for k, v in values.items() if k != "name"}, "task")
        task.name = node["name"]
    for key, value in declared.items():
        setattr(task, key, value)
    return task


def build_model(node: dict[str, Any]) -> Model:
    """Raises UsageError where `reasoning`, a setting of every model, is unknown."""
    reasoning = node.get("reasoning", Model.reasoning)
    if reasoning not in ("strip", "keep"):
        raise UsageError(f"model.reasoning={reasoning} is unknown: choose strip or keep")
    model = _make({k: v for k, v in node.items() if k != "reasoning"}, "model")
    model.reasoning = reasoning
    return model


def build_methods(nodes: dict[str, dict[str, Any]]) -> list[Method]:
    """The methods in the order in which they were named; vanilla is the absence of one."""
    return [build_method(name, node) for name, node in nodes.items() if name != VANILLA]


def build_method(name: str, node: dict[str, Any]) -> Method:
    """The method of a configuration's node. Raises UsageError where its class refuses a value."""
    method = _make(node, f"method.{name}")
    method.name = name
    return method


def build(group: str, name: str, node: dict[str, Any]) -> Any:
    """What a configuration's node makes: a "task", a "method" or a "model"."""
    if group == "method":
        return build_method(name, node)
    return build_task(node) if group == "task" else build_model(node)


def build_decoding(node: dict[str, Any], task: Task) -> Decoding:
    """The decoding of a configuration's node; `strategy: task` is the task's own."""
    values = {k: v for k, v in node.items() if v is not None}
    if values.get("strategy") == "task":
        own = task.decoding
        limit = values.get("max_new_tokens", own.max_new_tokens)
        return Decoding(
            own.strategy, own.num_beams, own.temperature, own.top_p, own.top_k, limit, values.get("extra", {})
        )
    return Decoding(**values)

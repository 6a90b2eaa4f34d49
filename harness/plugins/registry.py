"""Finds plug-ins by their YAML files, without importing them.

Sources, later ones win on equal names: the distribution's own `tasks/` and `methods/`, packages named by the
entry-point groups `harness.tasks` and `harness.methods`, and the folders of `plugins=[DIR]` or HARNESS_PLUGINS.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import invalidate_caches, metadata, util
from pathlib import Path
from typing import Any

import yaml

from harness.core.errors import UsageError, nearest
from harness.core.files import TICK, left_behind, stamp
from harness.core.verified import Verified
from harness.core.verified import read as read_verified
from harness.core.yaml_loader import Loader
from harness.plugins import shape
from harness.plugins.plugin import Plugin

ROOT = Path(__file__).resolve().parents[2]

PLACES: dict[str, bool] = {}
"""Folders of plug-ins that this process has read, and whether they were put on the path for it."""


class Registry:
    """Every task and method that can be named on the command line."""

    def __init__(self, plugins: Sequence[str | Path] = ()):
        self.tasks: dict[str, Plugin] = {}
        self.methods: dict[str, Plugin] = {}
        self.models: dict[str, Plugin] = {}
        self.faults: dict[tuple[str, str], str] = {}
        """(group, name) -> why it cannot be used, of plug-ins whose YAML is faulty: whoever names one is told."""
        extra = [*plugins, *filter(None, os.environ.get("HARNESS_PLUGINS", "").split(os.pathsep))]
        for folder in self._folders(extra):
            for path in sorted(p for p in folder.rglob("*.yaml") if not left_behind(p, folder)):
                self._add(path)
        for path in sorted((ROOT / "harness" / "config" / "model").glob("*.yaml")):
            raw = _model(path)
            self.models[path.stem] = Plugin(
                path.stem,
                "model",
                path,
                str(raw["_target_"]),
                card=raw.pop("card", {}),
                defaults=raw,
                raw=raw,
            )

    def _folders(self, extra: Iterable[str | Path]) -> Iterator[Path]:
        yield from (ROOT / "harness" / "tasks", ROOT / "harness" / "methods")
        known = metadata.entry_points()
        for group in ("harness.tasks", "harness.methods"):
            for entry in known.select(group=group):
                yield _package_folder(entry)
        for folder in map(Path, extra):
            if not folder.is_dir():
                raise UsageError(f"plugins: {folder} is not a folder: give the folder that holds the YAML files")
            place = str(folder.resolve())
            PLACES[place] = PLACES.get(place) or place not in sys.path
            if place not in sys.path:
                sys.path.append(place)
            yield folder

    def _add(self, path: Path) -> None:
        """A faulty plug-in hides those of its name from earlier sources, as a good one does."""
        whole = path.name == "task.yaml"
        name = path.parent.name if whole else path.stem
        groups = ["task"] if whole else ["task", "method"]  # as far as the file's name tells
        try:
            raw = _read(path)
            if not isinstance(raw, dict) or "_target_" not in raw:
                return
            group = "task" if whole or raw.get("kind") == "task" else "method"
            groups = [group]
            self.group(group)[name] = _plugin(path, group, name, raw)
            self.faults.pop((group, name), None)
        except UsageError as e:
            for group in groups:
                self.group(group).pop(name, None)
                self.faults[group, name] = str(e)

    @property
    def groups(self) -> dict[str, dict[str, Plugin]]:
        return {"task": self.tasks, "method": self.methods, "model": self.models}

    def group(self, group: str) -> dict[str, Plugin]:
        return self.groups[group]

    def get(self, group: str, name: str) -> Plugin:
        """The plug-in of that name. Raises UsageError with what is wrong with it, or the nearest names."""
        known = self.group(group)
        if name not in known:
            raise self.lacks(group, name, known)
        return known[name]

    def lacks(self, group: str, name: str, known: Iterable[str]) -> UsageError:
        """What is wrong with a name that is none of these."""
        return UsageError(self.faults.get((group, name)) or unknown(group, name, known))


def _plugin(path: Path, group: str, name: str, raw: dict[str, Any]) -> Plugin:
    shape.check(path, group, name, raw)
    card = raw.get("card") or {}
    return Plugin(
        name=name,
        group=group,
        path=path,
        target=raw["_target_"],
        kind=str(raw.get("kind") or group),
        card=card,
        defaults=raw.get("defaults") or {},
        presets=raw.get("presets") or [],
        raw=raw,
        verified=read_verified(card, path) if group == "method" else Verified(),
    )


def forget() -> None:
    """Take what was imported from folders of plug-ins out of memory, so that the next run imports the files as they are
    by then, and not a module of the same name in another folder. Nothing is taken that lies deeper, as in a .venv."""
    for name, module in list(sys.modules.items()):
        file, inner = getattr(module, "__file__", None) or "", name.replace(".", os.sep)
        own = {str(Path(place, tail)) for place in PLACES for tail in (f"{inner}.py", str(Path(inner, "__init__.py")))}
        if name.partition(".")[0] not in ("harness", "__main__") and file and str(Path(file).resolve()) in own:
            del sys.modules[name]
    for place, added in PLACES.items():
        if added and place in sys.path:
            sys.path.remove(place)
    PLACES.clear()
    invalidate_caches()


def folders_of(configs: Iterable[Mapping[str, Any] | None]) -> list[str]:
    """The folders that stored runs name by `plugins=`, as far as they are still there."""
    named = (str(folder) for config in configs for folder in _listed((config or {}).get("plugins")))
    return [folder for folder in dict.fromkeys(named) if Path(folder).is_dir()]


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value] if value else []


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """One line for a misspelt name: the nearest known names, or all if none is near."""
    return f"{what}={name} is unknown: {nearest(name, sorted(known))}"


def _model(path: Path) -> dict[str, Any]:
    """A model's settings with those of the models that its `defaults` name, as Hydra composes them."""
    raw = _read(path)
    bases = [name for name in raw.pop("defaults", []) if name != "_self_"]
    return {k: v for name in bases for k, v in _model(path.with_name(f"{name}.yaml")).items()} | raw


_READ: dict[Path, tuple[list[int], bytes]] = {}
"""What this process has read of a file, pickled, since everybody gets an object of their own."""


def _read(path: Path) -> Any:
    now, state = time.time_ns(), stamp(path)
    if path in _READ and _READ[path][0] == state:
        return pickle.loads(_READ[path][1])
    found = _parsed(path)
    if now - state[2] > TICK:
        _READ[path] = state, pickle.dumps(found)
    return found


def _parsed(path: Path) -> Any:
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=Loader)
    except yaml.YAMLError as e:
        mark = getattr(e, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        raise UsageError(f"{path}{line}: this is not valid YAML ({getattr(e, 'problem', e)})") from e
    except UnicodeDecodeError as e:
        raise UsageError(f"{path} is not a text in UTF-8: save it as UTF-8") from e


def _package_folder(entry: metadata.EntryPoint) -> Path:
    """Where an entry point's package lies, found without importing it."""
    top, *rest = entry.value.split(":")[0].split(".")
    spec = util.find_spec(top)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(f"entry point {entry.name} names {entry.value}, which is not installed: reinstall its package")
    return Path(next(iter(spec.submodule_search_locations)), *rest)

"""From words on the command line to one resolved configuration per run, by Hydra.

Plug-ins enter Hydra's ConfigStore under their YAML's name; a method lives at `method.<name>`, so that methods
compose (`method=[vista,vcd] method.vista.lam=0.1`). Presets are interpolations: visible in `--cfg job`, and what
the user sets on the command line wins.
"""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.config.literal import joined, literal, quoted
from harness.config.parser import Parser, add_hydra, add_results, add_settings, results_default
from harness.config.settings import FOLDER, GROUPS, PLUGINS, check_keys, judge, named, run_settings, settings
from harness.config.short import lengthened, names
from harness.core.errors import INTERRUPTED, HarnessError, Missing, UsageError, near, nearest
from harness.core.sinks import line
from harness.plugins.plugin import Plugin
from harness.plugins.registry import ROOT, Registry, unknown

KEYS = tuple(run_settings())
REFERENCES = {"chance", "oracle", "replay"}
"""Models that answer from a task's key or from a file: they cannot judge."""


@dataclass(frozen=True)
class Asked:
    """The words of `harness eval` taken apart: settings, and what is to be done with them."""

    words: list[str]
    sweep: bool = False
    show: str = ""
    """Which configuration is printed instead of a run: job, hydra or all."""
    package: str | None = None


def read(words: Sequence[str]) -> Asked:
    """Raises UsageError for an unknown option, with the nearest ones."""
    parser = Parser(prog="harness eval", add_help=False)
    add_results(parser)
    add_settings(parser)
    add_hydra(parser)
    return asked(parser.parse_args(words))


def asked(given: Any) -> Asked:
    """What a parser with these arguments has read; `harness tune` has none of Hydra's."""
    results = [] if given.results is None else [f"results={given.results}"]
    show: str | None = getattr(given, "cfg", None)
    return Asked(
        [*given.words, *results], getattr(given, "multirun", False), show or "", getattr(given, "package", None)
    )


class _SweepEnds(BaseException):
    """Not an Exception, so that Hydra lets it through without a traceback."""


class SweepFailed(HarnessError):
    """A run of a sweep ended badly in another process, which has reported why."""

    def __init__(self, exit_code: int):
        super().__init__(exit_code)
        self.exit_code = exit_code


def plugin_folders(overrides: Iterable[str]) -> list[str]:
    """The folders in `plugins=[a,b]` or `plugins=a`."""
    for word in overrides:
        if match := re.fullmatch(r"plugins=\[?(.*?)\]?", word):
            return [part.strip().strip("'\"") for part in match[1].split(",") if part.strip()]
    return []


def choices(registry: Registry, group: str) -> list[str]:
    """The names that `group=` accepts."""
    if group in PLUGINS:
        return sorted(registry.group(group))
    models = set(registry.models) - REFERENCES if group == "judge" else set()
    return sorted({path.stem for path in (FOLDER / group).glob("*.yaml")} | models)


def check_names(overrides: Sequence[str], registry: Registry) -> None:
    """Raise UsageError for a group choice that does not exist, before Hydra is even imported."""
    for word in overrides:
        key, equals, value = word.lstrip("+~").partition("=")
        if not equals:
            if word.startswith(("-", "~")):
                continue
            raise UsageError(f"invalid setting {word!r}: write key=value, for example task=pope method=vista")
        if key in GROUPS:
            known = choices(registry, key)
            found = names(value)
            if not found:
                raise UsageError(f"{word} names nothing: choose one of {', '.join(known)}")
            for name in found:
                if name not in known:
                    raise UsageError(unknown(key, name, known))
        elif key not in KEYS and key.split(".")[0].split("/")[0] not in (*GROUPS, *KEYS, "hydra"):
            raise UsageError(f"unknown setting {key}: {nearest(key.split('.')[0], (*GROUPS, *KEYS))}")
    if not any(word.startswith("task=") for word in overrides):
        raise UsageError(f"name a task, for example task=pope (there are: {', '.join(choices(registry, 'task'))})")


def _tell(error: HarnessError) -> None:
    print(line(f"harness: {error}"), file=sys.stderr)


def run(
    words: Sequence[str] | Asked,
    job: Callable[[Any], int],
    failed: Callable[[HarnessError], None] = _tell,
    announce: Callable[[list[str], Registry], None] | None = None,
) -> int:
    """Compose the configuration(s) that `words` name and call `job` with each. Returns the worst exit code.

    `failed` is told of the error that a run of these ended in. `announce` is called with the words in full once they
    are known to name what there is: before anything heavy is imported, and not where a configuration is only shown.
    """
    asked = words if isinstance(words, Asked) else read(words)
    registry = Registry(plugin_folders(asked.words))
    overrides = lengthened(asked.words, registry, (*GROUPS, *KEYS))
    check_names(overrides, registry)
    known = settings(overrides, registry)
    check_keys(overrides, known, registry)
    spelled = [literal(word, known, sweep=asked.sweep) for word in overrides]
    typed = {made: word for parts in spelled for made, word in parts.items()}
    chosen = _chosen(overrides)
    if announce and not asked.show:
        announce(overrides, registry)
    overrides = [joined(parts) for parts in spelled]

    from hydra import initialize_config_module
    from hydra.core.global_hydra import GlobalHydra
    from hydra.core.hydra_config import HydraConfig
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    codes: list[int] = []
    home = os.getpid()

    def task_function(config: Any) -> int:
        """One run. Its error is one line, and a sweep continues with its other runs; Ctrl-C ends the sweep.

        Launchers (joblib, submitit) call it in processes of their own, which know nothing of this one.
        """
        away = os.getpid() != home
        if away:
            _store(Registry(plugin_folders(asked.words)), chosen)
        try:
            try:
                if missing := _missing(OmegaConf.to_container(config)):
                    raise UsageError(f"{missing} needs a value: add {missing}=...")
                OmegaConf.resolve(config)
            except OmegaConfBaseException as e:
                raise UsageError(_one_line(e)) from e
            plain: Any = OmegaConf.to_container(config)
            plain["overrides"] = [typed.get(w, w.removeprefix("++")) for w in HydraConfig.get().overrides.task]  # type: ignore[index]
            _check(plain, registry)
            codes.append(job(plain))
        except HarnessError as e:
            failed(e)
            codes.append(e.exit_code)
        if away and codes[-1]:
            raise SweepFailed(codes[-1])
        if codes[-1] == INTERRUPTED:
            raise _SweepEnds
        return codes[-1]

    callers = GlobalHydra.instance().hydra  # of a notebook that uses Hydra itself
    GlobalHydra.instance().clear()
    kept = _store(registry, chosen)
    try:
        with initialize_config_module("harness.config", job_name="eval", version_base="1.3"):
            hydra = GlobalHydra.instance().hydra
            assert hydra is not None
            if asked.show:
                hydra.show_cfg("eval", overrides, asked.show, asked.package, resolve=True)
            elif asked.sweep:
                hydra.multirun("eval", task_function, overrides)
            else:
                hydra.run("eval", task_function, overrides)
    except _SweepEnds:
        pass
    except SweepFailed as e:
        print("harness: a run of this sweep failed; its output is in .sweep/ in the results folder", file=sys.stderr)
        codes.append(e.exit_code)
    except (HydraException, OmegaConfBaseException) as e:
        raise _fault(e) from e
    finally:
        GlobalHydra.instance().hydra = callers
        _restore(kept)
    return max(codes, default=0)


def _check(config: dict[str, Any], registry: Registry) -> None:
    """Raises UsageError where a setting that was given is not of the kind that it must be."""
    given = [word.partition("=")[0].lstrip("+") for word in config["overrides"]]
    known = settings(config["overrides"], registry)
    for key in given:
        for setting in known.get(key, ()):
            value: Any = config
            for part in key.split("."):
                value = value[part]
            setting.check(value)
    if not config["results"]:
        raise UsageError("results= is empty: name a folder (is a shell variable unset?)")


def _chosen(words: Sequence[str]) -> dict[str, set[str]]:
    """By group, the names in the words, and the defaults of eval.yaml, which a sweep composes once."""
    found = {group: set(named((), group)) for group in GROUPS}
    for word in words:
        key, _, value = word.lstrip("+~").partition("=")
        if key in found:
            found[key].update(names(value))
    return found


def _store(registry: Registry, chosen: Mapping[str, set[str]]) -> list[tuple[str, str, Any]]:
    """Gives Hydra the chosen plug-ins alone, since it copies all that it knows for each configuration.

    Returns:
        (group, file, what it was before, or None) of each, for `_restore`.
    """
    from hydra.core.config_store import ConfigStore
    from omegaconf import OmegaConf

    store, before = ConfigStore.instance(), []

    def put(group: str, name: str, node: Any, package: str | None = None) -> None:
        before.append((group, f"{name}.yaml", store.repo.get(group, {}).get(f"{name}.yaml")))
        store.store(group=group, name=name, node=node, package=package)

    for plugin in (p for name, p in registry.methods.items() if name in chosen["method"]):
        node = {**plugin.node, **{k: _preset(plugin, k) for k in plugin.defaults}}
        put("method", plugin.name, node, f"method.{plugin.name}")
    for plugin in (p for name, p in registry.tasks.items() if name in chosen["task"]):
        node = OmegaConf.create(plugin.node)
        for key in (k for k, v in plugin.defaults.items() if isinstance(v, dict)):
            OmegaConf.set_struct(node[key], False)  # takes keys that its default does not have
        put("task", plugin.name, node)
        model = registry.get("model", str(plugin.raw.get("default_model", "tiny-llava")))
        put("model", f"default_for_{plugin.name}", dict(model.raw))
    for plugin in (p for name, p in registry.models.items() if name in chosen["judge"]):
        put("judge", plugin.name, judge(plugin))

    def preset(method: str, key: str, *, _root_: Any) -> Any:
        plugin = registry.methods[method]
        return plugin.preset(key, _root_.model.get("family"), _root_.task.name)

    def variant(*, _root_: Any) -> str:
        if _root_.model.data == "embedded":
            return "embedded"
        return str(registry.tasks[_root_.task.name].raw.get("official", _root_.model.data))

    def embedded(path: str) -> str:
        return str(ROOT / "harness" / path)

    def basename(path: str) -> str:
        return str(path).rstrip("/").rsplit("/", 1)[-1]

    for name, resolver in {
        "preset": preset,
        "results": results_default,
        "variant": variant,
        "embedded": embedded,
        "basename": basename,
    }.items():
        OmegaConf.register_new_resolver(name, resolver, replace=True)
    return before


def _restore(before: Sequence[tuple[str, str, Any]]) -> None:
    """Hydra's store as it was: what a program of the caller's put there stays."""
    from hydra.core.config_store import ConfigStore

    repo = ConfigStore.instance().repo
    for group, file, node in before:
        if node is None:
            repo[group].pop(file, None)
        else:
            repo[group][file] = node


def _preset(plugin: Plugin, key: str) -> Any:
    if any(key in entry["values"] for entry in plugin.presets):
        return f"${{preset:{plugin.name},{key}}}"
    return plugin.defaults[key]


def _missing(node: Any, path: str = "") -> str:
    """The first key that is still ???, or an empty string."""
    if node == "???":
        return path
    children = node.items() if isinstance(node, dict) else ()
    return next((found for k, v in children if (found := _missing(v, f"{path}.{k}".lstrip(".")))), "")


def _fault(error: Exception) -> HarnessError:
    """Hydra's and OmegaConf's errors as one of ours."""
    text = _one_line(error)
    if match := re.search(r"Could not find '(hydra/launcher/\w+)'", text):
        return Missing(f"{match[1].replace('launcher/', 'launcher=')} is not installed: pip install 'harness[sweep]'")
    if match := re.search(r"Ambiguous value for argument '([^=]+)=(.*)'", text):
        return UsageError(
            f"{match[1]}={match[2]} holds several values: write {match[1]}=[{match[2]}] for a list, or sweep over them "
            "by -m"
        )
    word = getattr(error, "override", None)
    if word:
        key, _, value = word.partition("=")
        return UsageError(
            f"{word} cannot be read: quote the value, for example {shlex.quote(f'{key}={quoted(value)}')}"
        )
    return UsageError(text)


def _one_line(error: Exception) -> str:
    """The first line, with the nearest key where one was misspelt."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    if match := re.search(r"Could not override '([^']+)'", text):
        text = f"unknown setting {match[1]}{_near(match[1])}"
    if text.startswith("Interpolation key"):
        text += ": a value with ${...} names another setting; for the text itself write \\${...}"
    return text


def _near(key: str) -> str:
    """The nearest keys of Hydra's own; the others were looked at before."""
    from hydra import compose, initialize_config_module

    with initialize_config_module("harness.config", version_base="1.3"):
        known = list(_keys(compose("eval", return_hydra_config=True)))
    return f": {near(key, known, 0.6) or 'see harness eval ... --cfg all for all settings'}"


def _keys(node: Any, path: str = "") -> Iterable[str]:
    for key in node:
        yield (at := f"{path}{key}")
        child = node._get_node(key)
        if hasattr(child, "keys") and child._value() is not None and not isinstance(child._value(), str):
            yield from _keys(child, f"{at}.")

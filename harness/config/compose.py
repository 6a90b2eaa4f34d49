"""From words on the command line to one resolved configuration per run, by Hydra.

Plug-ins enter Hydra's ConfigStore under their YAML's name; a method lives at `method.<name>`, so that methods
compose (`method=[vista,vcd] method.vista.lam=0.1`). Presets are interpolations: visible in `--cfg job`, and what
the user sets on the command line wins.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from harness.config.faults import fault, missing, one_line
from harness.config.literal import joined, literal
from harness.config.offered import chosen, offer, withdraw
from harness.config.parser import Parser, add_hydra, add_results, add_settings
from harness.config.settings import (
    FOLDER,
    GROUPS,
    PLUGINS,
    REFERENCES,
    check_keys,
    check_presets,
    run_settings,
    settings,
)
from harness.config.short import lengthened, names
from harness.core.errors import INTERRUPTED, HarnessError, UsageError, nearest, writing
from harness.core.telling import tell
from harness.plugins import raised
from harness.plugins.registry import Registry

KEYS = tuple(run_settings())


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
                    raise registry.lacks(key, name, known)
            for together in re.findall(r"\[(.*?)\]", value) if key == "method" else ():
                parts = names(together)
                if twice := next((name for name in parts if parts.count(name) > 1), None):
                    raise UsageError(f"{word} names {twice} twice: a method is applied once")
        elif key not in KEYS and key.split(".")[0].split("/")[0] not in (*GROUPS, *KEYS, "hydra"):
            raise UsageError(f"unknown setting {key}: {nearest(key.split('.')[0], (*GROUPS, *KEYS))}")
    if not any(word.startswith("task=") for word in overrides):
        raise UsageError(f"name a task, for example task=pope (there are: {', '.join(choices(registry, 'task'))})")


def run(
    words: Sequence[str] | Asked,
    job: Callable[[Any], int],
    failed: Callable[[HarnessError], None] = tell,
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
    check_presets(overrides, known, registry)
    spelled = [literal(word, known, sweep=asked.sweep) for word in overrides]
    typed = {made: word for parts in spelled for made, word in parts.items()}
    wanted = chosen(overrides)
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
            offer(Registry(plugin_folders(asked.words)), wanted)
        try:
            try:
                if key := missing(OmegaConf.to_container(config)):
                    raise UsageError(f"{key} needs a value: add {key}=...")
                OmegaConf.resolve(config)
            except OmegaConfBaseException as e:
                raise UsageError(one_line(e)) from e
            plain: Any = OmegaConf.to_container(config)
            plain["overrides"] = [typed.get(w, w.removeprefix("++")) for w in HydraConfig.get().overrides.task]  # type: ignore[index]
            _check(plain, registry)
            with writing(), raised.named(traced=bool(plain.get("debug"))):
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
    kept = offer(registry, wanted)
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
        raise fault(e) from e
    finally:
        GlobalHydra.instance().hydra = callers
        withdraw(kept)
    return max(codes, default=0)


def _check(config: dict[str, Any], registry: Registry) -> None:
    """Raises UsageError where a setting that was given is not of the kind that it must be, or belongs to another run of
    the sweep alone."""
    given = [word.partition("=")[0].lstrip("+") for word in config["overrides"]]
    known = settings(config["overrides"], registry)
    check_keys(config["overrides"], known, registry)
    for key in given:
        for setting in known.get(key, ()):
            value: Any = config
            for part in key.split("."):
                value = value[part]
            setting.check(value)
    if not config["results"]:
        raise UsageError("results= is empty: name a folder (is a shell variable unset?)")

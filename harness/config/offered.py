"""What Hydra is offered: the plug-ins that the words choose, in its ConfigStore, and resolvers for interpolations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harness.config.parser import results_default
from harness.config.settings import GROUPS, judge, named
from harness.config.short import names
from harness.core.errors import UsageError
from harness.plugins.plugin import Plugin
from harness.plugins.registry import ROOT, Registry


def chosen(words: Sequence[str]) -> dict[str, set[str]]:
    """By group, the names in the words, and the defaults of eval.yaml, which a sweep composes once."""
    found = {group: set(named((), group)) for group in GROUPS}
    for word in words:
        key, _, value = word.lstrip("+~").partition("=")
        if key in found:
            found[key].update(names(value))
    return found


def offer(registry: Registry, wanted: Mapping[str, set[str]]) -> list[tuple[str, str, Any]]:
    """Gives Hydra these plug-ins alone, since it copies all that it knows for each configuration.

    Args:
        wanted: Their names by group, as `chosen` finds them.

    Returns:
        (group, file, what it was before, or None) of each, for `withdraw`.
    """
    from hydra.core.config_store import ConfigStore
    from omegaconf import OmegaConf

    store, before = ConfigStore.instance(), []

    def put(group: str, name: str, node: Any, package: str | None = None) -> None:
        before.append((group, f"{name}.yaml", store.repo.get(group, {}).get(f"{name}.yaml")))
        store.store(group=group, name=name, node=node, package=package)

    for plugin in (p for name, p in registry.methods.items() if name in wanted["method"]):
        node = {**plugin.node, **{k: _preset(plugin, k) for k in plugin.defaults}}
        put("method", plugin.name, node, f"method.{plugin.name}")
    for plugin in (p for name, p in registry.tasks.items() if name in wanted["task"]):
        node = OmegaConf.create(plugin.node)
        for key in (k for k, v in plugin.defaults.items() if isinstance(v, dict)):
            OmegaConf.set_struct(node[key], False)  # takes keys that its default does not have
        put("task", plugin.name, node)
        model = registry.get("model", str(plugin.raw.get("default_model", "tiny-llava")))
        put("model", f"default_for_{plugin.name}", dict(model.raw))
    for plugin in (p for name, p in registry.models.items() if name in wanted["judge"]):
        put("judge", plugin.name, judge(plugin))

    def preset(method: str, key: str, *, _root_: Any) -> Any:
        plugin = registry.methods[method]
        return plugin.preset(key, _root_.model.get("family"), _root_.task.name)

    def variant(*, _root_: Any) -> str:
        if _root_.model.data == "embedded":
            return "embedded"
        raw = registry.tasks[_root_.task.name].raw
        if (official := raw.get("official", _root_.model.data)) is None:
            there = " or ".join(f"task.data={name}" for name in raw.get("variants") or ()) or "task.data=NAME"
            raise UsageError(f"task={_root_.task.name} has no official records: add {there}")
        return str(official)

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


def withdraw(before: Sequence[tuple[str, str, Any]]) -> None:
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

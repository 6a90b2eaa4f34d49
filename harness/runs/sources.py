"""The source files behind a class: every module of ours that it imports, however deep, found without importing any.

Ours are this project's package, the packages of the named modules (plug-ins), and whatever else is importable and
neither of the standard library nor installed by a distribution. A module counts by its code (`harness.runs.syntax`),
and the data files that it reads beside itself (word lists, scripts) by their bytes.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path

from harness.core.files import DIGESTS
from harness.runs.syntax import LENGTH, REMEMBERED, Source, remembered

PROJECT = ("harness",)
PLUGINS = ("harness.tasks.", "harness.methods.")
"""Packages below harness that hold plug-ins, as a third party's do."""
KNOWN = {
    *("torch", "torchvision", "transformers", "tokenizers", "safetensors", "accelerate", "huggingface_hub", "datasets"),
    *("numpy", "scipy", "PIL", "pyarrow", "duckdb", "hydra", "omegaconf", "yaml", "rich", "jinja2", "nltk", "httpx"),
    *("tenacity", "lm_eval", "lmms_eval", "ray", "wandb", "playwright", "pytest"),
}
"""Never ours, even where they are installed from a checkout."""
DATA = {
    *(".json", ".jsonl", ".txt", ".csv", ".tsv", ".lst", ".dic", ".vocab", ".toml", ".ini", ".cfg", ".xml", ".sql"),
    *(".js", ".mjs", ".css", ".html", ".htm", ".svg", ".jinja", ".jinja2", ".j2", ".tmpl", ".tpl"),
    *(".npy", ".npz", ".pt", ".pth", ".safetensors", ".pkl", ".pickle", ".bin", ".gz", ".zip"),
}
"""Suffixes of data files that count without being named in the code. Tables of records are in a task's fingerprint,
YAML in the run's configuration."""


@dataclass
class _Kept:
    """What was read of a module: with which state of its file, and for which load of it."""

    name: str
    state: tuple[int, int]
    source: Source
    data: dict[str, str]
    spec: ModuleSpec | None

    @property
    def in_memory(self) -> bool:
        """Whether the module was loaded with what was read, so that a later edit of the file is not what runs."""
        return self.spec is not None and _loaded(self.name, self.spec.origin) is self.spec


_READ: dict[Path, _Kept] = {}


def code(roots: Iterable[str]) -> dict[str, str]:
    """File -> digest, for the named modules and all of ours that they import.

    Files are named as they lie in their package ("harness/methods/_shared/contrast.py"), wherever that is.
    """
    out: dict[str, str] = {}
    for name, spec, kept in _reached(roots):
        folder, path = name.replace(".", "/"), Path(spec.origin or "")
        if spec.submodule_search_locations is not None:
            below, own = folder, f"{folder}/{path.name}"
        else:
            below, own = folder.rpartition("/")[0], f"{folder}{path.suffix}"
        if kept.source.digest:
            out[own] = kept.source.digest
        out |= {f"{below}/{file}".lstrip("/"): digest for file, digest in kept.data.items()}
    REMEMBERED.save()
    return dict(sorted(out.items()))


def file(module: str) -> Path | None:
    """Where the source of a module of ours lies; None where there is none."""
    spec = _find(module, {*PROJECT, module.partition(".")[0]}, {})
    path = Path(spec.origin) if spec is not None and spec.origin else None
    return path if path is not None and path.suffix == ".py" and path.is_file() else None


def defines(root: str, name: str) -> bool:
    """Whether a plug-in's module, or a plug-in's module that it imports, defines that name at any level."""
    return any(
        name in kept.source.names
        for module, _, kept in _reached([root])
        if module.startswith(PLUGINS) or not module.startswith("harness.")
    )


def pin() -> None:
    """What was read of modules that have been loaded since is what runs, whatever becomes of their files."""
    for path, kept in _READ.items():
        kept.spec = kept.spec or _loaded(kept.name, str(path))


def _reached(roots: Iterable[str]) -> Iterator[tuple[str, ModuleSpec, _Kept]]:
    """The modules, each once. A name that is not found is passed over: its import fails, or is optional."""
    todo = list(roots)
    tops = {*PROJECT, *(name.partition(".")[0] for name in todo)}
    specs: dict[str, ModuleSpec | None] = {}
    seen: set[str] = set()
    while todo:
        parts = todo.pop().split(".")
        for name in (".".join(parts[:n]) for n in range(1, len(parts) + 1)):  # packages are executed first
            if name in seen:
                continue
            seen.add(name)
            spec = _find(name, tops, specs)
            if spec is None or spec.origin is None or not Path(spec.origin).is_file():
                continue
            kept = _read(name, spec)
            yield name, spec, kept
            todo += kept.source.imports


def _find(name: str, tops: set[str], specs: dict[str, ModuleSpec | None]) -> ModuleSpec | None:
    """The module's spec where it is ours; no package is imported for it."""
    if name in specs:
        return specs[name]
    parent, _, _ = name.rpartition(".")
    found = None
    if parent:
        above = _find(parent, tops, specs)
        if above is not None and above.submodule_search_locations is not None:
            found = _spec(name, list(above.submodule_search_locations))
    elif name in tops or (name not in sys.stdlib_module_names and name not in KNOWN):
        found = _spec(name, None)
        if found is not None and name not in tops and _installed(found):
            found = None
    specs[name] = found
    return found


def _spec(name: str, path: list[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        if (found := finder.find_spec(name, path)) is not None:
            return found
    return None


def _installed(spec: ModuleSpec) -> bool:
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or ())
    return any({"site-packages", "dist-packages"} & set(Path(p).parts) for p in places)


def _loaded(name: str, origin: str | None) -> ModuleSpec | None:
    """The spec by which the module in memory was loaded from that file; a reload makes a new one."""
    spec = getattr(sys.modules.get(name), "__spec__", None)
    return spec if spec is not None and spec.origin == origin else None


def _read(name: str, spec: ModuleSpec) -> _Kept:
    path = Path(spec.origin or "")
    kept = _READ.get(path)
    if kept is not None and kept.in_memory:
        return kept
    stat = path.stat()
    state = (stat.st_size, stat.st_mtime_ns)
    if kept is not None and kept.state == state:
        source = kept.source
    else:
        package = name if spec.submodule_search_locations is not None else name.rpartition(".")[0]
        source = remembered(path.read_bytes(), package)
    _READ[path] = _Kept(name, state, source, _data(path, source), _loaded(name, spec.origin))
    return _READ[path]


def _data(path: Path, source: Source) -> dict[str, str]:
    """Files beside a module that count: those that it names and, where it asks for its own place, every data file
    there and in a folder that it names."""
    beside = {p.name: p for p in path.parent.iterdir()} if source.files or source.looks else {}
    found = {p.name: p for n, p in beside.items() if source.looks and _is_data(p)}
    for text in source.files:
        first, _, rest = text.partition("/")
        if first not in beside:
            continue
        place = beside[first] / rest if rest else beside[first]
        if place.is_dir() and source.looks:
            found |= {p.relative_to(path.parent).as_posix(): p for p in place.rglob("*") if _is_data(p)}
        elif place.is_file() and place.suffix not in (".py", ".pyc"):
            found[text] = place
    return {name: DIGESTS.of(p)[:LENGTH] for name, p in sorted(found.items())}


def _is_data(path: Path) -> bool:
    return path.suffix.lower() in DATA and not path.name.startswith(".") and path.is_file()

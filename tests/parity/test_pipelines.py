"""DeepEyes, VisRL and Synapse against the released code: what is sent at each call, texts and pixels by their
digests."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from harness.core.picture import Picture
from harness.core.types import Reply, Request, Sample, user
from harness.methods.pipeline.synapse.memory import Memory, Trajectory, key, vote
from harness.tasks.miniwob.environment import State
from harness.tasks.miniwob.prompts import messages
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


def runs(name: str) -> list[dict[str, Any]]:
    return [r for r in json.loads((HERE / "pipelines.json").read_text()) if r["method"] == name]


@pytest.mark.parametrize("name", ["deepeyes", "visrl"])
def test_calls_are_those_of_the_released_script(name):
    assert len(runs(name)) == 3
    for run in runs(name):
        request = Request(user(picture(), run.get("question", OPTIONS)), 16)
        method = made(name) if name == "deepeyes" else made(name, least=1)
        asked, reply = drive(method, *map(Reply, run["said"]), request=request)
        assert [sent(one) for one in asked] == run["asked"], run["said"]
        assert reply.text == run.get("answer", run["said"][-1])


def test_episodes_are_those_of_the_released_agent(monkeypatch):
    """Its trajectory prompts (multi_state_act), the query and vote of its retrieval, and the code that is acted on."""
    for run in runs("synapse"):
        demos = [Trajectory(d["name"], d["task"], tuple(map(tuple, d["steps"]))) for d in run["demos"]]
        memory, queries = Memory("tfidf", demos), []
        near = [Trajectory(name, "", (("", ""),)) for name in run["near"]]
        monkeypatch.setattr(memory, "nearest", lambda task, tree, q=queries, n=near: q.append(key(task, tree)) or n)
        method = made("synapse", abstract=False)
        method.__dict__["_known"] = memory
        own, done = method.begin(Sample(f"{run['page']}.0", "", run["page"], None)), []
        for state, said, turns, act in zip(run["states"], run["said"], run["asked"], run["acts"], strict=False):
            page = State(run["task"], {}, False, 0.0, 0.0, "", axtree=state)
            (asked,), reply = drive(own, said, request=Request(messages(page, done, ("axtree",)), 48))
            assert [[m.role, digest(m.content[0])] for m in asked.messages[1:]] == turns
            assert (list(asked.stop), reply.text) == (run["stop"], act)
            done.append(reply.text)
        assert [digest(q) for q in queries] == [run["query"]], "once an episode"
        assert all(vote(names) == chosen for names, chosen in run.get("votes", ()))

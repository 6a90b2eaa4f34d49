"""VisRL's inference: a box first, then the answer with the crop beside the picture (arXiv 2503.07523)."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from harness.core.errors import UsageError
from harness.core.method import Pipeline
from harness.core.types import Mark, Reply, Request, Step
from harness.methods._shared.crops import WHOLE, asked, crop, pixels, read_box, with_content

PROTOCOLS = {
    "test": "Please provide the bounding box coordinate of the region that can help you answer the question better.",
    "generate": "Please first provide the bounding box coordinate of the region, then refer to the corresponding "
    "sub-image to answer the question better.",
}
"""By released script: extras/test_cot.py and data_gen/generate.py. What each adds to the question."""


class VisRL(Pipeline):
    """Two calls with a crop in between. The box's text is never fed back."""

    name = "visrl"

    def __init__(self, protocol: str, least: int, tokens: int):
        """`protocol`: test (the second turn is the plain question), generate (both turns hold the instruction), or none
        for no crop. `least`: pixels that a crop has on each side. `tokens`: of the box, at most."""
        if protocol not in (*PROTOCOLS, "none"):
            raise UsageError(f"method.{self.name}.protocol={protocol} is unknown: choose test, generate or none")
        if least < 1 or tokens < 1:
            raise UsageError(f"method.{self.name} needs least and tokens of at least 1")
        self.protocol, self.least, self.tokens = protocol, least, tokens

    def respond(self, request: Request) -> Generator[Request, Reply, Reply]:
        if len(request.pictures) != 1 or self.protocol == "none":
            return (yield request)
        picture, question = request.pictures[0], asked(request)
        prompt = question + PROTOCOLS[self.protocol]
        first = replace(request, messages=with_content(request, (picture, prompt)), stop=())
        said = yield replace(first, max_new_tokens=self.tokens)
        box = read_box(said.text, picture.size)
        part = crop(picture, pixels(box or WHOLE, picture.size, self.least))
        again = question if self.protocol == "test" else f"{prompt}\n"
        reply = yield replace(request, messages=with_content(request, (picture, again, part)))
        marks = (Mark("box", "other", box=box),) if box else ()
        told = "" if box else "no box: the whole picture"
        steps = (Step(f"looks: {said.text}", told, picture, marks), Step("answers", "", part))
        return replace(reply, measures={"box_found": float(box is not None)}, steps=steps)

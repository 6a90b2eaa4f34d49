"""A method is a training-free technique around a model.

Two kinds exist. A *steering* method edits the inside of a running Hugging Face model (`harness.steering.Steering`).
A *pipeline* method turns one request into several (crop and ask again, vote) and needs no model internals.
"""

from __future__ import annotations

from collections.abc import Generator

from harness.core.types import Reply, Request, Sample


class Method:
    """Base of both kinds. `__init__` takes exactly the numbers in the method's YAML."""

    name: str = ""
    kind: str = "method"


class Pipeline(Method):
    """Sits between the task and the model. The identity pipeline is `return (yield request)`."""

    kind = "pipeline"
    captures = False
    """Whether its requests ask for attention (`Request.capture`)."""

    def begin(self, sample: Sample) -> Pipeline:
        """The pipeline for the episode of one sample. One that remembers earlier requests gives a fresh copy of itself,
        for episodes are played side by side."""
        return self

    def respond(self, request: Request) -> Generator[Request, Reply, Reply]:
        """Yields the requests that one request becomes, gets their replies, and returns the one that the task sees.

        A request that fails raises its error at the `yield`. Without an override the request is passed on.
        """
        return (yield request)

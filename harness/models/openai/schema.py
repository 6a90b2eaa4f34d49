"""What a server says about the requests that it takes: the OpenAPI document of vLLM, SGLang, llama-cpp-python and
others. Servers without one are asked as OpenAI's is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.core.decoding import Decoding

PLAIN = {"repeat_penalty": 1.0, "repetition_penalty": 1.0}
"""Fields whose defaults change greedy answers on some servers (llama-cpp-python: 1.1), with values that do not."""
OPEN = {"min_p": 0.0, "top_k": 0}
"""The same for answers that are drawn."""
BEGUN = {"continue_final_message": True, "add_generation_prompt": False}
"""What continues an answer that is begun."""
DEPTH = 8
"""References that are followed."""


@dataclass(frozen=True)
class Schema:
    """The fields that each path's requests may have; none of a path that is not described."""

    fields: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, document: Any) -> Schema:
        """From an OpenAPI document. Whatever else it is has nothing to say."""
        paths = _at(document, "paths")
        found = {}
        for path, methods in paths.items() if isinstance(paths, dict) else ():
            schema = _at(methods, "post", "requestBody", "content", "application/json", "schema")
            if names := _properties(document, schema, DEPTH):
                found[str(path)] = frozenset(names)
        return cls(found)

    def takes(self, path: str, name: str) -> bool:
        """Whether requests to a path that ends like this may have a field of this name."""
        return any(known.endswith(f"/v1{path}") and name in fields for known, fields in self.fields.items())

    def neutral(self, path: str, decoding: Decoding) -> dict[str, Any]:
        """The fields that undo what the server would add to the decoding that was asked for."""
        wanted = PLAIN | OPEN if decoding.sampled else PLAIN
        return {name: value for name, value in wanted.items() if self.takes(path, name)}


def _at(value: Any, *names: str) -> Any:
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _properties(document: Any, schema: Any, depth: int) -> set[str]:
    if not isinstance(schema, dict) or not depth:
        return set()
    own = schema.get("properties")
    found = set(map(str, own)) if isinstance(own, dict) else set()
    if isinstance(reference := schema.get("$ref"), str):
        found |= _properties(document, _at(document, *reference.removeprefix("#/").split("/")), depth - 1)
    for kind in ("allOf", "anyOf", "oneOf"):
        parts = schema.get(kind)
        for part in parts if isinstance(parts, list) else ():
            found |= _properties(document, part, depth - 1)
    return found

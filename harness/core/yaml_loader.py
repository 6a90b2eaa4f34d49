"""How every YAML file that people write is read: safely, and without a word that stands twice."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from yaml import SafeLoader as Safe
else:
    Safe = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # C where libyaml is there

UNREADABLE = ("tag:yaml.org,2002:merge", "tag:yaml.org,2002:value")
"""Tags of the keys << and =, which no constructor reads."""


class Loader(Safe):
    """YAML's safe loader. It also refuses a mapping that names a key twice, of which PyYAML silently takes the last, by
    a MarkedYAMLError. What `<<` merges may still be overridden."""

    def get_single_node(self) -> Any:
        top = super().get_single_node()
        waiting, seen = [top], set()
        while waiting:
            node = waiting.pop()
            if id(node) in seen or not isinstance(node, yaml.CollectionNode):
                continue
            seen.add(id(node))
            if isinstance(node, yaml.MappingNode):
                self._once(node)
                waiting += [part for pair in node.value for part in pair]
            else:
                waiting += node.value
        return top

    def _once(self, node: yaml.MappingNode) -> None:
        given = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag in UNREADABLE:
                continue
            name = self.construct_object(key)
            if name in given:
                said = f"{key.value} stands twice: leave one out"
                raise yaml.constructor.ConstructorError(None, None, said, key.start_mark)
            given.add(name)

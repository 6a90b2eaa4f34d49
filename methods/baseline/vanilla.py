"""No method at all."""

from harness.core.method import Method


class Vanilla(Method):
    """The model as it is. The engine drops it from the list of methods."""

    name = "vanilla"
    kind = "steering"

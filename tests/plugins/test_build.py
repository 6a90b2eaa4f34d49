from __future__ import annotations

import pytest

from harness.core import UsageError
from harness.plugins.build import build


@pytest.mark.parametrize(
    ("group", "target", "says"),
    [
        ("method", "collections.OrderedDict", r"method\.mine: .* is not derived from harness\.steering\.Steering or"),
        ("method", "harness.core.Task", "is not derived from"),
        ("method", "harness.core.errors.near", "is not derived from"),
        ("task", "harness.core.Pipeline", r"task: .* is not derived from harness\.core\.Task"),
        ("model", "harness.core.Pipeline", r"model: .* is not derived from harness\.core\.model\.Model"),
    ],
)
def test_a_class_of_another_kind_is_one_line(group, target, says):
    with pytest.raises(UsageError, match=says):
        build(group, "mine", {"_target_": target, "name": "mine"})

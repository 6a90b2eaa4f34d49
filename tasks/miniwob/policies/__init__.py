"""Scripted experts (`model=oracle`): for each task a script that reads the live page and acts like anybody else.

They see the live page, not the reward; each yields actions of the grammar one by one.
"""

from harness.tasks.miniwob.policies import clicks, forms, numbers, shapes, texts
from harness.tasks.miniwob.policies.page import PageView
from harness.tasks.miniwob.policies.policy import POLICIES

SCRIPTS = (clicks, forms, numbers, shapes, texts)
"""Their import registers them."""

__all__ = ["POLICIES", "PageView"]

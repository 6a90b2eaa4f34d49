"""Embedded pictures: synthetic COCO-like scenes drawn from colour emoji, with exact annotations.

`scene(seed, size)` gives the same objects at the same relative places for every `size`. Needs numpy and Pillow.
"""

from harness.embedded.scenes.layouts import FREQUENCY, SCENE_TYPES, SceneType
from harness.embedded.scenes.render import GRID, Instance, Scene, scene
from harness.embedded.scenes.seeds import CALIBRATION, EVALUATION, TRAINING
from harness.embedded.scenes.sprites import font
from harness.embedded.scenes.vocabulary import BY_NAME, CATEGORIES, NAMES, SHOWS_ALSO, Category, article, plural

__all__ = [
    "BY_NAME",
    "CALIBRATION",
    "CATEGORIES",
    "EVALUATION",
    "FREQUENCY",
    "GRID",
    "NAMES",
    "SCENE_TYPES",
    "SHOWS_ALSO",
    "TRAINING",
    "Category",
    "Instance",
    "Scene",
    "SceneType",
    "article",
    "font",
    "plural",
    "scene",
]

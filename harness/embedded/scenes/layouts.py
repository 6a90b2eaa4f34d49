"""Scene types and the objects they tend to hold: the source of the co-occurrence prior.

A kitchen often holds a cup, seldom a zebra. A model that answers from the scene rather than from the object
is wrong in a predictable way, as large models are on POPE's popular and adversarial splits.
"""

from dataclasses import dataclass

import numpy as np

from harness.embedded.scenes.vocabulary import BY_NAME, NAMES, SHOWS_ALSO


@dataclass(frozen=True)
class SceneType:
    """A kind of place.

    `phrase` names it in captions and holds no CHAIR synonym of an object ("an office", not "a desk").
    `share` is its relative frequency, `colours` two RGB background tones in 0..255,
    `objects` the relative probability of each category.
    """

    name: str
    phrase: str
    share: float
    colours: tuple[tuple[int, int, int], tuple[int, int, int]]
    objects: dict[str, float]


def _objects(text: str) -> dict[str, float]:
    words = text.split()
    return {n.replace("_", " "): float(p) for n, p in zip(words[::2], words[1::2], strict=True)}


SCENE_TYPES: tuple[SceneType, ...] = (
    SceneType(
        "kitchen",
        "a kitchen",
        1.3,
        ((214, 196, 160), (170, 150, 120)),
        _objects(
            "person .35 bottle .4 cup .5 fork .5 knife .5 spoon .45 bowl .5 apple .25 banana .25 "
            "orange .2 broccoli .2 carrot .25 pizza .2 sandwich .2 cake .15 wine_glass .2 chair .3 "
            "clock .15 potted_plant .15 cat .08 "
        ),
    ),
    SceneType(
        "street",
        "a street",
        1.4,
        ((150, 150, 155), (105, 105, 115)),
        _objects(
            "person .65 car .7 traffic_light .5 bus .3 truck .35 bicycle .3 motorcycle .3 "
            "stop_sign .25 handbag .25 backpack .2 umbrella .2 dog .15 clock .08 "
        ),
    ),
    SceneType(
        "safari",
        "a savanna",
        0.9,
        ((205, 190, 110), (130, 160, 70)),
        _objects("elephant .5 zebra .55 giraffe .55 bird .35 person .15 truck .12 bear .08 "),
    ),
    SceneType(
        "farm",
        "a farm",
        0.9,
        ((120, 180, 80), (170, 200, 120)),
        _objects("cow .5 sheep .5 horse .45 dog .35 person .35 bird .25 truck .2 cat .12 apple .08 "),
    ),
    SceneType(
        "beach",
        "a beach",
        1,
        ((240, 220, 160), (90, 170, 220)),
        _objects(
            "person .6 surfboard .5 boat .4 umbrella .4 kite .3 bird .3 dog .15 frisbee .2 "
            "backpack .15 bottle .12 sports_ball .15 "
        ),
    ),
    SceneType(
        "desk",
        "an office",
        1.1,
        ((200, 170, 140), (120, 100, 90)),
        _objects(
            "laptop .6 mouse .55 keyboard .55 cell_phone .4 book .4 cup .4 person .25 chair .3 "
            "scissors .15 clock .2 bottle .15 potted_plant .15 tv .2 cat .08 "
        ),
    ),
    SceneType(
        "livingroom",
        "a living room",
        1.1,
        ((200, 190, 200), (150, 120, 110)),
        _objects(
            "couch .6 tv .55 person .35 potted_plant .35 book .3 clock .25 vase .3 chair .35 cat .25 "
            "dog .2 teddy_bear .2 laptop .12 wine_glass .1 cup .12 "
        ),
    ),
    SceneType(
        "bathroom",
        "a bathroom",
        0.7,
        ((200, 225, 230), (160, 190, 200)),
        _objects("toilet .6 toothbrush .55 bottle .3 cup .25 scissors .2 person .2 vase .15 potted_plant .12 cat .1 "),
    ),
    SceneType(
        "bedroom",
        "a bedroom",
        0.8,
        ((190, 180, 220), (150, 140, 180)),
        _objects(
            "bed .65 teddy_bear .4 book .35 clock .35 person .25 cat .2 cell_phone .25 laptop .15 "
            "chair .2 backpack .2 vase .12 "
        ),
    ),
    SceneType(
        "sky",
        "the open sky",
        0.7,
        ((150, 200, 245), (220, 235, 250)),
        _objects("airplane .6 bird .45 kite .45 person .25 clock .05 "),
    ),
    SceneType(
        "snow",
        "a snowy slope",
        0.6,
        ((235, 240, 248), (190, 210, 230)),
        _objects("person .5 skis .55 snowboard .5 backpack .25 dog .12 bird .1 "),
    ),
    SceneType(
        "park",
        "a park",
        1,
        ((110, 170, 90), (160, 200, 130)),
        _objects(
            "person .6 dog .4 frisbee .35 bird .3 sports_ball .35 bicycle .3 kite .25 "
            "tennis_racket .25 skateboard .3 umbrella .1 sandwich .08 "
        ),
    ),
    SceneType(
        "station",
        "a platform",
        0.9,
        ((140, 135, 130), (90, 90, 100)),
        _objects(
            "train .6 person .6 suitcase .5 backpack .4 handbag .35 clock .35 bus .15 cell_phone .15 "
            "tie .2 umbrella .12 book .1 "
        ),
    ),
    SceneType(
        "party",
        "a party",
        1.0,
        ((235, 200, 215), (180, 140, 190)),
        _objects(
            "cake .5 person .55 wine_glass .5 pizza .35 donut .35 hot_dog .3 bottle .35 cup .3 "
            "tie .25 fork .25 knife .2 chair .2 teddy_bear .1 "
        ),
    ),
)

PRIOR = 0.9
"""Probability that an object comes from the scene's own table; the rest are uniformly random intruders."""

_SHARES = np.array([s.share for s in SCENE_TYPES]) / sum(s.share for s in SCENE_TYPES)
_WEIGHTS = np.array([[s.objects.get(n, 0.0) for n in NAMES] for s in SCENE_TYPES])
_WEIGHTS /= _WEIGHTS.sum(1, keepdims=True)
FREQUENCY = PRIOR * _SHARES @ _WEIGHTS + (1 - PRIOR) / len(NAMES)
"""Share of each category, (67,), among drawn objects: what POPE's popular split follows."""

_NUMBERS = (1, 2, 3, 4, 5, 6, 7)
_NUMBER_SHARES = (0.05, 0.12, 0.23, 0.24, 0.18, 0.12, 0.06)


def sample_objects(rng: np.random.Generator) -> tuple[int, list[int]]:
    """Draw a scene type and its objects.

    Returns:
        Index into SCENE_TYPES; category indices, repeated for repeated instances, 1 to 10 of them.
    """
    kind = int(rng.choice(len(SCENE_TYPES), p=_SHARES))
    number = int(rng.choice(_NUMBERS, p=_NUMBER_SHARES))
    objects: list[int] = []
    while len(objects) < number:
        own = rng.random() < PRIOR
        category = int(rng.choice(len(NAMES), p=_WEIGHTS[kind])) if own else int(rng.integers(len(NAMES)))
        if category in objects:
            continue
        objects.append(category)
        while rng.random() < 0.25 and len(objects) < number + 2:  # repeated instances make counting a task
            objects.append(category)
    for name, implied in SHOWS_ALSO.items():
        if BY_NAME[name].index in objects and BY_NAME[implied].index not in objects:
            objects.append(BY_NAME[implied].index)
    return kind, objects

"""The 67 object categories of the embedded pictures: COCO names, their words and their drawings.

Names are exactly those of COCO, so that the rules of POPE and CHAIR apply to them as they stand.
"""

from dataclasses import dataclass

_DRAWINGS = {
    "person": "🧍🚶🏃👩👨👦👧🧑👵👴💃",
    "bicycle": "🚲",
    "car": "🚗🚙🚕🏎",
    "motorcycle": "🏍🛵",
    "airplane": "✈🛩🛫",
    "bus": "🚌🚍🚎",
    "train": "🚆🚂🚄🚅",
    "truck": "🚚🚛🛻",
    "boat": "⛵🚤🛥🛶",
    "traffic light": "🚦🚥",
    "stop sign": "🛑",
    "bird": "🐦🦅🦆🦉🦜",
    "cat": "🐈🐱",
    "dog": "🐕🐶🐩🦮",
    "horse": "🐎🐴",
    "sheep": "🐑🐏",
    "cow": "🐄🐮🐂",
    "elephant": "🐘",
    "bear": "🐻",
    "zebra": "🦓",
    "giraffe": "🦒",
    "backpack": "🎒",
    "umbrella": "☂☔🌂",
    "handbag": "👜👛",
    "tie": "👔",
    "suitcase": "🧳",
    "frisbee": "🥏",
    "skis": "🎿",
    "snowboard": "🏂",
    "sports ball": "⚽🏀🏐",
    "kite": "🪁",
    "skateboard": "🛹",
    "surfboard": "🏄",
    "tennis racket": "🎾",
    "bottle": "🍾🍼",
    "wine glass": "🍷",
    "cup": "☕🥤🍵",
    "fork": "🍴",
    "knife": "🔪",
    "spoon": "🥄",
    "bowl": "🍜🥗",
    "banana": "🍌",
    "apple": "🍎🍏",
    "sandwich": "🥪",
    "orange": "🍊",
    "broccoli": "🥦",
    "carrot": "🥕",
    "hot dog": "🌭",
    "pizza": "🍕",
    "donut": "🍩",
    "cake": "🍰🎂",
    "chair": "🪑",
    "couch": "🛋",
    "potted plant": "🪴",
    "bed": "🛏",
    "toilet": "🚽",
    "tv": "📺",
    "laptop": "💻",
    "mouse": "🖱",
    "keyboard": "⌨",
    "cell phone": "📱",
    "book": "📖📕📗📘",
    "clock": "🕐⏰🕰",
    "vase": "🏺",
    "scissors": "✂",
    "teddy bear": "🧸",
    "toothbrush": "🪥",
}
_PLURALS = {
    "person": "people",
    "knife": "knives",
    "mouse": "mice",
    "sheep": "sheep",
    "skis": "skis",
    "scissors": "scissors",
    "broccoli": "broccoli",
}
_WITHOUT_ARTICLE = {"skis", "scissors", "broccoli"}

SHOWS_ALSO = {"surfboard": "person", "snowboard": "person", "tennis racket": "sports ball", "fork": "knife"}
"""Categories whose only drawing contains another category (a surfer rides the surfboard). A scene that shows
the key also shows a separate object of the value, so that no question has a disputable answer."""


def article(name: str) -> str:
    """ "a" or "an" by POPE's rule: the first letter alone decides ("a skis" too, as in the official questions)."""
    return "an" if name[0] in "aeiou" else "a"


def plural(name: str) -> str:
    """The plural of a category name."""
    if name in _PLURALS:
        return _PLURALS[name]
    return name + ("es" if name.endswith(("s", "sh", "ch")) else "s")


@dataclass(frozen=True)
class Category:
    """One object category.

    `phrase` is how a caption names a single one ("a dog", "an orange", "skis");
    `drawings` are the emoji that depict it.
    """

    index: int
    name: str
    plural: str
    phrase: str
    drawings: str


CATEGORIES: tuple[Category, ...] = tuple(
    Category(i, n, plural(n), n if n in _WITHOUT_ARTICLE else f"{article(n)} {n}", d)
    for i, (n, d) in enumerate(_DRAWINGS.items())
)
NAMES: tuple[str, ...] = tuple(c.name for c in CATEGORIES)
BY_NAME: dict[str, Category] = {c.name: c for c in CATEGORIES}

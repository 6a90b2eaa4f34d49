"""Pages for the embedded records: phone, desktop and web layouts with labelled and pictorial controls, drawn at random.

Every control that can be a target carries data-target; its words or its picture occur once on the page, so that an
instruction means exactly one of them. Pictures are drawn here, from strokes.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

ICONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "gear": (
        "M12 8a4 4 0 1 0 0 8a4 4 0 1 0 0-8M12 2v4M12 18v4M2 12h4M18 12h4M5 5l3 3M16 16l3 3M5 19l3-3M16 8l3-3",
        ("open the settings", "change the preferences"),
    ),
    "bin": ("M4 7h16M9 7V4h6v3M6 7l1 13h10l1-13M10 11v6M14 11v6", ("delete this", "throw it away")),
    "glass": ("M10 4a6 6 0 1 0 0 12a6 6 0 1 0 0-12M15 15l6 6", ("search for something", "look something up")),
    "plus": ("M12 4v16M4 12h16", ("add a new one", "create a new item")),
    "back": ("M20 12H5M11 5l-7 7l7 7", ("go back", "return to the previous page")),
    "star": ("M12 3l3 6l6 1l-5 5l1 6l-5-3l-5 3l1-6l-5-5l6-1z", ("mark it as a favourite", "rate it")),
    "heart": ("M12 20C2 13 4 5 8 5q3 0 4 3q1-3 4-3c4 0 6 8-4 15z", ("like this", "say that you love it")),
    "bell": ("M6 17V11a6 6 0 0 1 12 0v6zM4 17h16M10 20h4", ("show the notifications", "see what is new")),
    "lock": ("M6 11h12v9H6zM8 11V8a4 4 0 0 1 8 0v3", ("lock the screen", "make it private")),
    "home": ("M3 12L12 4l9 8M6 10v10h12V10", ("go to the start page", "return home")),
    "menu": ("M4 6h16M4 12h16M4 18h16", ("open the menu", "show the navigation")),
    "close": ("M5 5l14 14M19 5L5 19", ("close this", "dismiss it")),
    "down": ("M12 4v11M6 10l6 6l6-6M4 20h16", ("download the file", "save it to this device")),
    "up": ("M12 20V8M6 13l6-6l6 6M4 4h16", ("upload a file", "send a file from this device")),
    "print": ("M7 9V4h10v5M5 9h14v7H5zM8 16h8v4H8z", ("print this", "put it on paper")),
    "camera": ("M4 8h4l2-3h4l2 3h4v11H4zM12 10a3 3 0 1 0 0 6a3 3 0 1 0 0-6", ("take a photo", "use the camera")),
    "calendar": ("M4 6h16v14H4zM4 10h16M8 3v5M16 3v5", ("choose a date", "see the calendar")),
    "mail": ("M3 6h18v12H3zM3 6l9 7l9-7", ("write an e-mail", "read the mail")),
    "person": ("M12 4a4 4 0 1 0 0 8a4 4 0 1 0 0-8M4 21c0-8 16-8 16 0", ("open my profile", "see the account")),
    "refresh": ("M20 12a8 8 0 1 1-3-6M20 3v5h-5", ("load the page again", "refresh the list")),
    "play": ("M7 4l13 8l-13 8z", ("start the playback", "play the video")),
    "share": (
        "M8 12l8-5M8 12l8 5M6 10a2 2 0 1 0 0 4M18 5a2 2 0 1 0 0 4M18 15a2 2 0 1 0 0 4",
        ("share this with others",),
    ),
    "pen": ("M4 20l1-5L16 4l4 4L9 19z", ("edit the text", "rewrite it")),
    "basket": ("M3 8h18l-2 11H5zM8 8l3-5M16 8l-3-5", ("see what is in the shopping cart", "go to the basket")),
}
"""Name -> strokes on a 24 x 24 field, and instructions that name the function and never the shape."""

LABELS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Inbox", ("open the inbox", "Inbox")),
    ("Drafts", ("continue an unfinished message", "Drafts")),
    ("Sign in", ("log into the account", "Sign in")),
    ("Register", ("create an account", "Register")),
    ("Checkout", ("pay for the order", "Checkout")),
    ("Privacy", ("read how data are handled", "Privacy")),
    ("Help", ("get support", "Help")),
    ("Language", ("change the language", "Language")),
    ("Dark mode", ("make the screen darker", "Dark mode")),
    ("Bluetooth", ("connect a wireless headset", "Bluetooth")),
    ("Storage", ("see how much space is left", "Storage")),
    ("Battery", ("see how much charge is left", "Battery")),
    ("Save as", ("save under another name", "Save as")),
    ("Undo", ("take back the last change", "Undo")),
    ("Export", ("write the result to a file", "Export")),
    ("Insert", ("put something into the document", "Insert")),
    ("View", ("change how it is displayed", "View")),
    ("Recent files", ("reopen a document", "Recent files")),
    ("Best sellers", ("see what others buy most", "Best sellers")),
    ("Contact us", ("write to the company", "Contact us")),
    ("Opening hours", ("see when the shop is open", "Opening hours")),
    ("Newsletter", ("subscribe to the news", "Newsletter")),
    ("Downloads", ("see fetched files", "Downloads")),
    ("Log out", ("end the session", "Log out")),
    ("Weather", ("see the forecast", "Weather")),
    ("Maps", ("find a place", "Maps")),
    ("Gallery", ("look at photos", "Gallery")),
    ("Calculator", ("add up numbers", "Calculator")),
)
"""Label -> instructions: by function, and the label itself."""

THEMES = (
    ("#ffffff", "#1b1f24", "#0b57d0", "#eef1f5"),
    ("#12161c", "#e8ecf1", "#7cc4ff", "#1f2630"),
    ("#fffaf0", "#33261a", "#a3470f", "#f3e7d3"),
    ("#f3fbf6", "#12301f", "#157347", "#dff0e6"),
    ("#1d1626", "#f0e9f7", "#c59bff", "#2d2339"),
)
"""Ground, ink, accent, panel."""
FONTS = ("DejaVu Sans", "Liberation Sans", "Liberation Serif", "DejaVu Serif")
SCREENS = {"mobile": (390, 844, 2), "desktop": (1440, 900, 1), "web": (1280, 800, 1)}
"""CSS pixels and device scale."""


@dataclass(frozen=True)
class Target:
    """A control: its mark in the page, what it is, and one instruction that means it."""

    mark: str
    kind: str
    instruction: str


@dataclass(frozen=True)
class Page:
    """HTML with its targets."""

    platform: str
    html: str
    targets: tuple[Target, ...]


def page(platform: str, rng: random.Random) -> Page:
    """One page of a platform."""
    icons = rng.sample(sorted(ICONS), 7)
    labels = rng.sample(LABELS, 9)
    ground, ink, accent, panel = rng.choice(THEMES)
    size = rng.choice((14, 15, 16)) if platform != "mobile" else rng.choice((15, 16, 17))
    targets = [Target(f"i{i}", "icon", rng.choice(ICONS[name][1])) for i, name in enumerate(icons)]
    targets += [Target(f"t{i}", "text", rng.choice(words)) for i, (_, words) in enumerate(labels)]
    drawn = [_icon(f"i{i}", name, rng.choice((18, 20, 22, 24))) for i, name in enumerate(icons)]
    written = [label for label, _ in labels]
    body = {"mobile": _mobile, "desktop": _desktop, "web": _web}[platform](drawn, written, rng)
    style = (
        f"*{{box-sizing:border-box;margin:0}}body{{font:{size}px '{rng.choice(FONTS)}';background:{ground};color:{ink};"
        f"height:100vh;overflow:hidden}}.p{{background:{panel}}}.a{{color:{accent}}}.b{{background:{accent};color:{ground};"
        "border-radius:6px;padding:8px 14px}.r{display:flex;align-items:center;gap:16px}.s{flex:1}svg{display:block;"
        "fill:none;stroke:currentColor;stroke-width:1.8;stroke-linecap:round;stroke-linejoin:round}[data-target]"
        "{display:inline-block}.g{color:gray}"
    )
    html = (
        '<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<style>{style}</style><body>{body}</body>"
    )
    return Page(platform, html, tuple(targets))


def _icon(mark: str, name: str, size: int) -> str:
    return (
        f'<span data-target="{mark}"><svg width="{size}" height="{size}" viewBox="0 0 24 24">'
        f'<path d="{ICONS[name][0]}"/></svg></span>'
    )


def _text(i: int, label: str, kind: str = "") -> str:
    return f'<span data-target="t{i}" class="{kind}">{escape(label)}</span>'


def _filler(rng: random.Random, words: int) -> str:
    """Grey lines that are not control."""
    parts = ("alpha", "north", "paper", "seven", "river", "order", "cloud", "panel", "green", "quiet", "metal", "house")
    return f'<div class="g">{" ".join(rng.choice(parts) for _ in range(words))}</div>'


def _mobile(icons: Sequence[str], labels: Sequence[str], rng: random.Random) -> str:
    lines = "".join(
        f'<div class="r" style="padding:13px 18px;border-bottom:1px solid #8883"><div class="s">{_text(i, t)}'
        f"{_filler(rng, 4)}</div></div>"
        for i, t in enumerate(labels[:7])
    )
    tabs = "".join(f'<div class="s" style="display:grid;place-items:center">{x}</div>' for x in icons[3:])
    return (
        f'<div class="r" style="padding:6px 18px;font-size:12px"><span class="s">{rng.randint(1, 12)}:{rng.randint(10, 59)}'
        f'</span><span>{rng.randint(10, 99)}%</span></div><div class="r p" style="padding:14px 18px">{icons[0]}<b class="s">'
        f"{rng.choice(('Today', 'Overview', 'My things', 'All items'))}</b>{icons[1]}{icons[2]}</div>{lines}"
        f'<div class="r" style="padding:16px 18px">{_text(7, labels[7], "b")}{_text(8, labels[8], "a")}</div>'
        f'<div class="r p" style="position:fixed;bottom:0;left:0;right:0;padding:16px 4px">{tabs}</div>'
    )


def _desktop(icons: Sequence[str], labels: Sequence[str], rng: random.Random) -> str:
    menu = "".join(_text(i, t) for i, t in enumerate(labels[:4]))
    side = "".join(f'<div style="padding:7px 14px">{_text(i, t)}</div>' for i, t in enumerate(labels[4:8], 4))
    rows_ = "".join(f'<div style="padding:9px 0">{_filler(rng, rng.randint(6, 14))}</div>' for _ in range(9))
    return (
        f'<div class="r p" style="padding:7px 14px"><b class="s">{rng.choice(("Notes", "Ledger", "Studio", "Files"))}</b>'
        f'</div><div class="r" style="padding:6px 14px;gap:22px">{menu}</div>'
        f'<div class="r p" style="padding:9px 14px;gap:20px">{"".join(icons[:6])}</div>'
        f'<div style="display:flex;height:640px"><div style="width:210px;border-right:1px solid #8885;padding-top:10px">{side}'
        f'</div><div style="flex:1;padding:24px">{rows_}{_text(8, labels[8], "b")}</div></div>'
        f'<div class="r p" style="position:fixed;bottom:0;left:0;right:0;padding:6px 14px;font-size:12px"><span class="s g">'
        f"{rng.randint(10, 999)} items</span>{icons[6]}</div>"
    )


def _web(icons: Sequence[str], labels: Sequence[str], rng: random.Random) -> str:
    links = "".join(_text(i, t, "a") for i, t in enumerate(labels[:4]))
    cards = "".join(
        f'<div class="p" style="flex:1;padding:20px;border-radius:10px"><b>{rng.choice(("Oak", "Pine", "Elm", "Ash"))} '
        f"{rng.randint(1, 99)}</b>{_filler(rng, 12)}<div class='r' style='padding-top:14px'>{_text(4 + i, labels[4 + i], 'b')}"
        f"{icons[3 + i]}</div></div>"
        for i in range(3)
    )
    return (
        f'<div class="r" style="padding:16px 48px;gap:28px"><b style="font-size:1.3em">{rng.choice(("Harbour", "Meadow", "Lumen"))}'
        f'</b><div class="r s" style="gap:24px">{links}</div>{icons[0]}{icons[1]}{icons[2]}</div>'
        f'<div style="padding:52px 48px"><h1>{rng.choice(("Made to last", "Slow mornings", "Good tools"))}</h1>'
        f'{_filler(rng, 18)}</div><div style="display:flex;gap:22px;padding:0 48px">{cards}</div>'
        f'<div class="r p" style="position:fixed;bottom:0;left:0;right:0;padding:18px 48px;gap:26px">{_text(7, labels[7])}'
        f'{_text(8, labels[8])}<span class="s"></span>{icons[6]}</div>'
    )

"""What a card says in other forms: BibTeX."""

from __future__ import annotations

import re

from harness.plugins.plugin import Plugin


def bibtex(plugin: Plugin) -> str:
    """An entry made of the card: title, year, arXiv id or link. Empty where the card names no paper."""
    card = plugin.card
    link = str(card.get("paper") or "")
    if not link:
        return ""
    title = str(card.get("title") or plugin.name).split(" (")[0]
    author, _, rest = str(card.get("citation") or "").partition(", ")
    arxiv = re.search(r"arxiv\.org/abs/(\d{2})(\d{2}\.\d+)", link)
    year = str(card.get("year") or (f"20{arxiv[1]}" if arxiv else ""))
    lines = [f"@misc{{{plugin.name}{year},"]
    if rest:
        title, _, venue = rest.rpartition(", ")
        lines += [
            f"  author = {{{_escape(author.replace(' et al.', ' and others'))}}},",
            f"  note = {{{_escape(venue)}}},",
        ]
    lines.append(f"  title = {{{_escape(title)}}},")
    if year:
        lines.append(f"  year = {{{year}}},")
    if arxiv:
        lines += [f"  eprint = {{{arxiv[1]}{arxiv[2]}}},", "  archivePrefix = {arXiv},"]
    return "\n".join([*lines, f"  url = {{{link}}}", "}"]) + "\n"


def _escape(text: str) -> str:
    return re.sub(r"([&%$#_{}])", r"\\\1", text)

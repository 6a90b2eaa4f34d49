"""What a YAML says in other forms: BibTeX of its card, and the remarks behind its settings."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from harness.core.yaml_loader import Loader
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


def remarks(path: Path) -> dict[str, str]:
    """Key -> the comment behind its value among the `defaults` of a plug-in's YAML. Empty where it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
        top = yaml.compose(text, Loader=Loader)
    except (OSError, ValueError, yaml.YAMLError):
        return {}
    lines, out = text.splitlines(), {}
    if not isinstance(top, yaml.MappingNode):
        return {}
    for name, defaults in top.value:
        if name.value != "defaults" or not isinstance(defaults, yaml.MappingNode):
            continue
        for key, value in defaults.value:
            end = value.end_mark
            rest = lines[end.line][end.column :] if end.line < len(lines) else ""
            if not end.column and isinstance(value, yaml.CollectionNode):
                continue  # a block, whose end is the line after it
            before, mark, said = rest.partition("#")
            if mark and not before.strip():
                out[key.value] = said.strip()
    return out


def _escape(text: str) -> str:
    return re.sub(r"([&%$#_{}])", r"\\\1", text)

"""The accessibility tree as text: one line an element that means something, with the mark by which actions name it."""

from __future__ import annotations

from typing import Any

SILENT = {"none", "generic", "InlineTextBox", "RootWebArea", "LineBreak", "paragraph", "Canvas"}
SHOWN = ("checked", "selected", "expanded", "disabled", "focused")


async def tree(page: Any) -> str:
    """Read through the DevTools protocol."""
    await page.evaluate("harness.mark()")
    session = await page.context.new_cdp_session(page)
    try:
        document = await session.send("DOM.getDocument", {"depth": -1})
        nodes = (await session.send("Accessibility.getFullAXTree"))["nodes"]
    finally:
        await session.detach()
    return text(nodes, marks(document["root"]))


def marks(node: dict[str, Any]) -> dict[int, str]:
    """Backend node id to bid."""
    out: dict[int, str] = {}
    pending = [node]
    while pending:
        one = pending.pop()
        attributes = one.get("attributes") or []
        pairs = dict(zip(attributes[::2], attributes[1::2], strict=False))
        if "bid" in pairs:
            out[one["backendNodeId"]] = pairs["bid"]
        pending += one.get("children") or []
    return out


def text(nodes: list[dict[str, Any]], bids: dict[int, str]) -> str:
    """Lines `[bid] role "name" value="..." checked`, indented by depth."""
    known = {n["nodeId"]: n for n in nodes}
    lines: list[str] = []

    def walk(node: dict[str, Any], depth: int, above: str) -> None:
        role = (node.get("role") or {}).get("value", "")
        name = str((node.get("name") or {}).get("value", "")).strip()
        bid = bids.get(node.get("backendDOMNodeId", -1), "")
        said = role == "StaticText" and name and name != above
        if (
            not node.get("ignored")
            and (role not in SILENT or (role == "Canvas" and bid))
            and (role != "StaticText" or said)
        ):
            line = f"{'  ' * depth}[{bid}] {role}" if bid else f"{'  ' * depth}{role}"
            line += f' "{name}"' if name else ""
            value = (node.get("value") or {}).get("value")
            line += f' value="{value}"' if value not in (None, "") else ""
            for p in node.get("properties") or []:
                state = (p.get("value") or {}).get("value")
                if p["name"] in SHOWN and state not in (False, "false", None):
                    line += f" {p['name']}"
            lines.append(line)
            depth, above = depth + 1, name
        for child in node.get("childIds") or []:
            if child in known:
                walk(known[child], depth, above)

    if nodes:
        walk(nodes[0], 0, "")
    return "\n".join(lines)

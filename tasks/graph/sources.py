"""Listed neighbourhoods with the group of their centre: the package's, or a user's own rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core import Missing, UsageError
from harness.records import Source, digest, existing, labels, once, packaged, record_files, tables, unreadable
from harness.records.groups import group_name
from harness.tasks.graph.planted import GROUPS, VARIANTS
from harness.tasks.graph.settings import Settings

ASKED = (
    "Each node of a graph belongs to one of the groups {groups}, and mostly likes what its group is named after. "
    "{told}In this graph {listing}. Which group does node {centre} belong to?"
)


@dataclass(frozen=True)
class Node:
    """A centre with its listed neighbourhood, or what is wrong with its row (`fault`)."""

    id: str
    cluster: str
    variant: str
    arm: str = "none"
    question: str = ""
    group: str = ""
    groups: tuple[str, ...] = ()
    """The answers that there are."""
    likeliest: str = ""
    """The group that is most probable given the listing; empty where it is not known."""
    centre: str = ""
    fault: str = ""


def load(s: Settings) -> Source[Node]:
    """Raises Missing (exit 3) or UsageError (exit 2)."""
    found = once(_local(Path(s.root)) if s.root else _embedded(s))
    if not any(not node.fault for node in found):
        raise UsageError(f"task.root={s.root}: no row has listing, centre and group")
    parts = [[n.id, n.cluster, n.variant, n.arm, n.question, n.group, n.groups, n.likeliest, n.fault] for n in found]
    variants = sorted({n.variant for n in found})
    return Source(found, digest(parts), {"prompts": len(found), "variants": variants})


def _embedded(s: Settings) -> Iterator[Node]:
    for row in packaged(Path(__file__).parent / "embedded"):
        if row["variant"] in s.variants and row["arm"] in s.arms:
            likeliest = GROUPS[max(range(len(GROUPS)), key=lambda i, p=row["posterior"]: p[i])]
            yield _node(row, row["id"], GROUPS, VARIANTS[row["variant"]].told, likeliest)


def _local(root: Path) -> Iterator[Node]:
    existing(root, "rows with listing, centre and group")
    files = record_files(root)
    if not files:
        raise Missing(f"task.root={root} holds no .jsonl, .json or .parquet file: give rows with listing and group")
    called = labels(files, root)
    read = [(path, table) for path, table in tables(files, ("listing", "group"))]
    rows = [(f"{called[path]}:{n}", row) for path, table in read for n, row in enumerate(table, 1)]
    groups = tuple(sorted({row["group"] for _, row in rows if not _fault(row)}))
    for name, row in rows:
        if fault := _fault(row):
            yield Node(name, name, "local", fault=f"row {name}: {fault}")
        else:
            own = name if row.get("id") is None else str(row["id"])
            yield _node({"variant": "local", "cluster": name, **row}, own, groups, row.get("told"))


def _node(row: dict[str, Any], name: str, groups: Sequence[str], told: str | None, likeliest: str = "") -> Node:
    listed = f"{', '.join(groups[:-1])} and {groups[-1]}"
    question = ASKED.format(
        groups=listed, told=f"{told} " if told else "", listing=row["listing"], centre=row["centre"]
    )
    known = (str(row["cluster"]), group_name(str(row["variant"])), group_name(str(row.get("arm", "none"))))
    return Node(name, *known, question, row["group"], tuple(groups), likeliest, str(row["centre"]))


def _fault(row: Any) -> str:
    if fault := unreadable(row):
        return fault
    missing = [k for k in ("listing", "group") if not isinstance(row.get(k), str) or not row[k].strip()]
    missing += [] if isinstance(row.get("centre"), int | str) else ["centre"]
    return f"has no {' and no '.join(missing)}" if missing else ""

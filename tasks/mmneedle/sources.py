"""Records of MMNeedle's schema: the package's, or the official metadata with stitched images and captions."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.core import Missing, Picture, UsageError
from harness.records import (
    Broken,
    Folder,
    Source,
    existing,
    gathered,
    labels,
    packaged,
    packaged_pictures,
    plain_stem,
    read_text,
    record_files,
    rows,
)
from harness.tasks.mmneedle.scoring import Place
from harness.tasks.mmneedle.settings import Settings

NAME = re.compile(r"(?:(?P<needles>\d+)_)?annotations_(?P<images>\d+)_(?P<rows>\d+)_(?P<columns>\d+)$")
CAPTIONS = ("file_to_caption.pkl", "captions_val2014.json", "captions.json")


@dataclass(frozen=True)
class Setting:
    """The setting of one file of annotations."""

    images: int
    rows: int
    columns: int
    needles: int = 1

    @property
    def name(self) -> str:
        """ "10 x 2x2", with the number of needles where there are several."""
        several = f", {self.needles} needles" if self.needles > 1 else ""
        return f"{self.images} x {self.rows}x{self.columns}{several}"


@dataclass(frozen=True)
class Search:
    """One search; `places` is None where nothing is to be found; or what is wrong (`fault`)."""

    id: str
    cluster: str
    setting: Setting
    pictures: tuple[Picture, ...] = ()
    captions: tuple[str, ...] = ()
    places: tuple[Place, ...] | None = None
    fault: str = ""


def load(s: Settings) -> Source[Search]:
    """Raises Missing (exit 3) or UsageError (exit 2)."""
    found = list(_official(Path(s.root), s.captions) if s.root else _embedded(Path(__file__).parent / "embedded"))
    names = list(dict.fromkeys(r.setting.name for r in found))
    if unknown := [name for name in s.settings if name not in names]:
        raise UsageError(f"task.settings: {unknown[0]!r} is unknown: choose from {'; '.join(names)}, or null for all")
    found = [r for r in found if not s.settings or r.setting.name in s.settings]
    if not found:
        raise UsageError("these records hold no search: each needs image_ids, index, row, col and target")
    names = [name for name in names if not s.settings or name in s.settings]
    return gathered(found, counted="searches", settings=names)


def _embedded(folder: Path) -> Iterator[Search]:
    pictures = packaged_pictures(folder)
    for row in packaged(folder):
        said = dict(zip(row["target"], row["captions"], strict=True))
        setting = Setting(*(row[k] for k in ("images", "rows", "columns", "needles")))
        yield _record(row, setting, row["id"], "embedded", pictures.__getitem__, said.__getitem__)


def _official(root: Path, captions: str | None) -> Iterator[Search]:
    """metadata_stitched/[K_]annotations_M_N_N.json, images_stitched/N_N/ and the captions of val2014."""
    existing(root, "the folder with metadata_stitched/ and images_stitched/")
    files = [p for p in record_files(root, (".json",)) if p == root or NAME.match(plain_stem(p))]
    if not files or not NAME.match(plain_stem(files[0])):
        raise Missing(f"task.root={root} holds no annotations_M_N_N.json, as MMNeedle's metadata_stitched/ does")
    base = root if root.is_dir() else root.parent.parent if root.parent.name == "metadata_stitched" else root.parent
    known, called = _captions(captions, base), labels(files, root, lambda path: path.stem)
    for path in files:
        found = NAME.match(plain_stem(path))
        assert found
        shape = (int(found[k] or 1) for k in ("images", "rows", "columns", "needles"))
        setting = Setting(*shape)
        grid = f"{setting.rows}_{setting.columns}"
        places = [base / "images_stitched" / grid, base / grid, path.parent / grid, base / "images_stitched"]
        folder = Folder(places, within=base)
        for number, row in enumerate(rows(path), 1):
            yield _record(row, setting, f"{called[path]}:{number}", path.name, folder, known.__getitem__)


def _captions(given: str | None, base: Path) -> Mapping[str, str]:
    """File name to caption. A pickle may hold nothing but texts in a dict, or it is refused unopened."""
    if given is not None and not Path(given).is_file():
        raise Missing(f"task.captions={given} is not a file: give file_to_caption.pkl, or COCO's captions_val2014.json")
    places = [Path(given)] if given else [d / n for n in CAPTIONS for d in (base, base / "annotations_trainval")]
    path = next((p for p in places if p.is_file()), None)
    if path is None:
        raise Missing(
            f"no captions below {base}: give file_to_caption.pkl or captions_val2014.json by task.captions=FILE"
        )
    try:
        plain = path.suffix != ".pkl"
        value = json.loads(read_text(path)) if plain else _Plain(io.BytesIO(path.read_bytes())).load()
        if isinstance(value, dict) and "annotations" in value:
            last = {a["image_id"]: a["caption"] for a in value["annotations"]}  # of five, as the official script
            return {i["file_name"]: last[i["id"]] for i in value["images"] if i["id"] in last}
    except (ValueError, RecursionError, pickle.UnpicklingError, EOFError) as e:
        raise UsageError(f"{path} cannot be read as captions: {e}") from e
    except (KeyError, TypeError) as e:
        raise UsageError(f"{path} is not COCO's file of captions ({type(e).__name__}: {e})") from e
    if not isinstance(value, dict):
        raise UsageError(f"{path} is not a mapping from file names to captions")
    return value


class _Plain(pickle.Unpickler):
    """Loads plain values only: a pickle that names any class or function is refused."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it would import {module}.{name}, and captions need no import")


def _record(row: Any, setting: Setting, name: str, where: str, picture: Any, caption: Any) -> Search:
    def broken(fault: str) -> Search:
        return Search(name, f"mmneedle:{name}", setting, fault=f"{where}, {name}: {fault}")

    if isinstance(row, Broken) or not isinstance(row, dict):
        return broken(row.reason if isinstance(row, Broken) else f"is a {type(row).__name__}, not an object")
    images = row.get("image_ids")
    if not isinstance(images, list) or len(images) != setting.images or not all(isinstance(i, str) for i in images):
        return broken(f"field image_ids is not a list of {setting.images} names")
    values = [row.get(k) for k in ("index", "row", "col")]
    lists = [v if isinstance(v, list) else [v] for v in values]
    targets = row["target"] if isinstance(row.get("target"), list) else [row.get("target")]
    if any(len(v) != setting.needles for v in (*lists, targets)):
        return broken(f"fields index, row, col and target are not {setting.needles} each")
    if not all(isinstance(v, int) and not isinstance(v, bool) for x in lists for v in x):
        return broken("fields index, row and col are not whole numbers")
    places = tuple((i + 1, r + 1, c + 1) for i, r, c in zip(*lists, strict=True))
    absent = places[0][0] == 0
    limits = (setting.images, setting.rows, setting.columns)
    if not absent and any(not 1 <= v <= m for p in places for v, m in zip(p, limits, strict=True)):
        return broken("its needle lies outside the images")
    try:
        captions = tuple(str(caption(str(t).rsplit("/", 1)[-1])) for t in targets)
        pictures = tuple(picture(i) for i in images)
    except KeyError as e:
        return broken(f"there is no caption or picture {e.args[0]}")
    cluster = f"mmneedle:{'embedded:' if where == 'embedded' else ''}{'|'.join(images)}"
    digest = hashlib.sha256(cluster.encode()).hexdigest()[:16]
    return Search(name, f"mmneedle:{digest}", setting, pictures, captions, None if absent else places)

"""What of a peer's documents and of the user's own tasks goes into a fingerprint."""

from __future__ import annotations

import pytest
from PIL import Image

from harness.interop.documents import code, contents
from harness.interop.pictures import shared


def test_code_in_a_folder_of_tasks_counts(tmp_path):
    (tmp_path / "mine").mkdir()
    path = tmp_path / "mine" / "utils.py"
    path.write_text("def process_results(doc, results): return {}\n")
    before = code(str(tmp_path))
    path.write_text("def process_results(doc, results): return 12\n")
    assert code(str(tmp_path)) != before and code(None) == []


def test_documents_count_whole():
    assert contents({"question": "a", "extra": [1]}) != contents({"question": "a", "extra": [2]})
    assert contents({"image": object()}) == contents({"image": object()}), "no address of a machine's memory"


def test_pictures_that_documents_name_by_path_count_by_their_contents(tmp_path):
    datasets = pytest.importorskip("datasets")
    paths = [tmp_path / f"{i}.bmp" for i in range(3)]
    for path, colour in zip(paths, ("white", "white", "red"), strict=True):
        Image.new("RGB", (8, 8), colour).save(path)
    docs = datasets.Dataset.from_dict({"image": [str(p) for p in paths]}).cast_column("image", datasets.Image())
    before = shared(docs)
    assert before[0] == before[1] != before[2]
    Image.new("RGB", (8, 8), "black").save(paths[0])
    after = shared(docs)
    assert after[0] != before[0] and after[1:] == before[1:]

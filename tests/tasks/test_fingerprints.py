"""Stored runs and baselines name these digests: a change of any of them plays every run anew."""

from __future__ import annotations

from typing import Any

import pytest

from harness.plugins.registry import Registry

TASKS = Registry().tasks
DIGESTS: dict[str, list[tuple[dict[str, Any], str]]] = {
    "pope": [
        ({}, "bff0afacc0500764"),
        ({"data": "calibration"}, "cd856145213675eb"),
        ({"suffix": " "}, "c9807bca5692c7e0"),
        ({"parser": "vcd"}, "b5f9ea855c93dd21"),
        ({"max_new_tokens": 10}, "7bb2128cbeb5313f"),
        ({"splits": ["random"]}, "13e684accb90dc36"),
        ({"splits": ["adversarial", "random"]}, "31b18a7c75a56298"),
        ({"splits": "random"}, "13e684accb90dc36"),
        ({"suffix": "\\nAnswer the question using a single word or phrase."}, "99f01fa7eaa22982"),
    ],
    "chair": [
        ({}, "fe6d0069870e673e"),
        ({"data": "calibration"}, "50e19f508d2bb87b"),
        ({"prompt": "Describe."}, "40610a096949fdb7"),
        ({"vocabulary": "fixed"}, "e5f12d70061c688e"),
        ({"max_new_tokens": 64}, "fc3970c0023d4806"),
    ],
    "stare": [
        ({}, "eb06f1746ba1454f"),
        ({"sets": ["temporal", "folding_nets_vsim"]}, "200449a7adb05905"),
        ({"sets": "temporal"}, "7b56ca16acb42adc"),
        ({"strategy": "cot"}, "ae6c092a7b36bfa4"),
        ({"parser": "lenient"}, "e78eb716d51c38d5"),
        ({"max_new_tokens": 64}, "71cc12c2cd56b575"),
    ],
    "screenspot": [
        ({}, "9e3ab4ab6e114b28"),
        ({"parser": "lmms_v2"}, "ec737d7e33d1afa3"),
        ({"parser": "pixel"}, "ac2b5ef35c2326b1"),
        ({"parser": "lmms_v2", "prompt": "seeclick"}, "f65deca2e36302e8"),
        ({"parser": "lmms_v2", "bbox": "xywh_pixels"}, "fa8e620751f9109c"),
        ({"parser": "lmms_v2", "prompt": "Click {}"}, "19f237337bb55bb1"),
        ({"parser": "lmms_v2", "max_new_tokens": 64}, "dc4a0d88c426c918"),
    ],
    "niah": [
        ({}, "166a593ed0b35fd1"),
        ({"variants": None, "lengths": None, "style": "reason"}, "f0eb649192b443b3"),
        ({"lengths": 512}, "55903c97bf15d384"),
        ({"variants": "single_2"}, "2ec35018784c1cc0"),
        ({"answer_prefix": True}, "97be029829560196"),
        ({"match": "part"}, "f0667410c0194ffb"),
        ({"max_new_tokens": 64}, "fc538a4a71664844"),
    ],
    "graph": [
        ({}, "0432cc3e135d1dfc"),
        ({"arms": None}, "db7bfabf665b9061"),
        ({"variants": "weak"}, "0108227c6b9a2f57"),
        ({"answer": "text"}, "45f59434e8763c48"),
    ],
    "arithmetic": [
        ({}, "a70fa7ebd8331b36"),
        ({"variants": None}, "e7a9c5c641370d07"),
        ({"shots": 0}, "6d172829d9684d90"),
    ],
    "vic_bench": [
        ({}, "473f5a20cb30acfb"),
        ({"stages": 3}, "4ed6e545302636c7"),
        ({"stages": [2, 3]}, "cf69187f6b9da794"),
        ({"worlds": "maze"}, "d4a10f9720fe0443"),
        ({"level": 0}, "d8f5cc1df3e8b819"),
        ({"feedback": "same"}, "5861a5dd590ac63b"),
        ({"history": "all"}, "9113ae61c7ab1bf5"),
        ({"max_new_tokens": 64}, "85e68c6ebd764491"),
        ({"step_tokens": 64}, "d9dc6c157112f6b0"),
    ],
    "mm_niah": [
        ({}, "d1703cceb3a13cd7"),
        ({"subtasks": ["retrieval-text"]}, "a45edd7c57105aab"),
        ({"subtasks": "counting-text"}, "0ae7b010435fd00e"),
        ({"max_new_tokens": 16}, "975405e00ab89cb3"),
    ],
    "mmneedle": [
        ({}, "35a31fbd60354f80"),
        ({"settings": ["1 x 2x2"]}, "fa2572007f271a99"),
        ({"settings": "1 x 2x2"}, "fa2572007f271a99"),
        ({"parser": "lenient"}, "d48e03f7024a3098"),
        ({"max_new_tokens": 300}, "def691685762158e"),
    ],
}
"""Task -> changes to its defaults, and how the digest begins."""


@pytest.mark.parametrize("name", DIGESTS)
def test_fingerprints_keep_their_values(name):
    for changes, digest in DIGESTS[name]:
        task = TASKS[name].build(**{"data": "embedded", **changes})
        assert task.fingerprint().startswith(digest), changes

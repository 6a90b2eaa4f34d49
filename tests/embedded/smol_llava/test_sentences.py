"""Wrong mentions by the sentence's place."""

from __future__ import annotations

from harness.embedded.smol_llava.sentences import by_sentence


def test_wrong_mentions_are_counted_where_they_stand():
    captions = [
        ("The image shows a park with two dogs and a hot dog. You can also see a cat.", {"dog", "hot dog"}),
        ("The image shows a street with a car. Nothing else can be made out.", {"car"}),
        ("", {"car"}),
    ]
    assert by_sentence(captions) == [
        {"sentence": 1, "captions": 2, "mentions": 3, "wrong": 0.0},
        {"sentence": 2, "captions": 2, "mentions": 1, "wrong": 1.0},
    ]

"""Graph windows: the listing is read right, and masks are the k-hop matrix."""

from __future__ import annotations

import re

import networkx
import numpy as np
import pytest
import torch
from scipy.stats import spearmanr

from harness.checks.playing import play, same
from harness.checks.zoo import sample, view
from harness.core import UsageError
from harness.methods.attention.graph_window import parse, reach
from harness.steering import Batch, Inputs
from tests.methods.eager import attention
from tests.methods.made import made

TEXT = (
    "In this graph node 7 is linked to [node 1 (likes tea) is linked to [node 2 (likes milk), node 3 (likes tea)], "
    "node 4 (likes tea), node 5 (likes juice) is linked to [node 2 (likes milk)]]. Which group does node 7 belong to?"
)
LINKS = {("7", "1"), ("1", "2"), ("1", "3"), ("7", "4"), ("7", "5"), ("5", "2")}


def test_a_nested_listing_is_read():
    found = parse(TEXT, made("graph_window").node)
    named = [re.sub(r"\D", "", TEXT[start:end]) for _, start, end in found.mentions]
    number = {n: i for (i, _, _), n in zip(found.mentions, named, strict=True)}
    assert named == ["7", "1", "2", "3", "4", "5", "2", "7"] and found.nodes == 6
    assert found.links == {(number[a], number[b]) for a, b in LINKS}
    assert TEXT[found.mentions[1][1] : found.mentions[1][2]] == "node 1 (likes tea)"


@pytest.mark.parametrize("text", ["", "[[]]]", "] node 1 [", "no graph at all", "[node 1, node 2]"])
def test_broken_listings_have_no_links(text):
    assert not parse(text, made("graph_window").node).links


@pytest.mark.parametrize("k", [1, 2, 3])
def test_reach_is_the_k_hop_matrix(k):
    graph = networkx.gnp_random_graph(6, 0.3, seed=4)
    distance = dict(networkx.all_pairs_shortest_path_length(graph))
    expected = [[distance[a].get(b, 99) <= k for b in range(6)] for a in range(6)]
    assert reach(6, set(graph.edges), k).tolist() == expected


def words(view, text: str) -> Inputs:
    """One token a word; `view.decode` gives the words back."""
    parts = re.findall(r"\s*\S+", text)
    view.decode = lambda ids: "".join(parts[i - 3] for i in ids)
    ids = torch.arange(3, 3 + len(parts))[None]
    return Inputs({"input_ids": ids, "attention_mask": torch.ones_like(ids)})


@pytest.fixture
def listed():
    v = view("llama")
    before = v.decode
    yield v, words(v, TEXT)
    v.decode = before


def test_pairs_of_nodes_beyond_the_window_are_hidden_and_text_is_not(listed):
    v, one = listed
    method = made("graph_window", k=1)
    method.prepare(Batch(v, [method], [one]))
    pieces = re.findall(r"\s*\S+", TEXT)
    ends = torch.tensor([len(p) for p in pieces]).cumsum(0).tolist()
    spans = [(m.start(), m.end(), m[1]) for m in re.finditer(made("graph_window").node, TEXT) if m[1]]
    names = [next((re.sub(r"\D", "", n) for a, b, n in spans if e - 1 >= a and e - len(p.strip()) < b), None)
             for p, e in zip(pieces, ends, strict=True)]  # fmt: skip
    near = LINKS | {(b, a) for a, b in LINKS}
    for i, a in enumerate(names):
        for j, b in enumerate(names):
            hidden = a is not None and b is not None and a != b and (a, b) not in near
            assert bool(method._hidden[0, i, j]) == hidden, (pieces[i], pieces[j])


def test_a_window_over_the_whole_graph_is_vanilla_and_a_small_one_is_not(listed):
    v, one = listed
    plain = play(v, [one])
    same(play(v, [one], [made("graph_window", k=4)]), plain, 0)
    narrow = play(v, [one], [made("graph_window", k=1)])
    assert not torch.allclose(narrow[0].scores[0], plain[0].scores[0], atol=1e-3)


def test_prompts_without_a_graph_are_left_alone():
    v, inputs = view("llava"), [sample("llava", i, picture=i) for i in range(2)]
    same(play(v, inputs, [made("graph_window")]), play(v, inputs), 0)


@pytest.mark.parametrize(
    ("values", "words"), [({"k": -1}, "k=-1 must be"), ({"node": "("}, r"node=\( is not a regular expression")]
)
def test_wrong_values_are_named(values, words):
    with pytest.raises(UsageError, match=words):
        made("graph_window", **values)


def test_the_probe_against_eager_attention(listed):
    v, one = listed
    (got,) = play(v, [one], [made("graph_attention")])
    read = {name.partition(".")[2]: r.values for name, r in got.readings.items()}
    found = parse(TEXT, made("graph_window").node)
    row = attention(v, one, got.tokens)[:, :, 0, : one.length].mean(1)  # [layers, tokens]
    ends = np.cumsum([len(w) for w in re.findall(r"\s*\S+", TEXT)])
    mass = np.stack([row[:, [a < e and s < b for a, b in zip([0, *ends], ends, strict=False)]].sum(1)
                     for _, s, e in found.mentions], 1)  # fmt: skip
    far = np.array([0, 1, 2, 2, 1, 1, 2, 0])
    assert read["nodes"] == 6
    shares = {"centre": mass[:, far == 0], "one_hop": mass[:, far == 1], "two_hop": mass[:, far == 2]}
    for kind, share in shares.items():
        np.testing.assert_allclose(read[f"{kind}_layers"], share.sum(1), atol=1e-4)
        assert read[kind] == pytest.approx(share.sum(1).mean(), abs=1e-4)
    np.testing.assert_allclose(read["text_layers"], row.sum(1) - mass.sum(1), atol=1e-4)
    slots, ideal = mass[:, far > 0], np.array([2, 1, 1, 2, 2, 1]) / 9
    for l, x in enumerate(slots):
        assert read["slot_layers"][l] == pytest.approx(spearmanr(x, range(6)).statistic, abs=1e-4)
        p, m = x / x.sum(), (x / x.sum() + ideal) / 2
        wanted = np.sqrt((p * np.log2(p / m) + ideal * np.log2(ideal / m)).sum() / 2)
        assert read["apart_layers"][l] == pytest.approx(wanted, abs=1e-3)
    (bare,) = play(v, [words(v, "no graph at all")], [made("graph_attention")])
    assert {n: float(r.values) for n, r in bare.readings.items()} == {"graph_attention.nodes": 0}

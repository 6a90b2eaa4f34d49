"""Score against kept share, on a task's page."""

from __future__ import annotations

import json
import re

from harness.leaderboard.build import build
from harness.store import ingest
from tests.leaderboard.made import run

SHARES = {("snapkv", 0.1): 0.2, ("snapkv", 0.6): 0.7, ("window", 0.1): 0.1, ("window", 0.6): 0.6}
RATES = {("snapkv", 0.1): 0.5, ("snapkv", 0.6): 0.7, ("window", 0.1): 0.3, ("window", 0.6): 0.35}


def evicting(results, method, budget, seed):
    identity = {"methods": [{"name": method, "values": {"budget": budget}}]}
    words = {"settings": f"method.{method}.budget={budget}", "identity": identity}
    name = run(results, method, RATES[method, budget], n=60, seed=seed, **words)
    path = results / "runs" / name / "metrics.json"
    share = SHARES[method, budget]
    made = {"name": "kept_share", "value": share, "low": share - 0.01, "high": share + 0.01, "n": 60, "clusters": 10}
    made |= {"group": "all", "primary": False, "higher_is_better": None, "score": ""}
    path.write_text(json.dumps([*json.loads(path.read_text()), made]))


def page(results, out):
    ingest(results)
    build(results, out, with_pictures=False)
    return (out / "task" / "quiz-embedded.html").read_text()


def test_budgets_of_a_method_make_a_curve_and_the_front_is_marked(tmp_path):
    results = tmp_path / "results"
    run(results, "vanilla", 0.6, n=60, identity={})
    evicting(results, "snapkv", 0.1, 0)
    assert "kept share" not in page(results, tmp_path / "one")
    for seed, (method, budget) in enumerate(list(SHARES)[1:], 1):
        evicting(results, method, budget, seed)
    text = page(results, tmp_path / "out")
    _, _, part = text.partition("Score against kept share")
    wide = re.search(r'<div class="wide">(.*?)</div>', part, re.DOTALL)[1]
    curves = re.findall(r'<polyline class="curve c\d" points="([^"]+)"', wide)
    assert [len(points.split()) for points in curves] == [2, 2]
    assert "snapkv, budget 0.1: " in wide and "at 0.20<" in wide and wide.count('<circle class="dot base"') == 2
    assert wide.count('class="ring"') == 3
    cells = [
        re.findall(r"<t[hd].*?>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(?!.*<th scope=\"col).*?</tr>", part)
    ]
    plain = [[re.sub(r"<[^>]+>", "", c) for c in row] for row in cells][:5]
    assert [(row[0], row[1][:5], row[3]) for row in plain] == [
        ("snapkv 0.1", "0.200", "on it"),
        ("snapkv 0.6", "0.700", "on it"),
        ("window 0.1", "0.100", "on it"),
        ("window 0.6", "0.600", ""),
        ("vanilla", "1.000", ""),
    ]


def test_a_share_of_the_picture_has_a_figure_of_its_own(tmp_path):
    results = tmp_path / "results"
    run(results, "vanilla", 0.6, n=60, identity={})
    for seed, kernel in enumerate((0.25, 0.5)):
        identity = {"methods": [{"name": "neighborhood", "values": {"kernel": kernel, "stride": 1}}]}
        words = {"settings": f"method.neighborhood.kernel={kernel}", "identity": identity}
        name = run(results, "neighborhood", 0.4 + kernel / 4, n=60, seed=seed, **words)
        path = results / "runs" / name / "metrics.json"
        made = {"name": "visible_share", "value": kernel, "low": kernel, "high": kernel, "n": 60, "clusters": 10}
        made |= {"group": "all", "primary": False, "higher_is_better": None, "score": ""}
        path.write_text(json.dumps([*json.loads(path.read_text()), made]))
    text = page(results, tmp_path / "out")
    assert "Score against kept share" not in text
    _, _, part = text.partition("Score against visible share")
    assert "in vanilla's tower all patches see all" in part.replace("&#39;", "'")
    assert "neighborhood, budget 0.25: " in part and 'class="curve c0"' in part

"""The files of a site, without a browser."""

from __future__ import annotations

import csv
import hashlib
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

from harness.cli import main
from harness.core.verified import LEVELS
from harness.leaderboard import search
from harness.leaderboard.answers import WORDS
from harness.leaderboard.build import build
from harness.stats import paired_mean
from harness.store import Store, ingest
from tests.leaderboard.made import board, run
from tests.store.asking import samples

RUNS = 21


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("site")
    build(board(place / "results"), place / "out")
    return place / "out"


class Links(HTMLParser):
    """Every address that a page names, and every inline style or handler."""

    def __init__(self, text: str):
        super().__init__()
        self.found: list[str] = []
        self.inline: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        for key, value in attrs:
            if key in ("href", "src"):
                self.found.append(value or "")
            if key == "style" or key.startswith("on"):
                self.inline.append(f"{tag} {key}")


def pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


def test_every_kind_of_page_is_there(site):
    names = {p.relative_to(site).as_posix() for p in pages(site)}
    for wanted in ("index", "tasks", "methods", "models", "compare", "samples", "history", "downloads", "about"):
        assert f"{wanted}.html" in names
    assert {"task/quiz-embedded.html", "task/quiz-coco.html", "method/vista.html", "model/tiny.html"} <= names
    assert "No run has a probe yet" in (site / "probes.html").read_text()
    assert {"history/quiz.html", "overview/tiny-official.html"} <= names


def test_links_lead_somewhere_and_nothing_is_loaded_from_elsewhere(site):
    for page in pages(site):
        text = page.read_text()
        links = Links(text)
        assert not links.inline, page
        for link in links.found:
            if link.startswith(("http:", "https:")):
                assert re.search(rf'<a href="{re.escape(link)}" rel="noreferrer"', text), (page, link)
                continue
            path = link.partition("#")[0].partition("?")[0]
            assert not path.startswith("/"), (page, link)
            assert not path or (page.parent / path).resolve().is_file(), (page, link)
    for asset in (site / "assets").iterdir():
        assert not re.search(r"https?://(?!www\.w3\.org)", asset.read_text()), asset


def test_hostile_text_stays_text(site):
    for page in pages(site):
        text = page.read_text()
        assert "<script>document" not in text and "<img src=x" not in text and "<b>" not in text
    assert any("&lt;script&gt;" in p.read_text() for p in pages(site))
    assert not list(site.parent.glob("x*"))


def test_numbers_are_those_of_the_statistics(site):
    results = site.parent / "results"
    with Store(results) as store:
        runs = {(r["method"], r["model"], r["data"], r["task"]): r["run"] for r in store.query("SELECT * FROM runs")}
    a, b = runs["vanilla", "tiny", "embedded", "quiz"], runs["vista", "tiny", "embedded", "quiz"]
    rows = [samples(results, name) for name in (a, b)]
    x, y = ([r["scores"]["correct"] for r in part] for part in rows)
    expected = paired_mean(x, y, [r["cluster"] for r in rows[0]])
    found = json.loads((site / "data" / "compare" / f"{a}.json").read_text())["others"][b][0]
    group, value, low, high, p, n, worse, better = found
    assert (group, n, worse, better) == ("all", 240, expected.right_to_wrong, expected.wrong_to_right)
    assert (value, low, high, p) == pytest.approx((expected.value, expected.low, expected.high, expected.p), rel=1e-5)


def test_the_page_of_samples_names_states_as_the_build_does(site):
    found = re.search(r"const WORDS = \{(.*?)\};", (site / "assets" / "filter.js").read_text())
    assert found and dict(re.findall(r'"?([\w-])"?: "([^"]+)"', found[1])) == WORDS


def test_what_the_judged_score_does_not_count_is_neither_right_nor_wrong(tmp_path):
    """MMNeedle's searches without a needle: `exact` is a share of the others."""
    results = tmp_path / "results"
    words = ["task=mmneedle", "task.data=embedded", "model=oracle", "limit=20", "logger=quiet", f"results={results}"]
    assert main(["eval", *words]) == 0
    build(results, tmp_path / "out", with_pictures=False)
    (path,) = (tmp_path / "out" / "data" / "runs").glob("*/index.json")
    state = json.loads(path.read_text())["state"]
    (journal,) = (results / "runs").glob("*/samples.jsonl")
    present = [json.loads(line)["scores"]["present"] for line in journal.read_text().splitlines()]
    assert (state.count("1"), state.count("n")) == (present.count(1.0), present.count(0.0)) and "n" in state
    assert "not counted by exact" in next((tmp_path / "out" / "run").glob("*.html")).read_text()


def test_what_is_not_ranked_is_said(site):
    text = (site / "task" / "quiz-embedded.html").read_text()
    assert "Shown, not ranked" in text and "dola on tiny</a>: incomplete" in text
    chance = json.loads(
        next((site.parent / "results/runs").glob("quiz-embedded-vanilla-chance-*/metrics.json")).read_text()
    )
    assert f"Chance level, measured: {chance[0]['value']:.3f}." in text
    assert "scored from outputs" in (site / "task" / "quiz-coco.html").read_text()


def test_embedded_and_official_never_share_a_ranking(site):
    index = (site / "index.html").read_text()
    assert "embedded" in index and "quiz-coco" not in index
    assert "quiz-embedded" not in (site / "overview" / "tiny-official.html").read_text()


def test_the_overview_sums_up(site):
    """Ranks, wins and losses, shades, the extremes and the newest regression, all of them from the data."""
    text = (site / "index.html").read_text()
    row = re.search(r'<tr><th scope="row"><a href="method/vista.html">.*?</tr>', text, re.DOTALL)
    assert row and re.search(r'class="value">1.0</span> <span class="range">\[1.0, ', row[0])
    assert re.search(r'class="tally better">2<', row[0]) and 'class="up4"' in row[0]
    assert re.search(r'Largest gain</span> <a href="method/vista.html">vista</a> on <a href="task/quiz', text)
    assert re.search(r'Largest loss</span> <a href="method/vcd.html">vcd</a> on <a href="task/quiz', text)
    assert '<meta property="og:title" content="' in text and '<meta name="description" content="What' in text


def test_partial_draws_stand_apart_and_single_columns_are_folded(tmp_path):
    for method in ("vanilla", "vista"):
        run(tmp_path, method, 0.5)
        run(tmp_path, method, 0.5, limit=24, n=24, day=2)
    run(tmp_path, "vanilla", 0.5, task="lonely")
    ingest(tmp_path)
    build(tmp_path, tmp_path / "out")
    table, _, after = (tmp_path / "out/index.html").read_text().partition("</table>")
    assert "quiz-embedded.html" in table and "quiz-embedded-24" not in table and "lonely" not in table
    assert "1 apart: parts of the records" in after and "1 task with one method only" in after


def test_history_shows_the_step(site):
    text = (site / "history" / "quiz.html").read_text()
    assert "better" in text and "0.6" in text and "since" in text and "<svg" in text
    points = re.findall(r'<a href="\.\./run/quiz-embedded-vanilla-old-0\d00\d\d\.html" aria-label="2026-01-0\d ', text)
    assert len(points) == 2 * 2 * 6  # scores and speed, as a desk and as a phone shows them
    names = re.findall(r"<section><h2>(.*?)</h2>", text)  # settings that have been run once have no figure
    assert names == ["embedded vanilla old accuracy", "embedded vanilla old seconds"] and "2026-01-05" in text


def test_commits_are_linked_where_a_remote_is_known(workdir):
    subprocess.run(["git", "init", "--quiet"], check=True)
    subprocess.run(["git", "remote", "add", "origin", "git@github.com:owner/name.git"], check=True)
    run(Path("results"), "vanilla", 0.5)
    assert main(["ingest"]) == 0 and main(["site", "build", "--out", "out"]) == 0
    (page,) = Path("out/run").iterdir()
    assert f'<a href="https://github.com/owner/name/commit/{"a" * 40}" rel="noreferrer"' in page.read_text()


def test_a_comparison_is_judged_as_in_the_ranking(site):
    """Holm over the methods of the model, as the mark beside the method; over all pairs of the model for two others."""
    folder = site / "data" / "compare"
    runs = json.loads((site / "data/boards/quiz-embedded/index.json").read_text())["runs"]
    slugs = {(r["method"], r["model"]): r for r in runs}
    base, vista, pai = (slugs[m, "tiny"] for m in ("vanilla", "vista", "pai"))
    found = json.loads((folder / f"{base['slug']}.json").read_text())
    p, family = found["corrected"][pai["run"]]
    raw = sorted(found["others"][slugs[m, "tiny"]["run"]][0][4] for m in ("vista", "vcd", "pai"))
    assert p == pytest.approx(max((3 - i) * q for i, q in enumerate(raw[: raw.index(raw[-1]) + 1])), rel=1e-4)
    assert found["families"][family] == "the runs against vanilla on tiny, as in the ranking"
    back = json.loads((folder / f"{pai['slug']}.json").read_text())
    assert back["corrected"][base["run"]][0] == p
    assert back["families"][back["corrected"][vista["run"]][1]] == "all pairs on tiny, as in the ranking"
    assert back["families"][back["corrected"][slugs["vcd", "large"]["run"]][1]] == "all pairs of these records"


def test_the_index_of_words(site, tmp_path, monkeypatch):
    """Positions are those of the items; words that most samples have narrow nothing down; files are bounded."""
    monkeypatch.setattr(search, "SHARD", 40)
    run(tmp_path, "vanilla", 0.5, n=12, question="Is there a dog?")
    journal = next(tmp_path.glob("runs/*/samples.jsonl"))
    rows = [json.loads(line) for line in journal.read_text().splitlines()]
    for i in (3, 7):
        rows[i]["answer"] = "Zebra, Ünal; zebra " + "x" * 41
    journal.write_text("".join(json.dumps(r) + "\n" for r in rows))
    ingest(tmp_path)
    build(tmp_path, tmp_path / "out")
    folder = tmp_path / "out/data/boards/quiz-embedded/words"
    first = json.loads((folder / "index.json").read_text())["first"]
    shards = [json.loads((folder / f"{n}.json").read_text()) for n in range(len(first))]
    assert len(first) > 1 and [s[0][0] for s in shards] == first
    words = dict(w for s in shards for w in s)
    ids = [r[0] for r in json.loads((folder.parent / "0.json").read_text())]
    assert [ids[3], ids[7]] == ["q3", "q7"]
    assert words["zebra"] == words["ünal"] == [3, 4] and words["dog"] == [] and "x" * 41 not in words


def test_no_directory_of_the_machine_is_published(site):
    assert not [p for p in pages(site) if "/home/someone" in p.read_text()]


def test_a_task_offers_every_metric_with_levels(site):
    text = (site / "task" / "quiz-embedded.html").read_text()
    chosen = re.findall(r'<option value="([^"]+)"', text)
    found = json.loads((site / "data/metrics/quiz-embedded.json").read_text())
    assert chosen == ["accuracy|all", *(f"accuracy|{g}" for g in ("random", "popular", "adversarial"))]
    assert set(found) == set(chosen) and len(found["accuracy|popular"]["runs"]) == 14
    (line, *_), *_ = found["accuracy|all"]["levels"].values()
    assert line[0] == "chance" and f"chance, measured: {line[1]:.3f}" in text
    assert text.count('class="level chance"') > 8 and 'class="axis"' in text


def test_errors_are_grouped_with_traceback_and_first_sample(site):
    (path,) = (site / "run").glob("quiz-embedded-dola-tiny-*.html")
    text = path.read_text()
    assert "12 samples have no score, for 1 kind of reason" in text and "<strong>12 ×</strong> Unusable" in text
    assert "show=e&amp;id=q0" in text and "File &#34;.../play.py&#34;" in text and "/home/someone" not in text
    task = (site / "task" / "quiz-embedded.html").read_text()
    assert re.search(r"<td>12</td><td><strong>Unusable</strong>", task)


def test_how_to_reproduce(site):
    task = (site / "task" / "quiz-embedded.html").read_text()
    assert "harness eval task=quiz method=pai method.pai.alpha=0.9\n" in task
    task = (site / "task" / "captions-embedded.html").read_text()
    assert "harness eval task=captions method=vista\n" in task and "played with commit aaaaaaaaaa" in task


def test_groups_are_summed_up(site):
    text = (site / "task" / "quiz-embedded.html").read_text()
    table = re.search(r'data-table="groups">.*?</table>', text, re.DOTALL)
    assert table and re.findall(r'<th scope="row">(\w+)</th><td>(\d+)</td>', table[0]) == [
        ("all", "240"),
        ("random", "80"),
        ("popular", "80"),
        ("adversarial", "80"),
    ]


def test_downloads(site):
    rows = list(csv.DictReader((site / "data" / "leaderboard.csv").read_text().splitlines()))
    table = pq.read_table(site / "data" / "leaderboard.parquet")
    assert len(rows) == table.num_rows == RUNS * 4
    assert {r["origin"] for r in rows} == {"measured", "scored"}
    with duckdb.connect(str(site / "data" / "harness.duckdb"), read_only=True) as connection:
        assert connection.execute("select count(*) from runs").fetchone() == (RUNS,)
    assert "eprint = {2502.03628}" in (site / "cite" / "method-vista.bib").read_text()


def test_equal_stores_give_equal_bytes(site, tmp_path):
    build(site.parent / "results", tmp_path / "again")
    assert digest(site) == digest(tmp_path / "again")


def digest(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in folder.rglob("*")
        if p.is_file()
    }


def test_an_empty_store_is_a_helpful_page(workdir, capsys):
    assert main(["site", "build", "--out", "out"]) == 0
    assert "harness eval method=vanilla task=pope" in Path("out/index.html").read_text()
    assert main(["site", "build", "--out", "out"]) == 0  # the next build replaces it


def test_one_run(workdir):
    run(Path("results"), "vanilla", 0.5)
    assert main(["ingest"]) == 0
    assert main(["site", "build"]) == 0
    assert "vanilla" in Path("results/site/index.html").read_text()


def test_only_failed_and_reference_runs(workdir):
    run(Path("results"), "vanilla", 0.5, model="chance")
    run(Path("results"), "vista", 0.5, status="failed")
    assert main(["ingest"]) == 0
    assert main(["site", "build"]) == 0
    assert "failed" in Path("results/site/task/quiz-embedded.html").read_text()


def test_a_foreign_folder_is_not_replaced(workdir, capsys):
    Path("mine").mkdir()
    Path("mine/file").write_text("keep")
    assert main(["site", "build", "--out", "mine"]) == 2
    assert "is not a site of harness" in capsys.readouterr().err and Path("mine/file").read_text() == "keep"


def test_submit(workdir, capsys):
    good = run(Path("results"), "vista", 0.7)
    bad = run(Path("results"), "vcd", 0.7, errors=12, limit=240, environment={})
    assert main(["submit", good]) == 0
    assert "/home/someone" not in Path(f"results/submitted/runs/{good}/run.json").read_text()
    assert main(["submit", bad]) == 2
    err = capsys.readouterr().err
    for words in ("5.0% of its samples", "without limit=", "does not say what it ran on", "names no commit"):
        assert words in err
    assert not Path(f"results/submitted/runs/{bad}").exists()
    assert main(["ingest", "--results", "results/submitted"]) == 0
    assert main(["site", "build", "--results", "results/submitted", "--out", "out"]) == 0
    assert "vista" in Path("out/index.html").read_text()
    shutil.rmtree("results/submitted")
    assert main(["submit", good, "--check"]) == 0 and not Path("results/submitted").exists()


def test_real_runs_come_with_their_pictures(workdir):
    """From the command line to the pages: two methods on two tasks."""
    assert main(["eval", "-m", "task=pope", "method=vanilla,vista", "limit=36", "logger=quiet"]) == 0
    assert main(["eval", "task=chair", "limit=6", "logger=quiet"]) == 0
    assert main(["site", "build", "--out", "out"]) == 0
    (page,) = Path("out/data/boards/pope-embedded-36").glob("0.json")
    items = json.loads(page.read_text())
    assert len(items) == 36 and all(files for *_, files in items)
    for file in {f for *_, files in items for f in files}:
        assert Path("out", file).read_bytes()[:4] == b"RIFF"
    assert "vista" in Path("out/index.html").read_text()
    assert main(["site", "build", "--out", "out", "--no-pictures"]) == 0
    assert not Path("out/pictures").exists()


def asked(folder: str, part: str = "boards", chunk: int = 0):
    (path,) = Path("out/data", part).glob(f"{folder}/seen/{chunk}.json")
    return json.loads(path.read_text())


def test_a_sample_comes_with_its_prompt_what_is_drawn_and_its_steps(workdir):
    assert main(["eval", "task=screenspot", "model=oracle", "limit=4", "logger=quiet"]) == 0
    assert main(["eval", "task=vic_bench", "task.stages=[3]", "model=oracle", "limit=4", "logger=quiet"]) == 0
    assert main(["eval", "task=niah", "model=oracle", "limit=40", "logger=quiet"]) == 0
    assert main(["site", "build", "--out", "out"]) == 0
    (role, (picture, text)), marks = asked("screenspot-embedded-6")[0][0][0], asked("screenspot-embedded-6")[0][1]
    assert (role, picture) == ("user", 0) and "Instruction: " in text and marks[0]["label"] == "target"
    answer = asked("screenspot-embedded-vanilla-oracle-*", "runs")[0]
    assert "outdated" not in answer and "changed" not in answer
    assert [m["role"] for m in answer["marks"]] == ["target", "right"] and answer["details"]["format"]
    index = json.loads(next(Path("out/data/runs").glob("screenspot*/index.json")).read_text())
    assert index["chunks"] == [0]
    steps = next(r for r in asked("vic_bench-embedded-vanilla-oracle-*", "runs") if len(r["steps"]) > 2)["steps"]
    assert all(s["action"].startswith(("ACTION: ", "FINAL: ")) and Path("out", s["picture"]).is_file() for s in steps)
    assert len({s["picture"] for s in steps}) > 2 and steps[1]["told"] == "Done."
    board = json.loads(Path("out/data/boards/niah-embedded-40/index.json").read_text())
    assert board["places"]["names"] == ["length", "depth"] and board["places"]["columns"][0] == "512"
    assert len(board["places"]["at"]) == 2 * board["count"] and board["first"][0]


def test_a_prompt_that_the_task_no_longer_asks_is_named(workdir):
    assert main(["eval", "task=screenspot", "model=oracle", "limit=4", "logger=quiet"]) == 0
    (journal,) = Path("results/runs").glob("*/samples.jsonl")
    rows = [json.loads(line) for line in journal.read_text().splitlines()]
    for row in rows:
        row.pop("crc32")
        row["prompt"] = "0" * 64
    journal.write_text("".join(json.dumps(row) + "\n" for row in rows))
    build(Path("results"), Path("out"))
    assert all(answer["outdated"] for answer in asked("screenspot-*", "runs"))


def test_thinking_is_shown_as_the_model_gave_it(tmp_path):
    name = run(tmp_path / "results", "vanilla", 0.6, n=30)
    journal = tmp_path / "results" / "runs" / name / "samples.jsonl"
    rows = [json.loads(line) for line in journal.read_text().splitlines()]
    rows[25]["replies"] = [["<think>a dog?</think>yes", 9, 7, "stop"]]
    journal.write_text("".join(json.dumps(r) + "\n" for r in rows))
    build(tmp_path / "results", tmp_path / "out")
    data = tmp_path / "out" / "data" / "runs" / name
    assert json.loads((data / "index.json").read_text())["chunks"] == [1]
    assert json.loads((data / "seen" / "1.json").read_text())[5] == {"raw": ["<think>a dog?</think>yes"]}


THIRD = """_target_: mine.Mine
kind: pipeline
card:
  title: Mine
  verified:
    level: function
    repository: https://github.com/someone/<b>
    commit: %s
    difference: <i>0.1</i>
    note: <script>document.title='owned'</script>.
"""


def test_methods_show_how_far_they_are_verified(workdir):
    """As text and shape, with the code at the commit, for single and composed methods; unknown ones have no badge."""
    Path("plugins").mkdir()
    Path("plugins/mine.yaml").write_text(THIRD % ("b" * 40))
    for method in ("vanilla", "vista+iri", "mine", "gone"):
        run(Path("results"), method, 0.5)
    assert main(["ingest"]) == 0
    build(Path("results"), Path("out"), plugin_folders=["plugins"])
    page = Path("out/method/vista-iri.html").read_text()
    link = "https://github.com/LzVv123456/VISTA/tree/dc6225260d0e54997d6c597e3c977113c606bff6"
    for text in (page, Path("out/methods.html").read_text()):
        assert f'href="{link}" rel="noreferrer" class="source code">LzVv123456/VISTA@dc62252</a>' in text
    assert badges(page) == ["end to end", "formulas only"]
    assert "largest difference: " in page and "32-layer model" in page
    assert badges(Path("out/methods.html").read_text()) == ["none", "function", "end to end", "formulas only"]
    assert badges(Path("out/method/gone.html").read_text()) == []
    mine = Path("out/method/mine.html").read_text()
    assert badges(mine) == ["function"] and "<script>document" not in mine and "<i>" not in mine
    for name in ("index", "task/quiz-embedded", "model/tiny"):
        marks = re.findall(r"<title>verified: ([a-z ]+)</title>", Path(f"out/{name}.html").read_text())
        assert sorted(marks) == ["end to end", "formulas only", "function"], name
    about = Path("out/about.html").read_text()
    assert 'id="verified"' in about and badges(about) == list(LEVELS)
    shapes = re.findall(r"(<svg class=.mark.*?</svg>)", about, re.DOTALL)
    assert len(set(shapes)) == len(LEVELS)


def test_cards_come_from_the_folders_of_the_runs(workdir):
    """A plug-in that cannot be read any more costs its card alone."""
    for name, text in (("mine", THIRD % ("b" * 40)), ("torn", "_target_: [")):
        Path(name).mkdir()
        Path(name, f"{name}.yaml").write_text(text)
    config = {"task": {"name": "quiz", "data": "embedded"}, "model": {"name": "tiny"}}
    for method, folder in (("mine", "mine"), ("torn", "torn"), ("gone", "gone")):
        run(Path("results"), method, 0.5, config={**config, "plugins": [folder]})
    assert main(["ingest"]) == 0
    said: list[str] = []
    build(Path("results"), Path("out"), say=said.append)
    assert badges(Path("out/method/mine.html").read_text()) == ["function"]
    assert badges(Path("out/method/torn.html").read_text()) == []
    (line,) = [s for s in said if "without its card" in s]
    assert "torn.yaml, line" in line


def badges(text: str) -> list[str]:
    return re.findall(r'class="badge [^>]*>.*?</svg> verified: ([a-z ]+)<', text, re.DOTALL)

"""The site in a real browser: Debian's Chromium through Playwright, under its own Content-Security-Policy."""

from __future__ import annotations

import os
import re
import shutil
import threading
from pathlib import Path

import pytest

from harness.cli import main
from harness.leaderboard.build import build
from harness.leaderboard.serve import Handler, server
from harness.leaderboard.view import View, write
from harness.runs.stored import stored
from tests.leaderboard.made import board, run
from tests.leaderboard.probed import read
from tests.leaderboard.test_view import going

playwright = pytest.importorskip("playwright.sync_api")
BROWSER = os.environ.get("HARNESS_CHROMIUM") or shutil.which("chromium-headless-shell") or shutil.which("chromium")
pytestmark = pytest.mark.skipif(not BROWSER, reason="no Chromium: apt-get install chromium-headless-shell")

KINDS = (
    "index.html",
    "tasks.html",
    "task/quiz-embedded.html",
    "task/quiz-coco.html",
    "methods.html",
    "method/vista.html",
    "models.html",
    "model/tiny.html",
    "RUN",
    "samples.html",
    "search.html?q=dog",
    "sample.html?board=quiz-embedded&id=q1",
    "compare.html",
    "history.html",
    "history/quiz.html",
    "downloads.html",
    "about.html",
    "overview/tiny-official.html",
    "probes.html",
    "probe/image_attention.html",
    "PROBED",
)


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """Below a sub-path, as on GitHub Pages."""
    place = tmp_path_factory.mktemp("web")
    results = board(place / "results")
    for method, shift in (("image_attention", 0.0), ("gift+image_attention", 0.2)):
        name = run(results, method, 0.6, task="looks", model="seen", n=60)
        read(results / "runs" / name, shift, [f"q{i}" for i in range(60)])
    build(results, place / "www" / "some" / "where")
    return place / "www"


@pytest.fixture(scope="module")
def address(site):
    with server(site, 0) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{made.server_port}/some/where/"
        made.shutdown()


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as play:
        made = play.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield made
        made.close()


@pytest.fixture
def page(browser, request):
    """A page of a context of its own that fails the test on any console error, exception or foreign request."""
    context = browser.new_context(**getattr(request, "param", {}))
    page, faults = context.new_page(), []
    page.on("console", lambda m: faults.append(m.text) if m.type in ("error", "warning") else None)
    page.on("pageerror", lambda e: faults.append(str(e)))
    page.on("request", lambda r: None if r.url.startswith("http://127.0.0.1:") else faults.append(r.url))
    yield page
    context.close()
    assert not faults


def a_run(site: Path, pattern: str) -> str:
    (path,) = (site / "some" / "where" / "run").glob(pattern)
    return f"run/{path.name}"


def at(site: Path, kind: str) -> str:
    """The address of a kind of page."""
    runs = {"RUN": "quiz-embedded-dola-tiny-*", "PROBED": "looks-embedded-gift-*"}
    return a_run(site, runs[kind]) if kind in runs else kind


def see(page, address: str, path: str) -> None:
    page.goto(address + path)
    page.wait_for_load_state("networkidle")


BY_COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
"""The rules that find something else in the dark: nothing but colours differs."""


@pytest.mark.parametrize("kind", KINDS)
def test_axe_finds_nothing(browser, site, address, kind):
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(bypass_csp=True)  # axe is injected as a script
    page = context.new_page()
    see(page, address, at(site, kind))
    for scheme, rules in (("light", None), ("dark", BY_COLOURS)):
        page.emulate_media(color_scheme=scheme)
        found = Axe().run(page, options=rules)
        assert not found.response["violations"], found.generate_report()
        assert found.response["passes"], "something was looked at"
    context.close()


@pytest.mark.parametrize("page", [{"viewport": {"width": 360, "height": 740}}], indirect=True)
def test_nothing_is_wider_than_a_phone(page, site, address):
    for kind in KINDS:
        see(page, address, at(site, kind))
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, kind


@pytest.mark.parametrize("page", [{"viewport": {"width": 390, "height": 900}}], indirect=True)
def test_the_menu_folds_on_a_phone(page, address):
    see(page, address, "index.html")
    link = page.get_by_role("navigation", name="Site").get_by_role("link", name="Methods")
    menu = page.get_by_role("button", name="Menu")
    assert not link.is_visible() and menu.get_attribute("aria-expanded") == "false"
    menu.click()
    assert link.is_visible() and menu.get_attribute("aria-expanded") == "true"
    page.keyboard.press("Escape")
    assert not link.is_visible()
    text = page.locator("svg.plot text.name:visible").first
    assert text.evaluate("t => t.getBoundingClientRect().height") >= 11  # readable, not scaled down


def methods(page, table: str = "matrix") -> list[str]:
    return page.locator(f"table[data-table={table}] tbody tr:visible th").all_inner_texts()


def test_a_badge_leads_to_what_it_means_and_to_the_code(page, address):
    see(page, address, "method/vista.html")
    code = page.get_by_role("link", name="LzVv123456/VISTA@dc62252")
    assert code.get_attribute("href").endswith("/VISTA/tree/dc6225260d0e54997d6c597e3c977113c606bff6")
    page.get_by_role("link", name="verified: end to end").click()
    page.wait_for_url("**/about.html#verified")
    assert page.locator("#verified").is_visible()
    see(page, address, "index.html")
    assert page.get_by_role("row", name="vista").get_by_role("img", name="verified: end to end").is_visible()


def test_sorting_is_kept_in_the_address(page, address):
    see(page, address, "index.html")
    before = methods(page)
    assert before[0] == "vanilla"
    page.get_by_role("button", name="Sort by quiz / embedded").click()
    down = methods(page)
    assert down[0] == "vista" and down != before
    assert page.locator("th[aria-sort=descending]").count() == 1
    page.reload()
    assert methods(page) == down
    page.get_by_role("button", name="Sort by quiz / embedded").click()
    assert methods(page)[0] == "vcd"
    page.get_by_role("button", name="Sort by quiz / embedded").click()
    assert methods(page) == before and "sort" not in page.url


def test_filtering_and_columns_are_kept_in_the_address(page, address):
    see(page, address, "index.html")
    page.get_by_label("Filter").fill("vi")
    assert methods(page) == ["vista"] and page.locator("[data-count]").inner_text().startswith("1 of")
    page.get_by_text("Columns").click()
    page.get_by_role("checkbox", name="captions / embedded").uncheck()
    assert page.get_by_role("columnheader").count() == 4
    page.reload()
    assert methods(page) == ["vista"] and page.get_by_role("columnheader").count() == 4


def test_another_metric_of_a_ranking(page, address):
    see(page, address, "task/quiz-embedded.html")
    row = page.locator("table.ranking[data-model=tiny] tbody tr").filter(has_text="vista")
    before = row.inner_text()
    page.locator("select[name=metric]").select_option("accuracy|popular")
    playwright.expect(row.locator("[data-rank]")).to_have_text("–")
    assert "not tested" in row.inner_text() and "metric=accuracy" in page.url
    assert page.locator("table.ranking[data-model=tiny] [data-title]").inner_text() == "accuracy, popular ↑"
    page.reload()
    playwright.expect(row.locator("[data-rank]")).to_have_text("–")
    page.locator("select[name=metric]").select_option("accuracy|all")
    playwright.expect(row).to_have_text(before, use_inner_text=True)
    assert "metric=" not in page.url


def test_keyboard(page, address):
    see(page, address, "index.html")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.get_by_role("button", name="Sort by quiz / embedded").focus()
    page.keyboard.press("Enter")
    assert methods(page)[0] == "vista"


def test_samples_are_paged_filtered_and_never_markup(page, site, address):
    loaded = []
    page.on("request", lambda r: loaded.append(r.url))
    run = a_run(site, "quiz-embedded-vista-tiny-*").removeprefix("run/").removesuffix(".html")
    see(page, address, f"samples.html?run={run}")
    assert page.locator("#summary").inner_text() == "240 of 240 samples"
    assert page.locator("li.sample").count() == 20
    assert "<script>document.title" in page.locator("li.sample .answer").nth(1).inner_text()
    assert "owned" not in page.title()
    assert not [u for u in loaded if u.endswith("/1.json")]  # only what is shown is loaded
    page.get_by_role("button", name="Next").click()
    page.get_by_text("Page 2 of 12").wait_for()
    assert page.locator("li.sample .id").first.inner_text().startswith("q20")
    page.reload()
    page.get_by_text("Page 2 of 12").wait_for()
    page.get_by_label("Show").select_option("0")
    page.locator("li.sample.s-wrong >> nth=19").wait_for()
    assert page.locator("li.sample.s-right").count() == 0
    page.get_by_label("Group").select_option("popular")
    page.get_by_label("Find").fill("q4")
    playwright.expect(page.locator("#summary")).to_have_text(re.compile(r"^\d of 240 samples"))
    assert 0 < page.locator("li.sample").count() < 10
    assert all("popular" in t and t.startswith("q4") for t in page.locator("li.sample .id").all_inner_texts())


def test_flips_of_two_methods(page, site, address):
    see(page, address, "compare.html")
    page.get_by_label("Records").select_option("quiz-embedded")
    page.wait_for_load_state("networkidle")
    page.locator("select[name=a]").select_option(label="vanilla, tiny")
    page.locator("select[name=b]").select_option(label="vista, tiny")
    page.locator("#result table").wait_for()
    assert "is better than A" in page.locator("#summary").inner_text()
    gained = int(page.locator("#result tbody tr").first.locator("td").last.inner_text())
    assert gained > 10
    page.locator("#result tbody tr").first.locator("td").last.get_by_role("link").click()
    page.wait_for_load_state("networkidle")
    assert page.locator("#summary").inner_text() == f"{gained} of 240 samples"
    shown = page.locator("li.sample").first
    assert "vanilla, tiny: wrong" in shown.inner_text() and "vista, tiny: right" in shown.inner_text()


def test_search_finds_what_some_run_said(page, address):
    see(page, address, "search.html")
    page.get_by_label("Words").fill("owned ale")
    playwright.expect(page.locator("#summary")).to_have_text(re.compile("[1-9] samples?$"))
    assert page.locator("li.hit mark").first.inner_text() in ("owned", "alert")
    assert "owned" not in page.title() and "q=owned+ale" in page.url
    page.get_by_label("Records").select_option("quiz-embedded")
    playwright.expect(page.locator("#summary")).to_have_text("1 sample")
    page.locator("li.hit a").first.click()
    page.wait_for_url("**/sample.html?*id=q1")
    see(page, address, "search.html?q=nowhere")
    playwright.expect(page.locator("#summary")).to_have_text("0 samples")


def test_errors_and_what_is_not_ranked(page, site, address):
    run = a_run(site, "quiz-embedded-dola-tiny-*")
    see(page, address, run)
    assert "12 samples have no score" in page.locator("main").inner_text()
    see(page, address, f"samples.html?run={run.removeprefix('run/').removesuffix('.html')}&show=e")
    assert page.locator("#summary").inner_text() == "12 of 240 samples"
    assert "Unusable: no picture" in page.locator("li.sample .answer").first.inner_text()


def test_the_theme_is_kept(page, address):
    see(page, address, "index.html")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.get_by_role("button", name="Switch between light and dark").click()
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.reload()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == dark != light
    page.emulate_media(media="print")  # a dark page is printed on white, without what only a screen can use
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.get_by_role("navigation", name="Site").is_visible()


@pytest.mark.parametrize("page", [{"java_script_enabled": False}], indirect=True)
def test_the_core_reads_without_javascript(page, site, address):
    page.goto(address + "index.html")
    text = page.locator("main").inner_text()
    assert "vista" in text and re.search(r"0\.\d{3} \[0\.\d{3}, 0\.\d{3}\]", text)
    assert not page.get_by_label("Filter").is_visible()
    page.goto(address + "task/quiz-embedded.html")
    assert page.locator("svg.plot").count() >= 1 and "Against vanilla" in page.locator("main").inner_text()
    page.goto(address + a_run(site, "quiz-embedded-vista-tiny-*"))
    assert page.locator("li.sample").count() == 10
    page.goto(address + "samples.html")
    assert "needs JavaScript" in page.locator("noscript").inner_text()


def test_a_first_page_is_small(page, address):
    sizes = []
    page.on("response", lambda r: sizes.append(len(r.body())))
    see(page, address, "index.html")
    assert sum(sizes) < 150_000


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """Runs of the package's own records, as `harness view` shows them and as a site; the oracle answers both."""
    place = tmp_path_factory.mktemp("real")
    results = f"results={place / 'results'}"
    assert main(["eval", "task=screenspot", "model=oracle", "limit=6", "logger=quiet", results]) == 0
    assert main(["eval", "task=screenspot", "model=chance", "limit=6", "logger=quiet", results]) == 0
    assert main(["eval", "task=screenspot", "model=oracle", "method=cot", "limit=6", "logger=quiet", results]) == 0
    for made in stored(place / "results"):
        read(made.directory.path, 0.3 * (made.record.method == "cot"), [r.id for r in made.results()])
    assert main(["eval", "task=vic_bench", "task.stages=[3]", "model=oracle", "limit=3", "logger=quiet", results]) == 0
    build(place / "results", place / "site")
    write(place / "pages", place / "results")
    view = type("Viewer", (Handler,), {"made": staticmethod(View(place / "results").answer)})
    with server(place / "site", 0) as built, server(place / "pages", 0, view) as live:
        for made in (built, live):
            threading.Thread(target=made.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{built.server_port}/", f"http://127.0.0.1:{live.server_port}/"
        built.shutdown()
        live.shutdown()


def test_a_sample_has_a_page_of_its_own(page, real):
    see(page, real[0], "samples.html?board=screenspot-embedded-6")
    page.locator("li.sample .id a").first.click()
    page.locator(".stage img").first.wait_for()
    first = page.url
    assert page.locator(".stage .d-box").count() == 1 and page.locator(".stage .d-point").count() == 1
    box, sheet = (page.locator(s).bounding_box() for s in (".stage .d-box", ".stage .sheet"))
    assert sheet["x"] <= box["x"] and box["x"] + box["width"] <= sheet["x"] + sheet["width"] + 2
    assert "Instruction:" in page.locator(".prompt").inner_text()
    assert page.locator(".beside li.sample").count() == 2
    page.get_by_role("button", name="Larger").click()
    assert page.locator(".stage .sheet").bounding_box()["width"] > 1.9 * sheet["width"]
    page.get_by_label("boxes and clicks").uncheck()
    assert page.locator(".stage .drawn").count() == 0
    page.locator("h1").click()
    page.keyboard.press("ArrowRight")
    page.wait_for_url(lambda url: url != first)
    page.locator(".stage img").first.wait_for()
    page.keyboard.press("k")
    page.wait_for_url(first)


def test_attention_lies_over_the_picture_layer_by_layer(page, real):
    see(page, real[0], "samples.html?board=screenspot-embedded-6")
    found = page.evaluate("""async () => {
        const index = await (await fetch('data/boards/screenspot-embedded-6/index.json')).json();
        const of = index.runs.find((r) => r.method === 'cot').slug;
        const [first] = (await (await fetch(`data/runs/${of}/index.json`)).json()).maps;
        return [of, (await (await fetch('data/boards/screenspot-embedded-6/0.json')).json())[first][0]];
    }""")
    see(page, real[0], f"sample.html?board=screenspot-embedded-6&run={found[0]}&id={found[1]}")
    panels = page.locator(".looked figure")
    assert [panels.nth(i).locator("strong").inner_text() for i in range(3)] == ["vanilla", "cot", "Difference"]
    assert "of it in the boxes" in panels.nth(0).inner_text() and panels.locator(".d-box").count() == 3
    sheet, canvas = (panels.nth(0).locator(s).bounding_box() for s in (".sheet", "canvas"))
    assert canvas["width"] == pytest.approx(sheet["width"], abs=1)
    assert canvas["height"] == pytest.approx(sheet["height"] / 2, abs=1), "the part that the map covers"
    assert canvas["y"] == pytest.approx(sheet["y"] + sheet["height"] / 4, abs=1)
    assert "1.2 in all" in panels.nth(2).inner_text(), "four cells of .3 more"
    before = panels.nth(0).inner_text()
    page.get_by_label("Layer").press("ArrowRight")
    page.wait_for_function("(old) => document.querySelector('.looked figure').innerText !== old", arg=before)


def test_an_episode_is_a_strip_of_steps(page, real):
    see(page, real[0], "sample.html?board=vic_bench-embedded-3")
    steps = page.locator(".episode li")
    assert steps.count() > 2 and steps.locator("img").count() == steps.count()
    assert steps.first.locator(".action").inner_text().startswith(("ACTION:", "FINAL:"))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_samples_and_in_the_view(browser, real, scheme):
    from axe_playwright_python.sync_playwright import Axe

    context = browser.new_context(color_scheme=scheme, bypass_csp=True)
    page = context.new_page()
    built, live = real
    for address in (
        f"{built}sample.html?board=screenspot-embedded-6",
        f"{built}sample.html?board=vic_bench-embedded-3",
        f"{live}index.html",
        f"{live}sample.html?board=screenspot-embedded-6",
        "RUN",
    ):
        if address == "RUN":
            page.goto(f"{live}index.html")
            page.locator("#runs a").first.click()
            page.locator("li.sample").first.wait_for()
        else:
            see(page, address, "")
        found = Axe().run(page)
        assert not found.response["violations"], f"{address}: {found.generate_report()}"
    context.close()


def test_the_view_follows_a_run_that_is_going_on(page, tmp_path):
    results = tmp_path / "results"
    name = going(results, 20)
    write(tmp_path / "pages", results)
    handler = type("Viewer", (Handler,), {"made": staticmethod(View(results).answer)})
    with server(tmp_path / "pages", 0, handler) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        page.goto(f"http://127.0.0.1:{made.server_port}/run.html?run={name}")
        playwright.expect(page.locator(".state-of-run")).to_contain_text("20 of 60 samples")
        assert page.locator("li.sample").count() == 12 and "so far" in page.locator(".figure-of-run").inner_text()
        path = results / "runs" / name / "samples.jsonl"
        with path.open("a") as file:
            file.write(path.read_text().splitlines(keepends=True)[0].replace('"q0"', '"q20"'))
        playwright.expect(page.locator(".state-of-run")).to_contain_text("21 of 60 samples", timeout=15_000)
        assert page.locator("li.sample .id a").first.inner_text() == "q20"
        made.shutdown()

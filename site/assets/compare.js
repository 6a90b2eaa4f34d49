// Two runs of one set of records: the differences that the build computed, and links to the samples that flipped.
import { scale } from "./bars.js";
import { element, failed, fill, labels, load, params, remember } from "./common.js";

const form = document.querySelector("#choose");
const summary = document.querySelector("#summary");
const result = document.querySelector("#result");
const signed = (x) => (x === null ? "–" : `${x < 0 ? "−" : "+"}${Math.abs(x).toFixed(4)}`);
const small = (p) => (p < 0.0001 ? "< 0.0001" : p.toFixed(4));

async function start() {
  const boards = await load("data/boards.json");
  if (!boards.length) { summary.textContent = "There are no runs yet."; return; }
  let board = params.get("board");
  if (params.get("a") && !board) board = (await load(`data/compare/${params.get("a")}.json`)).board;
  form.hidden = false;
  fill(form.elements.board, boards.map((b) => [b.slug, b.name]), board ?? boards[0].slug);
  form.addEventListener("change", (event) => { choose(event.target.name === "board").catch(failed); });
  await choose(true);
}

let latest = 0; // a choice that a later one overtook while it was loading writes nothing
let unfilled = false; // the runs to choose from are those of other records: nothing can be chosen yet

async function choose(fresh) {
  const mine = ++latest;
  const { board, a, b } = form.elements;
  unfilled ||= fresh;
  a.disabled = b.disabled = unfilled;
  const ranked = (await load(`data/boards/${board.value}/index.json`)).runs.filter((r) => r.ranked);
  if (mine !== latest) return;
  if (unfilled) {
    const names = labels(ranked);
    fill(a, names, params.get("a"));
    const known = names.some(([slug]) => slug === params.get("b"));
    fill(b, names, known ? params.get("b") : names.find(([slug]) => slug !== a.value)?.[0]);
    unfilled = a.disabled = b.disabled = false;
  }
  remember({ board: board.value, a: a.value, b: b.value });
  result.replaceChildren();
  if (a.value === b.value || !a.value) {
    summary.textContent = ranked.length < 2 ? "There are no two whole runs of these records yet." : "Choose two different runs.";
    return;
  }
  const left = await load(`data/compare/${a.value}.json`);
  if (mine !== latest) return;
  const right = ranked.find((r) => r.slug === b.value);
  const rows = left.others[right.run];
  const all = rows[0];
  const better = all[1] > 0 === left.higher;
  const [corrected, family] = left.corrected[right.run] ?? [null, 0];
  const certain = corrected !== null && corrected < 0.05 && all[1] !== 0;
  const how = corrected === null ? "" : ` p ${small(corrected)} after Holm's correction for ${left.families[family]}.`;
  summary.textContent = certain
    ? `B (${right.label}) is ${better ? "better" : "worse"} than A (${left.label}): ${left.metric} ${signed(all[1])}.${how}`
    : `${all[5]} samples do not show a difference in ${left.metric} between A (${left.label}) and B (${right.label}).${how}`;
  const { axis, bar } = scale([0, ...rows.flatMap(([, d, low, high]) => [d, low, high])]);
  const plot = element("span", {}, element("span", { class: "hidden" }, "Plot"), axis());
  const head = ["Group", "B − A", plot, "95 % interval", "p", "Samples", "Right to wrong", "Wrong to right"];
  const link = (group, show, count) => element("a", { href: `samples.html?${new URLSearchParams({ board: board.value, run: a.value, vs: b.value, ...(group === "all" ? {} : { group }), show })}` }, String(count));
  const body = rows.map(([group, d, low, high, p, n, worse, gain]) => element("tr", {},
    element("th", { scope: "row" }, group), element("td", {}, signed(d)),
    element("td", { class: "figure" }, ...(d === null ? [] : [bar(d, low, high, [["zero", 0]])])),
    element("td", {}, low === null ? "too few clusters" : `[${signed(low)}, ${signed(high)}]`),
    element("td", {}, p === null ? "–" : small(p)), element("td", {}, String(n)),
    element("td", {}, link(group, "10", worse)), element("td", {}, link(group, "01", gain))));
  const table = element("table", { class: "data" },
    element("thead", {}, element("tr", {}, ...head.map((h) => element("th", { scope: "col" }, h)))), element("tbody", {}, ...body));
  result.append(element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Differences" }, table));
}

start().catch(failed);

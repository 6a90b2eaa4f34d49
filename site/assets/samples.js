// Browse one run's samples, or two beside each other. Only the pages of JSON that are shown are loaded.
import { element, failed, fill, labels, load, params, remember } from "./common.js";
import { address, kind, matching, reachable, WORDS } from "./filter.js";
import { heat } from "./map.js";

const SIZE = 20;
const form = document.querySelector("#choose");
const list = document.querySelector("#list");
const pager = document.querySelector("#pager");
const summary = document.querySelector("#summary");
const map = document.querySelector("#map");
const FILTERS = [["", "all"], ["1", "right"], ["0", "wrong"], ["e", "errors"], ["n", "not counted"]];
const FLIPS = [["01", "wrong, right beside"], ["10", "right, wrong beside"], ["flip", "flips, both ways"], ["11", "both right"], ["00", "both wrong"]];

async function start() {
  const boards = await load("data/boards.json");
  if (!boards.length) { summary.textContent = "There are no runs yet."; return; }
  let board = params.get("board");
  if (params.get("run") && !board) board = (await load(`data/runs/${params.get("run")}/index.json`)).board;
  form.hidden = false;
  fill(form.elements.board, boards.map((b) => [b.slug, b.name]), board ?? boards[0].slug);
  form.addEventListener("change", (event) => { choose(event.target.name).catch(failed); });
  form.elements.find.addEventListener("input", () => { choose("find").catch(failed); });
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const button of pager.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      remember({ page: String(Number(params.get("page") ?? 0) + Number(button.dataset.step)) });
      show().then(() => summary.scrollIntoView()).catch(failed);
    });
  }
  await choose("start");
}

async function choose(changed) {
  const { board, run, vs, group, show: filter, find } = form.elements;
  const index = await load(`data/boards/${board.value}/index.json`);
  const first = changed === "start";
  const pick = (select, key) => (first ? params.get(key) : select.value) ?? "";
  if (first || changed === "board") {
    fill(run, labels(index.runs), pick(run, "run"));
    fill(group, [["", "all"], ...index.groups.map((g) => [g, g])], pick(group, "group"));
    fill(vs, [["", "nothing"], ...labels(index.runs)], pick(vs, "vs"));
    if (first) find.value = params.get("find") ?? "";
  }
  fill(filter, vs.value ? [...FILTERS, ...FLIPS] : FILTERS, pick(filter, "show"));
  remember({ board: board.value, run: run.value, vs: vs.value, group: group.value, show: filter.value, find: find.value, page: first ? params.get("page") : "" });
  await show();
}

let latest = 0; // a slow answer to an older choice must not overwrite a newer one

async function show() {
  latest += 1;
  const ticket = latest;
  const board = params.get("board");
  const index = await load(`data/boards/${board}/index.json`);
  const { found, state, other } = await matching(index);
  const pages = Math.max(1, Math.ceil(found.length / SIZE));
  const page = Math.min(Math.max(0, Number(params.get("page") ?? 0) || 0), pages - 1);
  const shown = found.slice(page * SIZE, (page + 1) * SIZE);
  const rows = await Promise.all(shown.map(async (i) => {
    const file = Math.floor(i / index.page);
    const at = i % index.page;
    const item = (await load(`data/boards/${board}/${file}.json`))[at];
    const answer = (await load(`data/runs/${params.get("run")}/${file}.json`))[at];
    const beside = other === null ? undefined : (await load(`data/runs/${params.get("vs")}/${file}.json`))[at];
    return card(item, answer, state[i], beside, other?.[i]);
  }));
  if (ticket !== latest) return;
  list.replaceChildren(...rows);
  map.hidden = !index.places;
  if (index.places) map.replaceChildren(map.firstElementChild, heat(index.places, state, null, (i) => { open(index, i).catch(failed); }));
  summary.textContent = `${found.length} of ${index.count} samples`;
  pager.hidden = pages < 2;
  pager.querySelector("span").textContent = `Page ${page + 1} of ${pages}`;
  const [back, on] = pager.querySelectorAll("button");
  back.disabled = page === 0;
  on.disabled = page === pages - 1;
  remember({ page: page ? String(page) : "" });
}

async function open(index, i) {
  const rows = await load(`data/boards/${params.get("board")}/${Math.floor(i / index.page)}.json`);
  location.href = address(rows[i % index.page][0]);
}

function card([id, , group, target, question, pictures], answer, state, beside, other) {
  const body = element("div", {},
    element("p", { class: "id" }, element("a", { href: address(id) }, id), " ", element("span", { class: "tag" }, group ?? ""), ...(pictures.length > 1 ? [" ", element("span", { class: "tag" }, `${pictures.length} pictures`)] : [])),
    element("p", { class: "question" }, question),
    element("p", {}, "Key: ", element("strong", {}, target)),
    ...said(answer, state, other === undefined ? "" : name("run")),
    ...(other === undefined ? [] : said(beside, other, name("vs"))));
  const images = pictures.slice(0, 1).map((file) => element("img", { src: file, alt: `Picture of sample ${id}`, loading: "lazy", width: "144", height: "144" }));
  return element("li", { class: `sample s-${kind(state)}` }, ...images, body);
}

const name = (key) => form.elements[key].selectedOptions[0]?.textContent ?? "";

function said(answer, state, whose) {
  const words = `${whose ? `${whose}: ` : ""}${WORDS[state]}`;
  if (!answer) return [element("p", { class: `verdict v-${kind(state)}` }, words)];
  const [text, verdict, scores, error] = answer;
  const numbers = Object.entries(scores).map(([k, v]) => `${k} ${v === null ? "undefined" : Math.round(v * 1000) / 1000}`).join(", ");
  return [
    element("p", { class: "answer", ...reachable(error ?? text ?? "") }, error ?? text ?? ""),
    element("p", { class: `verdict v-${kind(state)}`, title: numbers }, words + (verdict ? `, read as ${verdict}` : "")),
  ];
}

start().catch(failed);

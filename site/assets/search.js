// Search over the words of all samples. The index lies in files by word; only those of the words asked for are loaded.
import { element, failed, fill, load, params, remember } from "./common.js";

const SIZE = 20;
const RUNS = 6; // runs whose answers are looked through for the words of a hit
const WORD = /[\p{L}\p{N}]+/gu;
const form = document.querySelector("#choose");
const list = document.querySelector("#list");
const pager = document.querySelector("#pager");
const summary = document.querySelector("#summary");
const wordsOf = (text) => (text ?? "").toLowerCase().match(WORD) ?? [];
const encoder = new TextEncoder();

// Words are in order of their bytes, which is that of their code points.
function after(a, b) {
  const [x, y] = [encoder.encode(a), encoder.encode(b)];
  for (let i = 0; i < Math.min(x.length, y.length); i += 1) if (x[i] !== y[i]) return x[i] > y[i];
  return x.length > y.length;
}

// The positions of samples that have this word, or one that begins with it; null where that is no narrowing.
async function having(board, word, beginning) {
  const { first } = await load(`data/boards/${board}/words/index.json`);
  let [low, high] = [0, first.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (after(first[middle], word)) high = middle; else low = middle + 1;
  }
  const found = new Set();
  for (let n = Math.max(0, low - 1); n < first.length; n += 1) {
    if (n >= low && !(beginning && first[n].startsWith(word))) break;
    for (const [other, steps] of await load(`data/boards/${board}/words/${n}.json`)) {
      if (beginning ? !other.startsWith(word) : other !== word) continue;
      if (!steps.length) return null;
      let at = 0;
      for (const step of steps) { at += step; found.add(at); }
    }
  }
  return found;
}

async function hits(board, words) {
  let kept = null;
  for (const [i, word] of words.entries()) {
    const found = await having(board, word, i === words.length - 1);
    if (found === null) continue;
    kept = kept === null ? found : kept.intersection?.(found) ?? new Set([...kept].filter((x) => found.has(x)));
    if (!kept.size) return [];
  }
  if (kept !== null) return [...kept].sort((a, b) => a - b);
  const { count } = await load(`data/boards/${board}/index.json`);
  return Array.from({ length: count }, (_, i) => i);
}

const has = (text, words) => {
  const own = wordsOf(text);
  return words.some((w, i) => own.some((o) => (i === words.length - 1 ? o.startsWith(w) : o === w)));
};

// The text around the first of the words, with all of them marked.
function shown(text, words) {
  const parts = [];
  let last = 0;
  const found = [...text.matchAll(WORD)].filter(({ 0: w }) => words.some((q, i) => (i === words.length - 1 ? w.toLowerCase().startsWith(q) : w.toLowerCase() === q)));
  const from = Math.max(0, (found[0]?.index ?? 0) - 120);
  const cut = text.slice(0, from + 400);
  last = from;
  if (from) parts.push("… ");
  for (const match of found) {
    if (match.index < last || match.index >= cut.length) continue;
    parts.push(cut.slice(last, match.index), element("mark", {}, match[0]));
    last = match.index + match[0].length;
  }
  parts.push(cut.slice(last), ...(cut.length < text.length ? [" …"] : []));
  return parts;
}

async function hit({ board, at }, words) {
  const index = await load(`data/boards/${board}/index.json`);
  const [chunk, place] = [Math.floor(at / index.page), at % index.page];
  const [id, , group, target, question] = (await load(`data/boards/${board}/${chunk}.json`))[place];
  const said = [];
  const runs = [...index.runs].sort((a, b) => b.ranked - a.ranked); // chance and the like come last
  for (const run of runs.slice(0, RUNS)) {
    const answer = (await load(`data/runs/${run.slug}/${chunk}.json`))[place];
    if (answer?.[0] && has(answer[0], words)) said.push([run, answer[0]]);
    if (said.length === 2) break;
  }
  const link = (run) => `sample.html?${new URLSearchParams({ board, run: run.slug, id })}`;
  const run = said[0]?.[0] ?? runs[0];
  return element("li", { class: "hit" },
    element("p", { class: "id" }, element("a", { href: link(run) }, id), " ", element("span", { class: "tag" }, index.name), " ", element("span", { class: "tag" }, group ?? "")),
    element("p", {}, ...shown(question, words)),
    element("p", { class: "range" }, "Key: ", ...shown(target, words)),
    ...said.map(([r, text]) => element("p", { class: "answer" }, element("a", { href: link(r) }, r.label), ": ", ...shown(text, words))));
}

let latest = 0; // a slow answer to older words must not overwrite a newer one

async function show() {
  latest += 1;
  const ticket = latest;
  const words = wordsOf(params.get("q"));
  if (!words.length) { list.replaceChildren(); pager.hidden = true; summary.textContent = "Type a word."; return; }
  summary.textContent = "Searching …";
  const chosen = params.get("board");
  const boards = (await load("data/boards.json")).filter((b) => !chosen || b.slug === chosen);
  const found = (await Promise.all(boards.map(async ({ slug }) => (await hits(slug, words)).map((at) => ({ board: slug, at }))))).flat();
  const pages = Math.max(1, Math.ceil(found.length / SIZE));
  const page = Math.min(Math.max(0, Number(params.get("page") ?? 0) || 0), pages - 1);
  const rows = await Promise.all(found.slice(page * SIZE, (page + 1) * SIZE).map((h) => hit(h, words)));
  if (ticket !== latest) return;
  list.replaceChildren(...rows);
  summary.textContent = `${found.length} sample${found.length === 1 ? "" : "s"}`;
  pager.hidden = pages < 2;
  pager.querySelector("span").textContent = `Page ${page + 1} of ${pages}`;
  const [back, on] = pager.querySelectorAll("button");
  back.disabled = page === 0;
  on.disabled = page === pages - 1;
  remember({ page: page ? String(page) : "" });
}

async function start() {
  const boards = await load("data/boards.json");
  if (!boards.length) { summary.textContent = "There are no runs yet."; return; }
  form.hidden = false;
  fill(form.elements.board, [["", "all"], ...boards.map((b) => [b.slug, b.name])], params.get("board") ?? "");
  form.elements.q.value = params.get("q") ?? "";
  let wait = 0;
  const change = () => {
    remember({ q: form.elements.q.value.trim(), board: form.elements.board.value, page: "" });
    clearTimeout(wait);
    wait = setTimeout(() => show().catch(failed), 150);
  };
  form.addEventListener("input", change);
  form.addEventListener("submit", (event) => event.preventDefault());
  for (const button of pager.querySelectorAll("button")) {
    button.addEventListener("click", () => {
      remember({ page: String(Number(params.get("page") ?? 0) + Number(button.dataset.step)) });
      show().then(() => summary.scrollIntoView()).catch(failed);
    });
  }
  await show();
}

start().catch(failed);

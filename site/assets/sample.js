// One sample: its picture with what is drawn over it, the prompt, what was answered and how that was read, its steps,
// and the same sample under other methods. Only the chunks that hold it are loaded.
import { attention } from "./attention.js";
import { element, failed, fill, labels, load, params, remember } from "./common.js";
import { address, kind, matching, position, reachable, WORDS } from "./filter.js";
import { heat } from "./map.js";
import { drawn, meaning, stage } from "./stage.js";

const BESIDE = 12;
const place = document.querySelector("#sample");
const summary = document.querySelector("#summary");
const walk = document.querySelector("#walk");
const chooser = document.querySelector("#run");

async function start() {
  if (!params.get("board") && params.get("run")) params.set("board", (await load(`data/runs/${params.get("run")}/index.json`)).board);
  const board = params.get("board");
  if (!board) { summary.textContent = "Which sample? Choose one from the list of samples."; return; }
  const index = await load(`data/boards/${board}/index.json`);
  const run = index.runs.find((r) => r.slug === params.get("run")) ?? index.runs.find((r) => r.ranked) ?? index.runs[0];
  remember({ run: run.slug });
  const id = params.get("id") ?? (index.ids ?? index.first)[0];
  const at = await position(board, index, id);
  if (at < 0) { summary.textContent = `There is no sample ${id} in ${index.name}.`; return; }
  document.title = `${id} · ${index.task} · harness`;
  await neighbours(board, index, id, at);
  await show(board, index, run, at);
}

async function neighbours(board, index, id, at) {
  const { found } = await matching(index);
  const here = found.indexOf(at);
  const list = document.querySelector("#list");
  const query = new URLSearchParams(params);
  query.delete("id");
  list.href = `samples.html?${query}`;
  const narrowed = found.length < index.count;
  summary.replaceChildren(index.about ? element("a", { href: index.about }, index.name) : index.name, here < 0
    ? ` · sample ${at + 1} of ${index.count}` : ` · ${here + 1} of ${found.length}${narrowed ? " that are shown" : ""}`);
  const next = here < 0 ? found.find((i) => i > at) : found[here + 1];
  const last = here < 0 ? found.findLast((i) => i < at) : found[here - 1];
  for (const [link, to] of [["#back", last], ["#on", next]]) {
    const made = document.querySelector(link);
    if (to === undefined) { made.removeAttribute("href"); continue; }
    const rows = await load(`data/boards/${board}/${Math.floor(to / index.page)}.json`);
    made.href = address(rows[to % index.page][0]);
  }
  fill(chooser, labels(index.runs), params.get("run"));
  walk.hidden = false;
}

async function rowOf(slug, i) {
  const index = await load(`data/runs/${slug}/index.json`);
  const row = (await load(`data/runs/${slug}/${Math.floor(i / index.page)}.json`))[i % index.page];
  const chunk = Math.floor(i / index.seen);
  const more = index.chunks.includes(chunk) ? (await load(`data/runs/${slug}/seen/${chunk}.json`))[i % index.seen] : null;
  return { state: index.state[i], row, more: more ?? {}, about: index.about, whole: index.state };
}

async function show(board, index, run, i) {
  const [id, cluster, group, target, question, files] = (await load(`data/boards/${board}/${Math.floor(i / index.page)}.json`))[i % index.page];
  const [prompt, itemMarks] = index.seen ? (await load(`data/boards/${board}/seen/${Math.floor(i / index.seen)}.json`))[i % index.seen] : [[], []];
  const own = await rowOf(run.slug, i);
  const marks = own.more.marks ?? itemMarks;
  document.querySelector("#name").textContent = id;
  const left = element("div", { class: "seen" });
  if (files.length) left.append(stage(files, marks, `Picture of sample ${id}`));
  else if (index.tier === "official" || index.tier === "own records") {
    left.append(element("p", { class: "note" }, "Pictures of these records are not published. Whoever has them sees them with ", element("code", {}, "harness site serve --private-pictures"), "."));
  }
  if (marks.length) left.append(legend(marks));
  const right = element("div", { class: "told" }, facts({ question, target, group, cluster }), ...said(run, own, marks));
  const parts = [...(left.childElementCount ? [left] : []), right, ...asked(prompt, files, marks, run, own.more)];
  place.className = `whole${left.childElementCount || prompt.length ? "" : " alone"}`;
  const looked = await attention(index, run, i, files[0], marks);
  if (looked) parts.push(looked);
  if (own.more.steps?.length) parts.push(strip(own.more.steps));
  if (index.places) parts.push(section("Where it lies", heat(index.places, own.whole, i, (first) => { jump(board, index, first).catch(failed); })));
  place.replaceChildren(...parts);
  linked();
  place.append(await others(index, run, i, marks));
  linked();
}

async function jump(board, index, i) {
  const rows = await load(`data/boards/${board}/${Math.floor(i / index.page)}.json`);
  location.href = address(rows[i % index.page][0]);
}

function section(title, ...parts) {
  return element("section", { class: "part" }, element("h2", {}, title), ...parts);
}

function facts({ question, target, group, cluster }) {
  const list = [["Question", question], ["Key", target], ["Group", group ?? ""], ["Cluster", cluster ?? ""]].filter(([, text]) => text);
  return element("dl", { class: "facts" }, ...list.map(([key, text]) => element("div", {}, element("dt", {}, key), element("dd", { class: key === "Key" ? "key-of-sample" : "" }, text))));
}

function legend(marks) {
  const seen = new Map();
  marks.forEach((mark, i) => {
    const text = meaning(mark);
    seen.set(text, { mark, all: [...(seen.get(text)?.all ?? []), i] });
  });
  return element("ul", { class: "legend", "aria-label": "What is drawn" }, ...[...seen].map(([text, { mark, all }]) =>
    element("li", { class: `r-${mark.role}`, "data-marks": all.join(" "), tabindex: "0" }, all.length > 1 ? `${text} (${all.length})` : text)));
}

// Text with the words underlined that marks speak of.
function worded(text, marks) {
  const words = marks.flatMap((mark, i) => (mark.words ?? []).map((word) => [word, mark, i])).sort((a, b) => b[0].length - a[0].length);
  if (!words.length) return [text];
  const quoted = words.map(([word]) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
  const out = [];
  let last = 0;
  for (const found of text.matchAll(new RegExp(`(?<![\\p{L}\\p{N}])(${quoted.join("|")})(s|es)?(?![\\p{L}\\p{N}])`, "giu"))) {
    const same = words.filter(([word]) => word.toLowerCase() === found[1].toLowerCase());
    out.push(text.slice(last, found.index), element("mark", { class: `r-${same[0][1].role}`, "data-marks": same.map(([, , i]) => i).join(" "), tabindex: "0" }, found[0]));
    last = found.index + found[0].length;
  }
  return [...out, text.slice(last)];
}

function asked(prompt, files, marks, run, more) {
  if (!prompt.length) return [];
  const before = run.system ? [["system", [run.system]]] : [];
  const notes = [
    run.fewshot ? `${counted(run.fewshot, "answered example")} of the calibration split stood before it.` : "",
    more.outdated ? "The task has changed: when this run was made, it asked something else than what stands here." : "",
    more.changed && !before.length && !run.fewshot ? `This is what the task asks; ${run.method} asked the model in its own words${more.steps ? ", see the steps" : ""}.` : "",
  ].filter(Boolean).map((text) => element("p", { class: "small" }, text));
  const messages = [...before, ...prompt].map(([role, parts]) => element("div", { class: "message" }, element("p", { class: "role" }, role),
    ...parts.map((part) => typeof part === "string" ? element("p", { class: "text" }, ...worded(part, marks.filter((m) => !m.box && !m.point)))
      : part === null ? element("p", { class: "small" }, "[a picture that is not shown]")
        : element("img", { src: files[part], alt: `Picture ${part + 1} of the prompt`, loading: "lazy" }))));
  return [element("section", { class: "asked" }, element("h2", {}, more.outdated || (more.changed && !before.length && !run.fewshot) ? "Prompt of the task" : "Prompt as sent"), ...notes, element("div", { class: "prompt", tabindex: "0", role: "region", "aria-label": "Prompt" }, ...messages))];
}

const number = (v) => (v === null || v === undefined ? "undefined" : String(Math.round(v * 1000) / 1000));

const counted = (n, what) => `${n} ${what}${n === 1 ? "" : "s"}`;

function verdict({ state, row }, run) {
  const words = [element("strong", { class: `verdict v-${kind(state)}` }, WORDS[state])];
  if (row?.[1]) words.push(" · read as ", element("b", {}, row[1]));
  else if (row && !row[3] && state === "0") words.push(" · nothing was read in it");
  if (run?.parser && row && !row[3]) words.push(element("span", { class: "small" }, ` by the ${run.parser} parser`));
  return element("p", { class: "judged" }, ...words);
}

function costs(row, more) {
  const [, , , , seconds, tokens, prompted, finish] = row;
  return [
    seconds ? `${number(seconds)} s` : "", tokens ? counted(tokens, "new token") : "",
    more.thinking ? `${more.thinking} of them thinking` : "", prompted ? `${counted(prompted, "token")} of prompt` : "",
    finish && finish !== "stop" ? `ended by ${finish}` : "",
  ].filter(Boolean).join(" · ");
}

function said(run, own, marks) {
  const { row, more, about } = own;
  const head = element("h2", {}, "Answer of ", element("a", { href: about }, run.label), run.settings ? element("span", { class: "range" }, ` ${run.settings}`) : "");
  if (!row) return [head, verdict(own, run)];
  const [text, , scores, error] = row;
  const out = [head, element("blockquote", { class: `answer s-${kind(own.state)}`, ...reachable(text ?? "") }, ...(error ? [error] : worded(text ?? "", marks))), verdict(own, run)];
  const table = Object.entries(scores).map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, number(value))));
  if (table.length) out.push(element("dl", { class: "scores" }, ...table));
  out.push(element("p", { class: "small" }, costs(row, more)));
  if (more.details) out.push(element("details", {}, element("summary", {}, "What the scorer noted"), element("dl", { class: "facts" }, ...Object.entries(more.details).map(([key, value]) =>
    element("div", {}, element("dt", {}, key.replaceAll("_", " ")), element("dd", {}, plain(value)))))));
  if (more.raw) out.push(element("details", more.raw.some((r) => r.length < 4000) ? { open: "" } : {}, element("summary", {}, more.raw.length > 1 ? `${more.raw.length} raw replies, with their thinking` : "Raw reply, with its thinking"),
    ...more.raw.map((text) => element("pre", { class: "raw", tabindex: "0" }, text))));
  return out;
}

const plain = (value) => (Array.isArray(value) ? value.map(plain).join(", ") : value !== null && typeof value === "object"
  ? Object.entries(value).map(([k, v]) => `${k}: ${plain(v)}`).join("; ") : typeof value === "number" ? number(value) : String(value));

function strip(steps) {
  return section(`Episode, ${counted(steps.length, "step")}`, element("ol", { class: "episode", tabindex: "0", "aria-label": "Steps" }, ...steps.map((step, i) => {
    const sheet = step.picture ? [element("a", { class: "sheet", href: step.picture, target: "_blank", rel: "noreferrer" }, element("img", { src: step.picture, alt: `What step ${i + 1} saw, in a tab of its own`, loading: "lazy" }), ...drawn(step.marks ?? []))] : [];
    return element("li", {}, element("p", { class: "role" }, `Step ${i + 1}`), ...sheet, element("p", { class: "action", ...reachable(step.action) }, step.action || "(nothing)"), ...(step.told ? [element("p", { class: "small" }, step.told)] : []));
  })));
}

async function others(index, run, i, marks) {
  const rest = index.runs.filter((r) => r.slug !== run.slug);
  rest.sort((a, b) => (b.model === run.model) - (a.model === run.model) || b.ranked - a.ranked);
  const grid = element("ul", { class: "beside" });
  const more = element("button", { type: "button" });
  const draw = async (some) => {
    const names = new Map(labels(index.runs));
    const cards = await Promise.all(some.map(async (other) => {
      const { state, row, more: extra } = await rowOf(other.slug, i);
      const own = (extra.marks ?? marks).filter((m) => m.words || m.point);
      const link = element("a", { href: address(params.get("id") ?? "", { run: other.slug, vs: "" }) }, names.get(other.slug));
      return element("li", { class: `sample s-${kind(state)}` }, element("div", {}, element("p", { class: "id" }, link), element("p", { class: "answer", ...reachable(row?.[0] ?? "") }, ...(row ? row[3] ? [row[3]] : worded(row[0] ?? "", own) : [])),
        verdict({ state, row }, null), element("p", { class: "small" }, row ? [Object.entries(row[2]).map(([k, v]) => `${k} ${number(v)}`).join(" · "), costs(row, extra)].filter(Boolean).join(" · ") : "")));
    }));
    grid.append(...cards);
  };
  await draw(rest.slice(0, BESIDE));
  more.textContent = `Show the other ${rest.length - BESIDE}`;
  more.hidden = rest.length <= BESIDE;
  more.addEventListener("click", () => { more.hidden = true; draw(rest.slice(BESIDE)).catch(failed); });
  if (!rest.length) grid.append(element("li", { class: "small" }, "No other run played it yet."));
  return section("The same sample elsewhere", grid, more);
}

// What is pointed at is shown wherever else it is: a word in its box, a box in the legend.
function linked() {
  for (const one of place.querySelectorAll("[data-marks]")) {
    const light = (on) => {
      for (const mark of one.dataset.marks.split(" ")) {
        for (const box of place.querySelectorAll(`.stage [data-mark="${mark}"]`)) box.classList.toggle("lit", on);
      }
    };
    one.onmouseenter = one.onfocus = () => light(true);
    one.onmouseleave = one.onblur = () => light(false);
  }
}

document.addEventListener("keydown", (event) => {
  if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input, select, textarea, .view, .prompt, .scroll, .episode, pre")) return;
  const link = { ArrowLeft: "#back", k: "#back", ArrowRight: "#on", j: "#on" }[event.key];
  const to = link && document.querySelector(link).href;
  if (to) location.href = to;
});
chooser.addEventListener("change", () => { location.href = address(params.get("id") ?? "", { run: chooser.value }); });

start().catch(failed);

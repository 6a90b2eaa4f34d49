// harness view: what the run directories hold now, asked for again while a page is open.
import { element, params } from "./common.js";
import { kind, reachable, WORDS } from "./filter.js";

const PAUSE = 2000;
const summary = document.querySelector("#summary");
const list = document.querySelector("#runs");
const page = document.querySelector("#run");
const number = (v) => (v === null ? "–" : v.toFixed(3));
const STATES = { running: "running", silent: "no news", starting: "starting", done: "done", partial: "done, with errors", interrupted: "interrupted", failed: "failed", damaged: "its record cannot be read" };

function ago(seconds) {
  if (seconds < 90) return `${Math.max(0, Math.round(seconds))} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return seconds < 172800 ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

function progress(run) {
  const bar = element("div", { class: "progress", role: "progressbar", "aria-label": "Samples", "aria-valuenow": String(run.done), "aria-valuemin": "0", "aria-valuemax": String(run.planned) });
  for (const [what, count] of [["right", run.right], ["wrong", run.wrong], ["error", run.errors], ["other", run.done - run.right - run.wrong - run.errors]]) {
    if (count <= 0) continue;
    const part = element("span", { class: `p-${what}` });
    part.style.width = `${(100 * count) / Math.max(1, run.planned)}%`;
    bar.append(part);
  }
  return bar;
}

function counts(run) {
  const silent = run.status === "silent" && run.changed ? `, nothing for ${ago(Date.now() / 1000 - run.changed)}` : "";
  return [
    `${run.done} of ${run.planned} samples`, ...(run.right === null ? [] : [`${run.right} right`, `${run.wrong} wrong`]), run.errors ? `${run.errors} errors` : "",
    run.damaged ? `${run.damaged} damaged lines` : "", run.left === null ? "" : `about ${ago(run.left)} left`,
  ].filter(Boolean).join(" · ") + silent;
}

function metric(run) {
  const m = run.metric;
  if (!m) return element("p", { class: "small" }, "no score yet");
  const made = element("p", { class: "figure-of-run" }, element("strong", {}, number(m.value)), " ", element("span", { class: "range" }, m.low === null ? "" : `[${number(m.low)}, ${number(m.high)}]`), " ", element("span", { class: "small" }, `${m.name}${run.finished ? "" : " so far"}`));
  return made;
}

const chip = (run) => element("span", { class: `tag st-${run.status}` }, STATES[run.status] ?? run.status);

function card(run) {
  const title = run.task ? `${run.task} / ${run.data}` : run.run;
  return element("li", { "data-run": run.run }, element("div", { class: "line" }, element("h2", {}, element("a", { href: `run.html?run=${encodeURIComponent(run.slug)}` }, title)), chip(run)),
    element("p", { class: "who" }, [run.method, run.model].filter(Boolean).join(" on "), run.settings ? element("span", { class: "range code" }, ` ${run.settings}`) : ""),
    progress(run), element("p", { class: "small" }, counts(run)), metric(run));
}

function narrowed(runs) {
  const words = document.querySelector("#choose").elements.find.value.toLowerCase().split(/\s+/).filter(Boolean);
  return runs.filter((r) => words.every((w) => `${r.run} ${r.settings} ${STATES[r.status] ?? r.status}`.toLowerCase().includes(w)));
}

function overview(runs) {
  const going = runs.filter((r) => r.status === "running").length;
  summary.textContent = runs.length ? `${runs.length} runs${going ? `, ${going} going on` : ""}` : "No runs yet: harness eval makes the first one; it appears here as soon as it starts.";
  document.querySelector("#choose").hidden = runs.length < 4;
  list.replaceChildren(...narrowed(runs).map(card));
}

const sample = (run, id) => `sample.html?${new URLSearchParams({ board: run.board, run: run.slug, id })}`;

function newest(run, [id, group, question, files, row, state]) {
  const [answer, verdict, , error] = row;
  const said = (error ?? answer ?? "").slice(0, 240);
  const images = files.slice(0, 1).map((file) => element("img", { src: file, alt: `Picture of sample ${id}`, loading: "lazy", width: "144", height: "144" }));
  return element("li", { class: `sample s-${kind(state)}` }, ...images, element("div", {},
    element("p", { class: "id" }, element("a", { href: sample(run, id) }, id), " ", element("span", { class: "tag" }, group)),
    element("p", { class: "question" }, question.length > 240 ? `… ${question.slice(-220)}` : question), element("p", { class: "answer", ...reachable(said) }, said),
    element("p", { class: `verdict v-${kind(state)}` }, WORDS[state] + (verdict ? `, read as ${verdict.slice(0, 100)}` : ""))));
}

function table(metrics) {
  const groups = [...new Set(metrics.map((m) => m[1]))];
  const names = [...new Set(metrics.map((m) => m[0]))];
  const rows = groups.map((g) => element("tr", {}, element("th", { scope: "row" }, g), ...names.map((n) => {
    const m = metrics.find(([name, group]) => name === n && group === g);
    return element("td", {}, ...(m ? [element("span", { class: "value" }, number(m[2])), element("span", { class: "range" }, m[3] === null ? "" : ` [${number(m[3])}, ${number(m[4])}]`)] : []));
  })));
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Metrics" }, element("table", { class: "data" },
    element("thead", {}, element("tr", {}, ...["Group", ...names].map((n) => element("th", { scope: "col" }, n)))), element("tbody", {}, ...rows)));
}

function whole(run) {
  document.querySelector("#name").textContent = run.task ? `${run.method} on ${run.model}` : run.run;
  document.title = `${run.done} of ${run.planned} · ${run.task || run.run} · harness view`;
  summary.replaceChildren(run.task ? `${run.task} / ${run.data} · ` : "", chip(run), run.board ? " · " : "", ...(run.board ? [element("a", { href: `samples.html?${new URLSearchParams({ board: run.board, run: run.slug })}` }, "browse the samples")] : []));
  const open = new Set([...page.querySelectorAll("details[open] > summary")].map((s) => s.textContent));
  const log = element("div", { class: "log", tabindex: "0", role: "log", "aria-label": "Log", "aria-live": "off" }, ...run.log.map(([level, text]) => element("p", { class: `l-${level}` }, text)));
  const parts = [element("div", { class: "state-of-run" }, progress(run), element("p", { class: "small" }, counts(run)), metric(run))];
  if (run.newest.length) parts.push(element("h2", {}, "Newest samples"), element("ul", { class: "samples" }, ...run.newest.map((one) => newest(run, one))));
  if (run.metrics.length) parts.push(element("details", open.has("All metrics") ? { open: "" } : {}, element("summary", {}, "All metrics"), table(run.metrics)));
  parts.push(element("h2", {}, "Log"), log);
  page.replaceChildren(...parts);
}

let last = "";

async function look() {
  const path = page ? `live/${encodeURIComponent(params.get("run") ?? "")}.json` : "live.json";
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(answer.status === 404 ? "there is no such run" : `${path}: ${answer.status}`);
  const text = await answer.text();
  if (text === last || (last && getSelection()?.toString())) return; // what is being marked stays
  last = text;
  const focused = document.activeElement?.getAttribute("href");
  if (page) whole(JSON.parse(text)); else overview(JSON.parse(text));
  if (focused) document.querySelector(`main a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
}

async function keep() {
  try {
    if (!document.hidden) await look();
  } catch (error) {
    summary.textContent = error instanceof TypeError ? "harness view was ended; this is what it showed last." : `This could not be shown: ${error.message}.`;
  }
  setTimeout(keep, PAUSE);
}

document.querySelector("#choose")?.addEventListener("input", () => overview(JSON.parse(last)));
document.querySelector("#choose")?.addEventListener("submit", (event) => event.preventDefault());
keep();

// Another metric or split in the rankings of a task's page: values, bars, order and levels. As harness/leaderboard/
// figures.py draws them; differences to vanilla are plain ones then, for only the primary metric is tested.
import { element, failed, load, params, remember } from "./common.js";

const form = document.querySelector("#metrics");
const BAR = 240;
const EDGE = 10;
const tables = form ? [...document.querySelectorAll("table.ranking")] : [];
const original = new Map();

const number = (x, digits = 3) => {
  if (x === null || x === undefined) return "–";
  if (Math.abs(x) >= 100) return Math.round(x).toLocaleString("en");
  return Math.abs(x) >= 10 ? x.toFixed(1) : x.toFixed(digits);
};

function ticks(low, high, count = 3) {
  if (high <= low) { const pad = Math.abs(low) * 0.1 || 1; low -= pad; high += pad; }
  const raw = (high - low) / count;
  const size = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((m) => size * m).find((s) => s >= raw);
  const out = [];
  for (let i = Math.floor(low / step); i <= Math.ceil(high / step); i += 1) out.push(Number((i * step).toFixed(10)));
  return out;
}

function svg(kind, parts) {
  const space = "http://www.w3.org/2000/svg";
  const made = document.createElementNS(space, "svg");
  made.setAttribute("class", kind);
  made.setAttribute("viewBox", `0 0 ${BAR} 22`);
  made.setAttribute("aria-hidden", "true");
  for (const [tag, attributes, text] of parts) {
    const part = document.createElementNS(space, tag);
    for (const [key, value] of Object.entries(attributes)) part.setAttribute(key, value);
    if (text) part.textContent = text;
    made.append(part);
  }
  return made;
}

const upright = (kind, x, from, to) => ["line", { class: kind, x1: x, x2: x, y1: from, y2: to }];

function draw(table, choice, chosen) {
  const levels = chosen.levels[table.dataset.model] ?? [];
  const rows = [...table.tBodies[0].rows];
  const values = rows.flatMap((row) => chosen.runs[row.dataset.run] ?? []).concat(levels.map((l) => l[1]));
  const known = values.filter((v) => v !== null);
  const marks = known.length ? ticks(Math.min(...known), Math.max(...known)) : [0, 1];
  const [low, high] = [marks[0], marks.at(-1)];
  const at = (v) => (EDGE + (BAR - 2 * EDGE) * (v - low) / (high - low)).toFixed(1);
  const step = marks[1] - marks[0];
  const digits = [2, 3].find((n) => Math.abs(step * 10 ** n - Math.round(step * 10 ** n)) < 1e-6) ?? 4;
  const arrow = chosen.higher === null ? "" : chosen.higher ? " ↑" : " ↓";
  table.querySelector("[data-title]").textContent = choice.replace("|all", "").replace("|", ", ") + arrow;
  table.querySelector("[data-axis]").replaceChildren(svg("bar", [
    ["line", { class: "axis", x1: EDGE, x2: BAR - EDGE, y1: 19, y2: 19 }],
    ...marks.flatMap((v) => {
      const anchor = v === low ? "start" : v === high ? "end" : "middle";
      return [upright("axis", at(v), 15, 22), ["text", { class: "tick", x: { start: 0, end: BAR }[anchor] ?? at(v), y: 11, "text-anchor": anchor }, number(v, digits)]];
    }),
  ]));
  const base = chosen.runs[rows.find((row) => "base" in row.dataset)?.dataset.run]?.[0];
  for (const row of rows) {
    const [value, from, to] = chosen.runs[row.dataset.run] ?? [null, null, null];
    const cell = row.querySelector("[data-number]");
    cell.dataset.value = value ?? "";
    cell.querySelector("a").replaceChildren(element("span", { class: "value" }, number(value)),
      ...(from === null || to === null ? [] : [" ", element("span", { class: "range" }, `[${number(from)}, ${number(to)}]`)]));
    row.querySelector("[data-bar]").replaceChildren(...(value === null ? [] : [svg("bar", [
      ["line", { class: "track", x1: EDGE, x2: BAR - EDGE, y1: 11, y2: 11 }],
      ...levels.map(([kind, v]) => upright(`level ${kind}`, at(v), 0, 22)),
      ...(from === null || to === null ? [] : [["line", { class: "interval", x1: at(from), x2: at(to), y1: 11, y2: 11 }]]),
      ["circle", { class: "point", cx: at(value), cy: 11, r: 4 }]])]));
    row.querySelector("[data-rank]").textContent = "–";
    const against = row.querySelector("[data-against]");
    const d = value === null || base === undefined || "base" in row.dataset ? null : value - base;
    against.dataset.value = d ?? "";
    against.replaceChildren(d === null ? "" : element("span", { class: "range" }, `${d < 0 ? "−" : "+"}${Math.abs(d).toFixed(3)}, not tested`));
  }
  table.closest(".scroll").nextElementSibling.replaceChildren(element("ul", { class: "levels" }, ...levels.map(([kind, v, label]) =>
    element("li", {}, swatch(kind), `${label}: ${number(v)}`))));
}

function swatch(kind) {
  const made = svg("swatch", [upright(`level ${kind}`, 11, 0, 12)]);
  made.setAttribute("viewBox", "0 0 22 12");
  return made;
}

async function show() {
  const choice = form.elements.metric.value;
  const primary = choice === form.dataset.primary;
  remember({ metric: primary ? "" : choice });
  document.querySelector("#metrics-note").textContent = primary ? "" : "Ranks and tests are those of the primary metric only.";
  if (primary) {
    for (const [node, children] of original) node.replaceChildren(...children);
    for (const cell of document.querySelectorAll("[data-was]")) cell.dataset.value = cell.dataset.was;
    return;
  }
  const all = await load(form.dataset.from);
  if (form.elements.metric.value !== choice || !all[choice]) return;
  for (const table of tables) draw(table, choice, all[choice]);
}

if (form && tables.length) {
  form.hidden = false;
  for (const table of tables) {
    const nodes = table.querySelectorAll("[data-title], [data-axis], [data-number] a, [data-bar], [data-rank], [data-against]");
    for (const node of [...nodes, table.closest(".scroll").nextElementSibling]) original.set(node, [...node.childNodes]);
    for (const cell of table.querySelectorAll("[data-number], [data-against]")) cell.dataset.was = cell.dataset.value;
  }
  if (params.get("metric")) form.elements.metric.value = params.get("metric");
  if (form.elements.metric.selectedIndex < 0) form.elements.metric.selectedIndex = 0;
  form.addEventListener("change", () => show().catch(failed));
  form.addEventListener("submit", (event) => event.preventDefault());
  if (params.get("metric")) show().catch(failed);
}

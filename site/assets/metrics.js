// Another metric or split in the rankings of a task's page: values, bars and levels. Differences to vanilla are plain ones
// then, for only the primary metric is tested.
import { number, scale, swatch } from "./bars.js";
import { element, failed, load, params, remember } from "./common.js";

const form = document.querySelector("#metrics");
const tables = form ? [...document.querySelectorAll("table.ranking")] : [];
const original = new Map();

function draw(table, choice, chosen) {
  const levels = chosen.levels[table.dataset.model] ?? [];
  const rows = [...table.tBodies[0].rows];
  const values = rows.flatMap((row) => chosen.runs[row.dataset.run] ?? []).concat(levels.map((l) => l[1]));
  const { axis, bar } = scale(values);
  const arrow = chosen.higher === null ? "" : chosen.higher ? " ↑" : " ↓";
  table.querySelector("[data-title]").textContent = choice.replace("|all", "").replace("|", ", ") + arrow;
  table.querySelector("[data-axis]").replaceChildren(axis());
  const base = chosen.runs[rows.find((row) => "base" in row.dataset)?.dataset.run]?.[0];
  for (const row of rows) {
    const [value, from, to] = chosen.runs[row.dataset.run] ?? [null, null, null];
    const cell = row.querySelector("[data-number]");
    cell.dataset.value = value ?? "";
    cell.querySelector("a").replaceChildren(element("span", { class: "value" }, number(value)),
      ...(from === null || to === null ? [] : [" ", element("span", { class: "range" }, `[${number(from)}, ${number(to)}]`)]));
    row.querySelector("[data-bar]").replaceChildren(...(value === null ? [] : [bar(value, from, to, levels)]));
    row.querySelector("[data-rank]").textContent = "–";
    const against = row.querySelector("[data-against]");
    const d = value === null || base === undefined || "base" in row.dataset ? null : value - base;
    against.dataset.value = d ?? "";
    against.replaceChildren(d === null ? "" : element("span", { class: "range" }, `${d < 0 ? "−" : "+"}${Math.abs(d).toFixed(3)}, not tested`));
  }
  table.closest(".scroll").nextElementSibling.replaceChildren(element("ul", { class: "levels" }, ...levels.map(([kind, v, label]) =>
    element("li", {}, swatch(kind), `${label}: ${number(v)}`))));
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

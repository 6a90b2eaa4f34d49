// A board's samples by two of their details: how many of a cell are right, and where one sample lies.
import { element } from "./common.js";

export function heat(places, state, at, open) {
  const cells = places.columns.map(() => places.rows.map(() => ({ right: 0, count: 0, first: -1 })));
  for (let i = 0; i < state.length; i += 1) {
    const [x, y] = [places.at.charCodeAt(2 * i) - 48, places.at.charCodeAt(2 * i + 1) - 48];
    const cell = cells[x]?.[y];
    if (!cell || (state[i] !== "1" && state[i] !== "0")) continue;
    cell.right += state[i] === "1" ? 1 : 0;
    cell.count += 1;
    if (cell.first < 0) cell.first = i;
  }
  const own = at === null ? ["", ""] : [places.at.charCodeAt(2 * at) - 48, places.at.charCodeAt(2 * at + 1) - 48];
  const [wide, deep] = places.names;
  const head = element("tr", {}, element("td", { class: "corner" }, `${deep} ↓ ${wide} →`), ...places.columns.map((c) => element("th", { scope: "col" }, c)));
  const body = places.rows.map((name, y) => element("tr", {}, element("th", { scope: "row" }, name), ...places.columns.map((_, x) => {
    const { right, count, first } = cells[x][y];
    if (!count) return element("td", { class: "none" }, element("span", { "aria-hidden": "true" }, "·"), element("span", { class: "hidden" }, "no samples"));
    const share = right / count;
    const button = element("button", { type: "button", title: `${right} of ${count} right; opens the first` }, share.toFixed(2), element("span", { class: "hidden" }, `, ${right} of ${count} right`));
    button.addEventListener("click", () => open(first));
    const made = element("td", { class: x === own[0] && y === own[1] ? "own" : "" }, button);
    made.style.setProperty("--share", `${Math.round(60 * Math.abs(share - 0.5) * 2)}%`);
    made.dataset.side = share >= 0.5 ? "up" : "down";
    return made;
  })));
  return element("div", { class: "scroll map", tabindex: "0", role: "region", "aria-label": `Share right by ${wide} and ${deep}` },
    element("table", {}, element("caption", {}, `Share of samples that are right, by ${wide} and ${deep}`), element("thead", {}, head), element("tbody", {}, ...body)));
}

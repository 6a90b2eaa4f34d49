// Intervals on a common scale, as harness/leaderboard/figures/bars.py draws them: the bars of a column, and its axis.
const BAR = 240;
const EDGE = 10;

export const number = (x, digits = 3) => {
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

// The scale of some values: where a value lies, the axis, and the bar of one of them; levels are [class, value].
export function scale(values) {
  const known = values.filter((v) => v !== null && v !== undefined);
  const marks = known.length ? ticks(Math.min(...known), Math.max(...known)) : [0, 1];
  const [low, high] = [marks[0], marks.at(-1)];
  const at = (v) => (EDGE + (BAR - 2 * EDGE) * (v - low) / (high - low)).toFixed(1);
  const step = marks[1] - marks[0];
  const digits = [2, 3].find((n) => Math.abs(step * 10 ** n - Math.round(step * 10 ** n)) < 1e-6) ?? 4;
  const axis = () => svg("bar", [
    ["line", { class: "axis", x1: EDGE, x2: BAR - EDGE, y1: 19, y2: 19 }],
    ...marks.flatMap((v) => {
      const anchor = v === low ? "start" : v === high ? "end" : "middle";
      return [upright("axis", at(v), 15, 22), ["text", { class: "tick", x: { start: 0, end: BAR }[anchor] ?? at(v), y: 11, "text-anchor": anchor }, number(v, digits)]];
    }),
  ]);
  const bar = (value, from, to, levels) => svg("bar", [
    ["line", { class: "track", x1: EDGE, x2: BAR - EDGE, y1: 11, y2: 11 }],
    ...levels.map(([kind, v]) => upright(`level ${kind}`, at(v), 0, 22)),
    ...(from === null || to === null ? [] : [["line", { class: "interval", x1: at(from), x2: at(to), y1: 11, y2: 11 }]]),
    ["circle", { class: "point", cx: at(value), cy: 11, r: 4 }]]);
  return { axis, bar };
}

export function swatch(kind) {
  const made = svg("swatch", [upright(`level ${kind}`, 11, 0, 12)]);
  made.setAttribute("viewBox", "0 0 22 12");
  return made;
}

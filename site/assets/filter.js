// Which samples of a board the address asks for: by group, by who was right, by a part of the id.
import { load, params } from "./common.js";

export const WORDS = { 1: "right", 0: "wrong", e: "error", n: "not counted", "-": "missing" };
export const kind = (state) => WORDS[state].replace(" ", "-");

// Text that its box may cut off can be reached, and scrolled, with the keyboard.
export const reachable = (text) => (text.length > 280 || text.split("\n").length > 6 ? { tabindex: "0" } : {});

export async function matching(index) {
  const state = (await load(`data/runs/${params.get("run")}/index.json`)).state;
  const other = params.get("vs") ? (await load(`data/runs/${params.get("vs")}/index.json`)).state : null;
  const wanted = params.get("show") ?? "";
  const group = params.get("group") ? String.fromCharCode(48 + index.groups.indexOf(params.get("group"))) : null;
  const find = params.get("find");
  const out = [];
  for (let i = 0; i < index.count; i += 1) {
    if (group !== null && index.group[i] !== group) continue;
    const pair = other === null ? state[i] : state[i] + other[i];
    if (wanted === "flip" ? pair !== "01" && pair !== "10" : wanted.length === 2 ? pair !== wanted : wanted && state[i] !== wanted) continue;
    if (find) {
      const rows = await load(`data/boards/${params.get("board")}/${Math.floor(i / index.page)}.json`);
      if (!rows[i % index.page][0].toLowerCase().includes(find.toLowerCase())) continue;
    }
    out.push(i);
  }
  return { found: out, state, other };
}

// The address of a sample's own page, which keeps what the list was narrowed down to.
export function address(id, changed = {}) {
  const query = new URLSearchParams(params);
  for (const key of ["page"]) query.delete(key);
  for (const [key, value] of Object.entries({ id, ...changed })) {
    if (value) query.set(key, value); else query.delete(key);
  }
  return `sample.html?${query}`;
}

// Ids are in order of their length, then of their characters.
export function before(a, b) {
  const [x, y] = [[...a], [...b]];
  if (x.length !== y.length) return x.length < y.length;
  const i = x.findIndex((c, at) => c !== y[at]);
  return i >= 0 && x[i].codePointAt(0) < y[i].codePointAt(0);
}

// The position of an id in its board, or -1: the first ids of all chunks lead to one chunk.
export async function position(board, index, id) {
  if (index.ids) return index.ids.indexOf(id); // while runs are going, in the order in which they came
  let chunk = index.first.length - 1;
  while (chunk > 0 && before(id, index.first[chunk])) chunk -= 1;
  if (chunk < 0) return -1;
  const rows = await load(`data/boards/${board}/${chunk}.json`);
  const at = rows.findIndex((row) => row[0] === id);
  return at < 0 ? -1 : chunk * index.page + at;
}
